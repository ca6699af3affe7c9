import { Rejected } from '../domain/decider.js'
import type { OrderId, ProductId, UserId } from '../domain/ids.js'
import type { Cents } from '../domain/money.js'
import { mergeItems, type Order, type OrderItem, order, raisedItems, sumOf, type Terms } from '../domain/order.js'
import { isActive, user } from '../domain/user.js'
import { noStream, WrongRevision } from '../eventstore/store.js'
import { assertInTime, backOff, type CommandContext, type Done, Unfinished } from './engine/context.js'
import { assertRevision, type Clock, repeatOf, timeAfter } from './engine/handle.js'
import { idOfKey, newId } from './engine/idempotency/command-key.js'
import { type Loaded, nothing } from './engine/stream-state.js'
import type { Streams } from './engine/streams.js'
import { assertStock, type Looked, type Stock } from './stock.js'

export type OrderView = Terms & { readonly orderId: OrderId; readonly customerId: UserId }

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

export type OrderCommands = {
  /** All or nothing: either every item is reserved and the order accepted, or nothing stays reserved. */
  readonly place: (context: CommandContext, input: PlaceOrder) => Promise<Done<OrderView>>
  readonly update: (context: CommandContext, input: UpdateOrderInput) => Promise<Done<OrderView>>
  /**
   * The same under an id of the caller's, whose stream is at `before`; `beforeRequest` runs between the look at the products and the
   * request. Throws `WrongRevision` where the order's stream has moved on before the request.
   */
  readonly placeAs: (
    context: CommandContext,
    orderId: OrderId,
    before: Loaded<Order>,
    input: PlaceOrder,
    beforeRequest?: () => Promise<void>,
  ) => Promise<Loaded<Order>>
  /** Gives up what was left open and finishes what was decided. Any number at once, at any time: being early is never wrong. */
  readonly recover: (context: CommandContext, orderId: OrderId) => Promise<Loaded<Order>>
}

export const createOrderCommands = (streams: Streams, stock: Stock, clock: Clock): OrderCommands => {
  const load = (orderId: OrderId, context: CommandContext) => streams.load(order, orderId, context)

  /** Answers the products' states that `decide` accepted; what cached states refuse is asked again of the store. */
  const lookAndDecide = async <Result>(
    productIds: readonly ProductId[],
    decide: (looked: Looked) => Result,
    context: CommandContext,
    fresh = false,
  ): Promise<{ looked: Looked; decided: Result }> => {
    if (!fresh) {
      const known = await stock.look(productIds, false, context)
      try {
        return { looked: known, decided: decide(known) }
      } catch (error) {
        if (!(error instanceof Rejected)) throw error
      }
    }
    const looked = await stock.look(productIds, true, context)
    return { looked, decided: decide(looked) }
  }

  const placeAs: OrderCommands['placeAs'] = async (context, orderId, before, input, beforeRequest) => {
    const items = mergeItems(input.items)
    const { looked, decided } = await lookAndDecide(
      items.map(({ productId }) => productId),
      (products) => {
        const events = order.decide(
          {
            type: 'RequestOrder',
            orderId,
            ...input,
            items: items.map((item) => priced(item, products)),
            at: timeAfter(before, clock),
          },
          before.state,
        )
        assertStock(items, products)
        return events
      },
      context,
      // Who names no price takes today's, and must not be told that it is not the sum.
      input.price === undefined,
    )
    await beforeRequest?.()
    const requested = await streams.append(order, orderId, before, decided, context, context.key)
    return fulfil(context, orderId, requested, requested.state.asked!.items, looked)
  }

  /** Reserves one product after another, then writes that the request is accepted, or that it is not and why. */
  const fulfil = async (
    context: CommandContext,
    orderId: OrderId,
    requested: Loaded<Order>,
    raised: readonly OrderItem[],
    looked: Looked,
  ): Promise<Loaded<Order>> => {
    const had = new Set(requested.state.terms?.items.map(({ productId }) => productId))
    try {
      for (const item of raised) {
        const reservation = { orderId, orderRevision: requested.revision, item, atTodaysPrice: !had.has(item.productId) }
        await stock.reserve(reservation, looked.get(item.productId)!, context)
      }
    } catch (error) {
      if (!(error instanceof Rejected)) throw error
      const refused = await outcome(context, orderId, requested, { type: 'GiveUp', reason: error.reason })
      await stock.settle(orderId, refused, context, true)
      throw error.reason === 'PriceDiffers' ? await priceDiffers(raised, context) : error
    }
    return outcome(context, orderId, requested, { type: 'Accept' })
  }

  const priceDiffers = async (items: readonly OrderItem[], context: CommandContext): Promise<Rejected> => {
    const looked = await stock.look(
      items.map(({ productId }) => productId),
      true,
      context,
    )
    const sum = sumOf(items.map((item) => priced(item, looked)))
    return new Rejected('PriceDiffers', sum === undefined ? {} : { sum })
  }

  const outcome = async (
    context: CommandContext,
    orderId: OrderId,
    requested: Loaded<Order>,
    command: { type: 'Accept' } | { type: 'GiveUp'; reason: string },
  ): Promise<Loaded<Order>> => {
    assertInTime(context)
    const events = order.decide({ ...command, orderId, at: timeAfter(requested, clock) }, requested.state)
    try {
      return await streams.append(order, orderId, requested, events, context, command.type === 'Accept' ? context.key : undefined)
    } catch (error) {
      if (error instanceof WrongRevision) throw new Unfinished('recovery has decided this request', { cause: error })
      throw error
    }
  }

  /** What was accepted at this revision is answered as then: with the settlement that followed, for the first answer had waited for it. */
  const repeated = async (
    context: CommandContext,
    orderId: OrderId,
    now: Loaded<Order>,
    accepted: number,
  ): Promise<Done<OrderView>> => {
    const then = await streams.loadAsOf(order, orderId, accepted, context)
    if (then.state.settled) return done(orderId, then)
    if (now.revision === accepted) return done(orderId, await settled(context, orderId, then))
    return done(orderId, { ...(await streams.loadAsOf(order, orderId, accepted + 1, context)), state: then.state })
  }

  const settled = async (context: CommandContext, orderId: OrderId, accepted: Loaded<Order>): Promise<Loaded<Order>> => {
    if (accepted.state.settled) return accepted
    try {
      const { revision, position } = await stock.settle(orderId, accepted, context)
      // Directly behind the outcome stands its settlement; what came after that, another may have changed.
      return { ...accepted, revision: Math.min(revision, accepted.revision + 1), position }
    } catch (error) {
      // The outcome is durable, and recovery takes the steps that are left: what was asked has come to be.
      if (error instanceof Unfinished) return accepted
      throw error
    }
  }

  /** A customer orders for themselves; whoever orders for another must name somebody who is there. */
  const assertCustomer = async (context: CommandContext, customerId: UserId): Promise<void> => {
    if (context.actor === customerId || context.actor === 'anonymous' || context.actor === 'system') return
    if (!isActive((await streams.load(user, customerId, context)).state)) throw new Rejected('UserNotFound')
  }

  const place: OrderCommands['place'] = async (context, input) => {
    for (let salt = 0, attempt = 0; ; attempt++) {
      const orderId = context.key ? idOfKey(context.key, salt) : newId(clock())
      const before = context.key ? await load(orderId, context) : nothing(order.initial)
      const accepted = repeatOf(before, context)
      if (accepted !== undefined) return repeated(context, orderId, before, accepted)
      if (before.revision !== noStream && before.opened?.commandId !== context.key?.commandId) salt++
      else if (before.state.open) await backOff(attempt, context)
      else if (!before.state.settled) await stock.settle(orderId, before, context)
      else {
        try {
          await assertCustomer(context, input.customerId)
          return done(orderId, await placeAs(context, orderId, before, input))
        } catch (error) {
          if (!(error instanceof WrongRevision)) throw error
          await backOff(attempt, context)
        }
      }
    }
  }

  const update: OrderCommands['update'] = async (context, input) => {
    const { orderId, by } = input
    for (let attempt = 0; ; attempt++) {
      const before = await load(orderId, context)
      const accepted = repeatOf(before, context)
      if (accepted !== undefined) return repeated(context, orderId, before, accepted)
      if (!before.state.placed || (!by.staff && by.userId !== before.state.customerId)) throw new Rejected('OrderNotFound')
      if (before.state.open) {
        await backOff(attempt, context)
        continue
      }
      if (!before.state.settled) {
        await stock.settle(orderId, before, context)
        continue
      }
      assertRevision(before, context)
      try {
        return done(orderId, await change(context, before, input))
      } catch (error) {
        if (!(error instanceof WrongRevision)) throw error
        await backOff(attempt, context)
      }
    }
  }

  /** Throws `WrongRevision` where the order has moved on before anything was written. */
  const change = async (context: CommandContext, before: Loaded<Order>, input: UpdateOrderInput): Promise<Loaded<Order>> => {
    const { orderId } = input
    const items = input.items && mergeItems(input.items)
    const { looked, decided } = await lookAndDecide(
      items?.map(({ productId }) => productId) ?? [],
      (products) => {
        const { items: _, ...rest } = input
        const command = {
          type: 'UpdateOrder' as const,
          ...rest,
          ...(items && { items: items.map((item) => priced(item, products)) }),
        }
        const events = order.decide({ ...command, at: timeAfter(before, clock) }, before.state)
        const [asked] = events
        if (asked?.type === 'OrderChangeRequested') assertStock(raisedItems(before.state.terms, asked.data), products, orderId)
        return events
      },
      context,
    )
    if (decided.length === 0) return before
    const written = await streams.append(order, orderId, before, decided, context, context.key)
    const accepted = written.state.open
      ? await fulfil(context, orderId, written, raisedItems(before.state.terms, written.state.asked!), looked)
      : written
    return settled(context, orderId, accepted)
  }

  const recover: OrderCommands['recover'] = async (context, orderId) => {
    for (let attempt = 0; ; attempt++) {
      const found = await load(orderId, context)
      if (found.state.settled) return found
      if (!found.state.open) return stock.settle(orderId, found, context)
      const events = order.decide({ type: 'GiveUp', orderId, reason: 'Unfinished', at: timeAfter(found, clock) }, found.state)
      try {
        return await stock.settle(orderId, await streams.append(order, orderId, found, events, context), context)
      } catch (error) {
        if (!(error instanceof WrongRevision)) throw error
        await backOff(attempt, context)
      }
    }
  }

  return { place, update, placeAs, recover }
}

const priced = ({ productId, quantity }: Item, looked: Looked): OrderItem => {
  const price = looked.get(productId)?.state.price
  return { productId, quantity, ...(price !== undefined && { price }) }
}

const done = (orderId: OrderId, loaded: Loaded<Order>): Done<OrderView> => ({
  value: orderView(orderId, loaded.state),
  revision: loaded.revision,
  position: loaded.position,
})

export const orderView = (orderId: OrderId, { customerId, terms }: Order): OrderView => ({
  orderId,
  customerId: customerId!,
  ...terms!,
})
