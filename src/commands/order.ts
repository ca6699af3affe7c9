import { Rejected } from '../domain/decider.js'
import type { OrderId, ProductId, UserId } from '../domain/ids.js'
import type { Cents } from '../domain/money.js'
import { type Order, type OrderEvent, order } from '../domain/order.js'
import { mergeItems, type OrderItem, raisedItems, sumOf } from '../domain/terms.js'
import { isActive, user } from '../domain/user.js'
import type { OrderView } from '../domain/views.js'
import { WrongRevision } from '../eventstore/store.js'
import { assertInTime, type CommandContext, type Done, retrying, Unfinished } from './engine/context.js'
import { createUnderKey } from './engine/create.js'
import type { Policies } from './engine/idempotency/key-registry.js'
import type { StreamState } from './engine/stream-state.js'
import type { Clock, Streams } from './engine/streams.js'
import { assertRevision, repeatOf } from './engine/verdict.js'
import { assertStock, type Freshness, type ProductSnapshot, readProducts, reserve, settle } from './stock.js'

export type Item = { readonly productId: ProductId; readonly quantity: number }

export type PlaceOrder = { customerId: UserId; items: readonly Item[]; price?: Cents; status: string }

export type UpdateOrderInput = {
  orderId: OrderId
  by: { readonly userId: UserId; readonly staff: boolean }
  customerId?: UserId
  items?: readonly Item[]
  price?: Cents
  status?: string
}

/** All of them throw `Rejected`, `KeyReused`, and `Unfinished` where recovery will say what becomes of it. */
export type OrderCommands = {
  /** All or nothing: either every item is reserved and the order accepted, or nothing stays reserved. */
  readonly place: (context: CommandContext, input: PlaceOrder) => Promise<Done<OrderView>>
  /** Throws `PreconditionFailed` too. */
  readonly update: (context: CommandContext, input: UpdateOrderInput) => Promise<Done<OrderView>>
  /** Gives up what was left open and finishes what was decided. Any number at once, at any time: being early is never wrong. */
  readonly recover: (context: CommandContext, orderId: OrderId) => Promise<StreamState<Order>>
}

type Deps = { readonly streams: Streams; readonly clock: Clock }

/** What an Idempotency-Key means to each of them. */
export const orderPolicies: Policies<OrderCommands> = { place: 'creates', update: 'changes', recover: 'unguarded' }

export const createOrderCommands = (deps: Deps): OrderCommands => ({
  place: (context, input) => place(deps, context, input),
  update: (context, input) => update(deps, context, input),
  recover: (context, orderId) => recoverOrder(deps, context, orderId),
})

const place = (deps: Deps, context: CommandContext, input: PlaceOrder): Promise<Done<OrderView>> =>
  createUnderKey(deps, order, context, {
    isOwn: ({ openRequestKey }) => openRequestKey !== undefined && openRequestKey.commandId === context.key?.commandId,
    repeat: (orderId, now, accepted) => answerRepeat(deps, context, orderId, now, accepted),
    create: async (orderId, before) => {
      if (before.state.open) return undefined
      if (!before.state.settled) {
        await settle(deps, orderId, before, context)
        return undefined
      }
      await assertCustomer(deps, context, input.customerId)
      try {
        const prepared = await prepareOrder(deps, context, orderId, before, input)
        return done(orderId, await requestOrder(deps, context, orderId, before, prepared))
      } catch (error) {
        if (hasOldPrice(error, input)) return undefined
        throw error
      }
    },
  })

/** Who names no price takes today's: where that changed between the look and the reservation, they are asked for the new one. */
export const hasOldPrice = (error: unknown, { price }: { readonly price?: Cents }): boolean =>
  price === undefined && error instanceof Rejected && error.reason === 'PriceDiffers'

/** A request that the products could fulfil, and what they were like when it was decided. */
export type PreparedOrder = { readonly events: readonly OrderEvent[]; readonly products: ProductSnapshot }

/** Looks at the products, before anything is written. Throws `Rejected`. */
export const prepareOrder = (
  deps: Deps,
  context: CommandContext,
  orderId: OrderId,
  before: StreamState<Order>,
  input: PlaceOrder,
): Promise<PreparedOrder> => {
  const items = mergeItems(input.items)
  const decide = (products: ProductSnapshot): readonly OrderEvent[] => {
    const priced = items.map((item) => withPrice(item, products))
    const command = { type: 'RequestOrder' as const, orderId, ...input, items: priced, at: deps.streams.timeAfter(before) }
    const events = order.decide(command, before.state)
    assertStock(items, products)
    return events
  }
  return decideOnProducts(deps, context, items, decide, input.price === undefined ? 'current' : 'cache')
}

/** Requests the order and reserves what it asks for. Throws `WrongRevision` where its stream has moved on before the request. */
export const requestOrder = async (
  deps: Deps,
  context: CommandContext,
  orderId: OrderId,
  before: StreamState<Order>,
  { events, products }: PreparedOrder,
): Promise<StreamState<Order>> => {
  const requested = await deps.streams.append(order, orderId, before, events, context, context.key)
  return fulfil(deps, context, orderId, requested, requested.state.asked?.items ?? [], products)
}

/** The events that `decide` answers, and the products that it accepted: what cached states refuse is asked again of the store. */
const decideOnProducts = async (
  deps: Deps,
  context: CommandContext,
  items: readonly Item[],
  decide: (products: ProductSnapshot) => readonly OrderEvent[],
  first: Freshness,
): Promise<PreparedOrder> => {
  const ids = items.map(({ productId }) => productId)
  const known = await readProducts(deps, ids, first, context)
  try {
    return { products: known, events: decide(known) }
  } catch (error) {
    if (!(error instanceof Rejected)) throw error
  }
  const products = await readProducts(deps, ids, 'store', context)
  return { products, events: decide(products) }
}

/** Reserves one product after another, then writes that the request is accepted, or that it is not and why. */
const fulfil = async (
  deps: Deps,
  context: CommandContext,
  orderId: OrderId,
  requested: StreamState<Order>,
  raised: readonly OrderItem[],
  products: ProductSnapshot,
): Promise<StreamState<Order>> => {
  const had = new Set(requested.state.terms?.items.map(({ productId }) => productId))
  const touched = new Set<ProductId>()
  try {
    for (const item of raised) {
      const reservation = { orderId, orderRevision: requested.revision, item, atTodaysPrice: !had.has(item.productId) }
      // Read before the request, for every item that was raised.
      await reserve(deps, reservation, products.get(item.productId)!, context)
      touched.add(item.productId)
    }
  } catch (error) {
    if (!(error instanceof Rejected)) throw error
    const refused = await writeOutcome(deps, context, orderId, requested, { type: 'GiveUp', reason: error.reason })
    await settle(deps, orderId, refused, context, { touched })
    throw error.reason === 'PriceDiffers' ? await priceDiffers(deps, raised, context) : error
  }
  return writeOutcome(deps, context, orderId, requested, { type: 'Accept' })
}

const priceDiffers = async (deps: Deps, items: readonly OrderItem[], context: CommandContext): Promise<Rejected> => {
  const ids = items.map(({ productId }) => productId)
  const products = await readProducts(deps, ids, 'store', context)
  const sum = sumOf(items.map((item) => withPrice(item, products)))
  return new Rejected('PriceDiffers', sum === undefined ? {} : { sum })
}

const writeOutcome = async (
  { streams }: Deps,
  context: CommandContext,
  orderId: OrderId,
  requested: StreamState<Order>,
  command: { type: 'Accept' } | { type: 'GiveUp'; reason: string },
): Promise<StreamState<Order>> => {
  assertInTime(context)
  const key = command.type === 'Accept' ? context.key : undefined
  try {
    return await streams.decide(order, orderId, requested, { ...command, orderId }, context, key)
  } catch (error) {
    if (error instanceof WrongRevision) throw new Unfinished('recovery has decided this request', { cause: error })
    throw error
  }
}

/** Answers a repeated key as the first time: the order as it was accepted, with the revision of its settlement if that is directly behind. */
const answerRepeat = async (
  deps: Deps,
  context: CommandContext,
  orderId: OrderId,
  now: StreamState<Order>,
  accepted: number,
): Promise<Done<OrderView>> => {
  const then = await deps.streams.loadAsOf(order, orderId, accepted, context)
  if (then.state.settled) return done(orderId, then)
  if (now.revision === accepted) return done(orderId, await settledInTime(deps, context, orderId, then))
  return done(orderId, { ...(await deps.streams.loadAsOf(order, orderId, accepted + 1, context)), state: then.state })
}

/** The accepted order with the revision at which it was settled; as it is where that takes longer than there is time. */
const settledInTime = async (
  deps: Deps,
  context: CommandContext,
  orderId: OrderId,
  accepted: StreamState<Order>,
): Promise<StreamState<Order>> => {
  if (accepted.state.settled) return accepted
  try {
    const { revision, position } = await settle(deps, orderId, accepted, context)
    // Directly behind the outcome stands its settlement; what came after that, another may have changed.
    return { ...accepted, revision: Math.min(revision, accepted.revision + 1), position }
  } catch (error) {
    // The outcome is durable, and recovery takes the steps that are left: what was asked has come to be.
    if (error instanceof Unfinished) return accepted
    throw error
  }
}

/** A customer orders for themselves; whoever orders for another must name somebody who is there. */
const assertCustomer = async ({ streams }: Deps, context: CommandContext, customerId: UserId): Promise<void> => {
  if (context.actor === customerId || context.actor === 'anonymous' || context.actor === 'system') return
  if (isActive((await streams.know(user, customerId, context)).state)) return
  if (!isActive((await streams.load(user, customerId, context)).state)) throw new Rejected('UserNotFound')
}

const update = (deps: Deps, context: CommandContext, input: UpdateOrderInput): Promise<Done<OrderView>> => {
  const { orderId, by } = input
  return retrying(context, async () => {
    const before = await deps.streams.load(order, orderId, context)
    const accepted = repeatOf(before, context)
    if (accepted !== undefined) return answerRepeat(deps, context, orderId, before, accepted)
    if (!before.state.placed || (!by.staff && by.userId !== before.state.customerId)) throw new Rejected('OrderNotFound')
    if (before.state.open) return undefined
    if (!before.state.settled) {
      await settle(deps, orderId, before, context)
      return undefined
    }
    assertRevision(before, context)
    return done(orderId, await change(deps, context, before, input))
  })
}

/** Throws `WrongRevision` where the order has moved on before anything was written. */
const change = async (
  deps: Deps,
  context: CommandContext,
  before: StreamState<Order>,
  input: UpdateOrderInput,
): Promise<StreamState<Order>> => {
  const { orderId } = input
  const { terms } = before.state
  const items = input.items && mergeItems(input.items)
  const decide = (products: ProductSnapshot): readonly OrderEvent[] => {
    const { items: _, ...rest } = input
    const priced = items && { items: items.map((item) => withPrice(item, products)) }
    const command = { type: 'UpdateOrder' as const, ...rest, ...priced, at: deps.streams.timeAfter(before) }
    const events = order.decide(command, before.state)
    const [asked] = events
    if (asked?.type === 'OrderChangeRequested') assertStock(raisedItems(terms, asked.data), products, orderId)
    return events
  }
  const { events, products } = await decideOnProducts(deps, context, items ?? [], decide, 'cache')
  if (events.length === 0) return before
  const written = await deps.streams.append(order, orderId, before, events, context, context.key)
  const { open, asked } = written.state
  const accepted = open && asked ? await fulfil(deps, context, orderId, written, raisedItems(terms, asked), products) : written
  return settledInTime(deps, context, orderId, accepted)
}

/** See `OrderCommands.recover`. */
export const recoverOrder = (deps: Deps, context: CommandContext, orderId: OrderId): Promise<StreamState<Order>> =>
  retrying(context, async () => {
    const found = await deps.streams.load(order, orderId, context)
    if (found.state.settled) return found
    if (!found.state.open) return settle(deps, orderId, found, context)
    const given = await giveUp(deps, context, orderId, found)
    return settle(deps, orderId, given, context)
  })

/** Refuses what is open, or a request that has not come. Throws `WrongRevision` where it has. */
export const giveUp = (
  { streams }: Deps,
  context: CommandContext,
  orderId: OrderId,
  found: StreamState<Order>,
): Promise<StreamState<Order>> =>
  streams.decide(order, orderId, found, { type: 'GiveUp', orderId, reason: 'Unfinished' }, context)

const withPrice = ({ productId, quantity }: Item, products: ProductSnapshot): OrderItem => {
  const price = products.get(productId)?.state.price
  return { productId, quantity, ...(price !== undefined && { price }) }
}

const done = (orderId: OrderId, stream: StreamState<Order>): Done<OrderView> => ({
  value: orderView(orderId, stream.state),
  revision: stream.revision,
  position: stream.position,
})

/** Of an order that was accepted once, and so has both. */
export const orderView = (orderId: OrderId, { customerId, terms }: Order): OrderView => ({
  orderId,
  customerId: customerId!,
  ...terms!,
})
