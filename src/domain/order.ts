import { type Decider, Rejected } from './decider.js'
import { compareIds, type OrderId, type ProductId, type UserId } from './ids.js'
import type { Cents } from './money.js'

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

/** What is ordered: merged items sorted by product, the total, and the client's word for where it stands. */
export type Terms = { readonly items: readonly OrderItem[]; readonly price: Cents; readonly status: string }

/** `price` is that of one piece when it was ordered; a product need not have one. */
export type OrderItem = { readonly productId: ProductId; readonly quantity: number; readonly price?: Cents }

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

export type Order = {
  readonly customerId: UserId | undefined
  /** As last accepted. */
  readonly terms: Terms | undefined
  readonly asked: Terms | undefined
  /** A request whose outcome is not written yet. */
  readonly open: 'order' | 'change' | undefined
  readonly phase: 'none' | 'requested' | 'placed' | 'rejected' | 'cancelled' | 'shipped'
  /** Whether it was ever accepted, and at which revision. */
  readonly placed: boolean
  readonly placedRevision: number
  readonly todo: readonly Todo[]
  /** The outcome's steps take the goods instead of setting quantities. */
  readonly take: boolean
  readonly settled: boolean
}

const initial: Order = {
  customerId: undefined,
  terms: undefined,
  asked: undefined,
  open: undefined,
  phase: 'none',
  placed: false,
  placedRevision: -1,
  todo: [],
  take: false,
  settled: true,
}

const word = (status: string): string => status.trim().toLowerCase()
const isCancelled = (status: string): boolean => word(status) === 'cancelled'
const staffWords: ReadonlySet<string> = new Set(['shipped', 'delivered', 'completed'])
const isStaffs = (status: string): boolean => staffWords.has(word(status))

/** One product named twice is added up; sorted by product, so that of two orders over the same last units one always wins. */
export const mergeItems = <Item extends { productId: ProductId; quantity: number }>(items: readonly Item[]): Item[] => {
  const merged = new Map<ProductId, Item>()
  for (const item of items) {
    const same = merged.get(item.productId)
    merged.set(item.productId, same ? { ...same, quantity: same.quantity + item.quantity } : item)
  }
  return [...merged.values()].sort((a, b) => compareIds(a.productId, b.productId))
}

/** The items' sum, where each has a price. */
export const sumOf = (items: readonly OrderItem[]): Cents | undefined =>
  items.reduce<Cents | undefined>(
    (sum, { price, quantity }) => (sum === undefined || price === undefined ? undefined : sum + price * quantity),
    0,
  )

export const quantityOf = (terms: Terms | undefined, productId: ProductId): number =>
  terms?.items.find((item) => item.productId === productId)?.quantity ?? 0

/** The items of which `next` asks for more than `now`. */
export const raisedItems = (now: Terms | undefined, next: Terms): readonly OrderItem[] =>
  next.items.filter(({ productId, quantity }) => quantity > quantityOf(now, productId))

const agreedPrice = (items: readonly OrderItem[], price: Cents | undefined): Cents => {
  const sum = sumOf(items)
  if (sum !== undefined && price !== undefined && price !== sum) throw new Rejected('PriceDiffers', { sum })
  const agreed = sum ?? price
  if (agreed === undefined) throw new Rejected('PriceRequired')
  return agreed
}

const decide = (command: OrderCommand, order: Order): readonly OrderEvent[] => {
  const { orderId, at } = command
  switch (command.type) {
    case 'RequestOrder': {
      const { customerId, status } = command
      if (isCancelled(status) || isStaffs(status)) throw new Rejected('StatusNotAllowed', { status })
      const items = mergeItems(command.items)
      return [
        {
          type: 'OrderRequested',
          data: { orderId, customerId, items, price: agreedPrice(items, command.price), status: status.trim(), at },
        },
      ]
    }
    case 'UpdateOrder':
      return updated(command, order)
    case 'Accept':
      return order.open === 'order'
        ? [{ type: 'OrderPlaced', data: { orderId, customerId: order.customerId!, ...order.asked!, at } }]
        : [{ type: 'OrderChanged', data: { orderId, ...order.asked!, at } }]
    case 'GiveUp':
      return [
        {
          type: order.open === 'change' ? 'OrderChangeAbandoned' : 'OrderRejected',
          data: { orderId, reason: command.reason, at },
        },
      ]
    case 'Settle':
      return order.settled ? [] : [{ type: 'OrderSettled', data: { orderId, at } }]
  }
}

const updated = (command: UpdateOrder, order: Order): readonly OrderEvent[] => {
  const { orderId, by, at } = command
  const { terms } = order
  if (!order.placed || !terms || (!by.staff && by.userId !== order.customerId)) throw new Rejected('OrderNotFound')
  if (!order.settled) throw new Rejected('OrderUnsettled')
  if (!by.staff && (order.phase === 'shipped' || isStaffs(command.status ?? ''))) throw new Rejected('StaffOnly')
  if (command.customerId !== undefined && command.customerId !== order.customerId) throw new Rejected('CustomerDiffers')

  const items = command.items && keepPrices(mergeItems(command.items), terms)
  const itemsDiffer = items !== undefined && !sameItems(items, terms.items)
  const status = command.status !== undefined && word(command.status) !== word(terms.status) ? command.status.trim() : undefined
  if (itemsDiffer && status !== undefined && (isCancelled(status) || isStaffs(status))) throw new Rejected('ItemsWithFinalStatus')
  const price = newPrice(itemsDiffer ? items : terms.items, command.price, itemsDiffer, terms)

  if (!itemsDiffer && status === undefined && price === undefined) return []
  if (order.phase === 'cancelled') throw new Rejected('OrderCancelled')
  if (order.phase === 'shipped' && (itemsDiffer || isCancelled(status ?? ''))) throw new Rejected('OrderShipped')

  if (itemsDiffer) {
    return [
      { type: 'OrderChangeRequested', data: { orderId, items, price: price ?? terms.price, status: status ?? terms.status, at } },
    ]
  }
  if (status !== undefined)
    return [{ type: 'OrderStatusChanged', data: { orderId, status, ...(price !== undefined && { price }), at } }]
  return [{ type: 'OrderRepriced', data: { orderId, price: price!, at } }]
}

/** The total where it changes. The sum rules; without one the client's word stands, and without a word the total stays. */
const newPrice = (
  items: readonly OrderItem[],
  asked: Cents | undefined,
  itemsDiffer: boolean,
  terms: Terms,
): Cents | undefined => {
  if (!itemsDiffer && (asked === undefined || asked === terms.price)) return undefined
  const price = agreedPrice(items, asked ?? (sumOf(items) === undefined ? terms.price : undefined))
  return price === terms.price ? undefined : price
}

const keepPrices = (items: readonly OrderItem[], terms: Terms): readonly OrderItem[] =>
  items.map((item) => {
    const had = terms.items.find(({ productId }) => productId === item.productId)
    if (!had) return item
    const { price: _, ...rest } = item
    return had.price === undefined ? rest : { ...rest, price: had.price }
  })

const sameItems = (a: readonly OrderItem[], b: readonly OrderItem[]): boolean =>
  a.length === b.length && a.every((item, i) => item.productId === b[i]!.productId && item.quantity === b[i]!.quantity)

const evolve = (order: Order, event: OrderEvent, revision: number): Order => {
  switch (event.type) {
    case 'OrderRequested':
      return {
        ...order,
        customerId: event.data.customerId,
        asked: termsOf(event.data),
        open: 'order',
        phase: 'requested',
        settled: false,
      }
    case 'OrderPlaced': {
      const terms = termsOf(event.data)
      return { ...initial, customerId: event.data.customerId, terms, phase: 'placed', placed: true, placedRevision: revision }
    }
    case 'OrderRejected': {
      const todo = (order.asked?.items ?? []).map(({ productId }) => ({ productId, quantity: 0, fence: true }))
      return { ...order, asked: undefined, open: undefined, phase: 'rejected', todo, settled: order.open === undefined }
    }
    case 'OrderChangeRequested':
      return { ...order, asked: termsOf(event.data), open: 'change', settled: false }
    case 'OrderChanged': {
      const terms = termsOf(event.data)
      const todo = lowered(order.terms, terms)
      return { ...order, terms, asked: undefined, open: undefined, todo, settled: todo.length === 0 }
    }
    case 'OrderChangeAbandoned': {
      const raised = order.asked ? raisedItems(order.terms, order.asked) : []
      const todo = raised.map(({ productId }) => ({ productId, quantity: quantityOf(order.terms, productId), fence: true }))
      return { ...order, asked: undefined, open: undefined, todo, settled: false }
    }
    case 'OrderRepriced':
      return { ...order, terms: { ...order.terms!, price: event.data.price } }
    case 'OrderStatusChanged': {
      const { status, price } = event.data
      return withStatus({ ...order, terms: { ...order.terms!, status, ...(price !== undefined && { price }) } }, status)
    }
    case 'OrderSettled':
      return { ...order, todo: [], settled: true }
  }
}

const termsOf = ({ items, price, status }: Terms): Terms => ({ items, price, status })

const lowered = (before: Terms | undefined, after: Terms): readonly Todo[] =>
  (before?.items ?? [])
    .map(({ productId, quantity }) => ({ productId, was: quantity, quantity: quantityOf(after, productId) }))
    .filter(({ was, quantity }) => was > quantity)
    .map(({ productId, quantity }) => ({ productId, quantity, fence: false }))

/** `cancelled` gives everything back; the first of staff's words sends the goods off; any other word moves nothing. */
const withStatus = (order: Order, status: string): Order => {
  const items = order.terms!.items
  if (isCancelled(status)) {
    return {
      ...order,
      phase: 'cancelled',
      todo: items.map(({ productId }) => ({ productId, quantity: 0, fence: false })),
      settled: false,
    }
  }
  if (isStaffs(status) && order.phase !== 'shipped') {
    return {
      ...order,
      phase: 'shipped',
      take: true,
      todo: items.map(({ productId, quantity }) => ({ productId, quantity, fence: false })),
      settled: false,
    }
  }
  return order
}

const accepting: ReadonlySet<OrderEvent['type']> = new Set([
  'OrderPlaced',
  'OrderChanged',
  'OrderRepriced',
  'OrderStatusChanged',
] as const)

/** Whether this event is one that others learn of: a request that was not accepted is no one else's business. */
export const isAccepted = (event: OrderEvent): boolean => accepting.has(event.type)

export const order: Decider<Order, OrderCommand, OrderEvent> = {
  category: 'order',
  initial,
  decide,
  evolve,
  accepts: isAccepted,
  asks: (event) => event.type === 'OrderRequested' || event.type === 'OrderChangeRequested',
}
