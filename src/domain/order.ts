import { type Decider, type Json, Rejected } from './decider.js'
import { cents, type Descriptions, integer, list, orderId, productId, text, userId } from './description.js'
import type { OrderId, ProductId, UserId } from './ids.js'
import type { Cents } from './money.js'
import {
  agreedPrice,
  keepPrices,
  mergeItems,
  newPrice,
  type OrderItem,
  quantityOf,
  raisedItems,
  sameItems,
  type Terms,
  termsOf,
} from './terms.js'

/**
 * The order's stream is the sequencer of everything that its items need in the products' streams, and its expected revision the
 * fence; the protocol, and the model that it was checked with, are in docs/models.
 */
export type OrderEvent =
  | { type: 'OrderRequested'; data: Terms & { orderId: OrderId; customerId: UserId; at: string } }
  | { type: 'OrderPlaced'; data: Terms & { orderId: OrderId; customerId: UserId; at: string } }
  | { type: 'OrderRejected'; data: { orderId: OrderId; reason: string; at: string } }
  | { type: 'OrderChangeRequested'; data: Terms & { orderId: OrderId; at: string } }
  | { type: 'OrderChanged'; data: Terms & { orderId: OrderId; at: string } }
  | { type: 'OrderChangeAbandoned'; data: { orderId: OrderId; reason: string; at: string } }
  | { type: 'OrderRepriced'; data: { orderId: OrderId; price: Cents; at: string } }
  | { type: 'OrderStatusChanged'; data: { orderId: OrderId; status: string; price?: Cents; at: string } }
  | { type: 'OrderSettled'; data: { orderId: OrderId; at: string } }

export type OrderCommand =
  | {
      type: 'RequestOrder'
      orderId: OrderId
      customerId: UserId
      items: readonly OrderItem[]
      price?: Cents
      status: string
      at: string
    }
  | UpdateOrder
  /** The reservations stand: accept what is open. */
  | { type: 'Accept'; orderId: OrderId; at: string }
  /** Refuse what is open; on an empty stream the fence against a request that never came. */
  | { type: 'GiveUp'; orderId: OrderId; reason: string; at: string }
  | { type: 'Settle'; orderId: OrderId; at: string }

export type UpdateOrder = {
  type: 'UpdateOrder'
  orderId: OrderId
  by: { readonly userId: UserId; readonly staff: boolean }
  customerId?: UserId
  /** Items of products that the order has already keep the price that they were ordered at. */
  items?: readonly OrderItem[]
  price?: Cents
  status?: string
  at: string
}

/** A step in a product's stream that the last outcome still asks for; `fence`: a request for more was given up, and its writer may be on its way. */
export type Todo = { readonly productId: ProductId; readonly quantity: number; readonly fence: boolean }

export type OrderRejection =
  | 'CustomerDiffers'
  | 'ItemsWithFinalStatus'
  | 'NothingOpen'
  | 'OrderCancelled'
  | 'OrderExists'
  | 'OrderNotFound'
  | 'OrderShipped'
  | 'OrderUnsettled'
  | 'PriceDiffers'
  | 'PriceRequired'
  | 'StaffOnly'
  | 'StatusNotAllowed'

/** How far an order has come: what a row shows of it, and all that the next event's effect on that depends on. */
export type OrderProgress = {
  readonly customerId: UserId | undefined
  /** As last accepted. */
  readonly terms: Terms | undefined
  /** As first asked for; once it is accepted, its terms say it. */
  readonly requested: Terms | undefined
  readonly phase: 'none' | 'requested' | 'placed' | 'rejected' | 'cancelled' | 'shipped'
  /** Whether it was ever accepted. */
  readonly placed: boolean
  /** Whether nothing remains to be done for it in the products' streams. */
  readonly settled: boolean
}

export type Order = OrderProgress & {
  readonly asked: Terms | undefined
  /** A request whose outcome is not written yet. */
  readonly open: 'order' | 'change' | undefined
  /** At which revision it was accepted first. */
  readonly placedRevision: number
  readonly todo: readonly Todo[]
  /** The outcome's steps take the goods instead of setting quantities. */
  readonly take: boolean
}

export const noProgress: OrderProgress = {
  customerId: undefined,
  terms: undefined,
  requested: undefined,
  phase: 'none',
  placed: false,
  settled: true,
}

const initial: Order = { ...noProgress, asked: undefined, open: undefined, placedRevision: -1, todo: [], take: false }

const refuse = (reason: OrderRejection, detail: { readonly [key: string]: Json } = {}): Rejected => new Rejected(reason, detail)

/** A status as it is compared: trimmed and without case. */
export const word = (status: string): string => status.trim().toLowerCase()
const isCancelled = (status: string): boolean => word(status) === 'cancelled'
const staffWords: ReadonlySet<string> = new Set(['shipped', 'delivered', 'completed'])
const isStaffs = (status: string): boolean => staffWords.has(word(status))

/**
 * A status as it is kept: trimmed, and one of our own words where it reads or folds like one (`ſhipped`, or with something in it that
 * nobody sees). Events of before are taken as they were spelled, so that they mean what they meant.
 */
const spelled = (status: string): string => {
  const folded = foldedStatus(status)
  return !isCancelled(status) && !isStaffs(status) && (isCancelled(folded) || isStaffs(folded)) ? folded : status.trim()
}

/** Unicode's NFKC_Casefold, as near as the language comes to it. */
const foldedStatus = (status: string): string =>
  status
    .normalize('NFKC')
    .toUpperCase()
    .toLowerCase()
    .replace(/\p{Default_Ignorable_Code_Point}/gu, '')
    .normalize('NFKC')
    .trim()

const decide = (command: OrderCommand, order: Order): readonly OrderEvent[] => {
  const { orderId, at } = command
  switch (command.type) {
    case 'RequestOrder': {
      const { customerId } = command
      const status = spelled(command.status)
      if (order.phase !== 'none' && !(order.phase === 'rejected' && order.settled)) throw refuse('OrderExists')
      if (isCancelled(status) || isStaffs(status)) throw refuse('StatusNotAllowed', { status })
      const items = mergeItems(command.items)
      return [
        {
          type: 'OrderRequested',
          data: { orderId, customerId, items, price: agreedPrice(items, command.price), status, at },
        },
      ]
    }
    case 'UpdateOrder':
      return updated(command, order)
    case 'Accept': {
      const { open, asked, customerId } = order
      if (!open || !asked || !customerId) throw refuse('NothingOpen')
      return open === 'order'
        ? [{ type: 'OrderPlaced', data: { orderId, customerId, ...asked, at } }]
        : [{ type: 'OrderChanged', data: { orderId, ...asked, at } }]
    }
    case 'GiveUp':
      if (!order.open && order.phase !== 'none') throw refuse('NothingOpen')
      return [
        {
          type: order.open === 'change' ? 'OrderChangeAbandoned' : 'OrderRejected',
          data: { orderId, reason: command.reason, at },
        },
      ]
    case 'Settle':
      if (order.open) throw refuse('OrderUnsettled')
      return order.settled ? [] : [{ type: 'OrderSettled', data: { orderId, at } }]
  }
}

const updated = (command: UpdateOrder, order: Order): readonly OrderEvent[] => {
  const { orderId, by, at } = command
  const { terms } = order
  const said = command.status === undefined ? undefined : spelled(command.status)
  if (!order.placed || !terms || (!by.staff && by.userId !== order.customerId)) throw refuse('OrderNotFound')
  if (!order.settled) throw refuse('OrderUnsettled')
  if (!by.staff && (order.phase === 'shipped' || isStaffs(said ?? ''))) throw refuse('StaffOnly')
  if (command.customerId !== undefined && command.customerId !== order.customerId) throw refuse('CustomerDiffers')

  const items = command.items && keepPrices(mergeItems(command.items), terms)
  const itemsDiffer = items !== undefined && !sameItems(items, terms.items)
  const status = said !== undefined && word(said) !== word(terms.status) ? said : undefined
  if (itemsDiffer && status !== undefined && (isCancelled(status) || isStaffs(status))) throw refuse('ItemsWithFinalStatus')
  const price = newPrice(itemsDiffer ? items : terms.items, command.price, itemsDiffer, terms)

  if (!itemsDiffer && status === undefined && price === undefined) return []
  if (order.phase === 'cancelled') throw refuse('OrderCancelled')
  if (order.phase === 'shipped' && (itemsDiffer || isCancelled(status ?? ''))) throw refuse('OrderShipped')

  if (itemsDiffer) {
    return [
      { type: 'OrderChangeRequested', data: { orderId, items, price: price ?? terms.price, status: status ?? terms.status, at } },
    ]
  }
  if (status !== undefined)
    return [{ type: 'OrderStatusChanged', data: { orderId, status, ...(price !== undefined && { price }), at } }]
  // Neither items nor status differ, so the price does.
  return [{ type: 'OrderRepriced', data: { orderId, price: price!, at } }]
}

/** The progress after the event: the read model folds with it as well. */
export const evolveProgress = (progress: OrderProgress, event: OrderEvent): OrderProgress => {
  const { customerId, terms, requested, phase, placed, settled } = progress
  switch (event.type) {
    case 'OrderRequested': {
      const asked = termsOf(event.data)
      return { customerId: event.data.customerId, terms, requested: asked, phase: 'requested', placed, settled: false }
    }
    case 'OrderPlaced': {
      const { data } = event
      const accepted = { terms: termsOf(data), requested: undefined }
      return { customerId: data.customerId, ...accepted, phase: 'placed', placed: true, settled: true }
    }
    case 'OrderRejected':
      return { customerId, terms, requested, phase: 'rejected', placed, settled: phase !== 'requested' }
    case 'OrderChangeRequested':
    case 'OrderChangeAbandoned':
      return { customerId, terms, requested, phase, placed, settled: false }
    case 'OrderChanged': {
      const next = termsOf(event.data)
      return { customerId, terms: next, requested, phase, placed, settled: lowered(terms, next).length === 0 }
    }
    case 'OrderRepriced':
      return { customerId, terms: terms && { ...terms, price: event.data.price }, requested, phase, placed, settled }
    case 'OrderStatusChanged': {
      const { status, price } = event.data
      const next = terms && { ...terms, status, ...(price !== undefined && { price }) }
      const ended = phaseOf(status, phase)
      return { customerId, terms: next, requested, phase: ended ?? phase, placed, settled: settled && !ended }
    }
    case 'OrderSettled':
      return { customerId, terms, requested, phase, placed, settled: true }
    default:
      return progress
  }
}

const evolve = (order: Order, event: OrderEvent, revision: number): Order => ({
  ...evolveWork(order, event, revision),
  ...evolveProgress(order, event),
})

type Work = Omit<Order, keyof OrderProgress>

/** What is asked, and what an outcome still asks for in the products' streams. */
const evolveWork = (order: Order, event: OrderEvent, revision: number): Work => {
  const { placedRevision, take } = order
  const decided = { asked: undefined, open: undefined, placedRevision, take }
  switch (event.type) {
    case 'OrderRequested':
      return { asked: termsOf(event.data), open: 'order', placedRevision, todo: [], take }
    case 'OrderPlaced':
      return { ...decided, placedRevision: revision, todo: [], take: false }
    case 'OrderRejected':
      return { ...decided, todo: (order.asked?.items ?? []).map(({ productId }) => ({ productId, quantity: 0, fence: true })) }
    case 'OrderChangeRequested':
      return { asked: termsOf(event.data), open: 'change', placedRevision, todo: [], take }
    case 'OrderChanged':
      return { ...decided, todo: lowered(order.terms, termsOf(event.data)) }
    case 'OrderChangeAbandoned': {
      const raised = order.asked ? raisedItems(order.terms, order.asked) : []
      const todo = raised.map(({ productId }) => ({ productId, quantity: quantityOf(order.terms, productId), fence: true }))
      return { ...decided, todo }
    }
    case 'OrderStatusChanged':
      return { ...order, ...workOfStatus(order, event.data.status) }
    case 'OrderSettled':
      return { ...order, todo: [] }
    default:
      return order
  }
}

const lowered = (before: Terms | undefined, after: Terms): readonly Todo[] =>
  (before?.items ?? [])
    .map(({ productId, quantity }) => ({ productId, was: quantity, quantity: quantityOf(after, productId) }))
    .filter(({ was, quantity }) => was > quantity)
    .map(({ productId, quantity }) => ({ productId, quantity, fence: false }))

/** `cancelled` gives everything back; the first of staff's words sends the goods off; any other word moves nothing. */
const phaseOf = (status: string, phase: Order['phase']): 'cancelled' | 'shipped' | undefined => {
  if (isCancelled(status)) return 'cancelled'
  return isStaffs(status) && phase !== 'shipped' ? 'shipped' : undefined
}

const workOfStatus = ({ terms, phase }: Order, status: string): Partial<Pick<Order, 'todo' | 'take'>> => {
  const items = terms?.items ?? []
  switch (phaseOf(status, phase)) {
    case 'cancelled':
      return { todo: items.map(({ productId }) => ({ productId, quantity: 0, fence: false })) }
    case 'shipped':
      return { take: true, todo: items.map(({ productId, quantity }) => ({ productId, quantity, fence: false })) }
    default:
      return {}
  }
}

const says: Decider<Order, OrderCommand, OrderEvent>['says'] = {
  OrderRequested: 'asked',
  OrderPlaced: 'accepted',
  OrderRejected: 'nothing',
  OrderChangeRequested: 'asked',
  OrderChanged: 'accepted',
  OrderChangeAbandoned: 'nothing',
  OrderRepriced: 'accepted',
  OrderStatusChanged: 'accepted',
  OrderSettled: 'nothing',
}

const accepting: ReadonlySet<string> = new Set(
  Object.entries(says).flatMap(([type, said]) => (said === 'accepted' ? [type] : [])),
)

/** Whether this event is one that others learn of: a request that was not accepted is no one else's business. */
export const isAccepted = ({ type }: { readonly type: string }): boolean => accepting.has(type)

const ofItems = list('what is ordered', {
  productId,
  quantity: integer('pieces'),
  price: cents('of one piece, in cents, when it was ordered'),
})
const ofTerms = {
  items: ofItems,
  price: cents('of the whole order, in cents'),
  status: text("the order's status, in the customer's words"),
}

/** What each event means, and its fields, to somebody who reads the history. */
export const orderDescriptions: Descriptions<OrderEvent> = {
  OrderRequested: {
    means: 'an order is asked for; whether it is placed depends on the stock',
    fields: { orderId, customerId: userId, ...ofTerms },
  },
  OrderPlaced: { means: 'an order is placed: this is a sale', fields: { orderId, customerId: userId, ...ofTerms } },
  OrderRejected: { means: 'an order that was asked for is refused', fields: { orderId, reason: text('why') } },
  OrderChangeRequested: { means: 'a change of an order is asked for', fields: { orderId, ...ofTerms } },
  OrderChanged: { means: 'an order has other items, price or status', fields: { orderId, ...ofTerms } },
  OrderChangeAbandoned: { means: 'a change that was asked for is refused', fields: { orderId, reason: text('why') } },
  OrderRepriced: { means: 'an order has another price', fields: { orderId, price: ofTerms.price } },
  OrderStatusChanged: {
    means: 'an order has another status, such as paid, shipped or cancelled',
    fields: { orderId, status: ofTerms.status, price: cents('of the whole order, in cents, where it changed too') },
  },
  OrderSettled: { means: 'nothing remains to be done for the order in the stock', fields: { orderId } },
}

export const order: Decider<Order, OrderCommand, OrderEvent> = {
  category: 'order',
  initial,
  decide,
  evolve,
  says,
}
