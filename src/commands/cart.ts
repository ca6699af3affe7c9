import { type Cart, type CartCommand, type CartLine, cart } from '../domain/cart.js'
import { Rejected } from '../domain/decider.js'
import type { OrderId, ProductId, UserId } from '../domain/ids.js'
import type { Cents } from '../domain/money.js'
import { order } from '../domain/order.js'
import { product } from '../domain/product.js'
import { noStream, WrongRevision } from '../eventstore/store.js'
import { backOff, type CommandContext, type CommandKey, type Done, Unfinished } from './engine/context.js'
import { assertRevision, type Clock, type Handle, repeatOf, timeAfter } from './engine/handle.js'
import { idOfKey, newId } from './engine/idempotency/command-key.js'
import { type Loaded, nothing } from './engine/stream-state.js'
import type { Streams } from './engine/streams.js'
import { type OrderCommands, type OrderView, orderView } from './order.js'

export type CartView = { readonly cartId: UserId; readonly lines: readonly CartLine[] }

export type CartCommands = {
  /** The amount is added to what the cart has of the product. */
  readonly addItem: (
    context: CommandContext,
    input: { cartId: UserId; productId: ProductId; amount: number },
  ) => Promise<Done<CartView>>
  readonly changeAmount: (
    context: CommandContext,
    input: { cartId: UserId; productId: ProductId; amount: number },
  ) => Promise<Done<CartView>>
  readonly removeItem: (context: CommandContext, input: { cartId: UserId; productId: ProductId }) => Promise<Done<CartView>>
  /** The cart becomes an order. `status` is the order's first, by default `new`. */
  readonly checkout: (
    context: CommandContext,
    input: { customerId: UserId; price?: Cents; status?: string },
  ) => Promise<Done<OrderView>>
  /** Ends a checkout that was left outstanding, as its order's stream says. */
  readonly recoverCheckout: (context: CommandContext, cartId: UserId) => Promise<void>
}

type Dependencies = { readonly streams: Streams; readonly handle: Handle; readonly orders: OrderCommands; readonly clock: Clock }

export const createCartCommands = ({ streams, handle, orders, clock }: Dependencies): CartCommands => {
  const ask = async (context: CommandContext, command: Unstamped<CartCommand>) =>
    done(
      command.cartId,
      await handle(cart, command.cartId, (state, at) => cart.decide({ ...command, at } as CartCommand, state), context),
    )

  const addItem: CartCommands['addItem'] = async (context, input) => {
    // Nothing checks the product when the cart is appended to, so a cached state is not enough.
    const { state } = await streams.load(product, input.productId, context)
    if (!state.added || state.retired) throw new Rejected('ProductNotFound', { productId: input.productId })
    return ask(context, { type: 'AddItem', ...input })
  }

  const checkout: CartCommands['checkout'] = async (context, { customerId, price, status = 'new' }) => {
    for (let attempt = 0; ; attempt++) {
      const before = await streams.load(cart, customerId, context)
      const repeated = repeatOf(before, context)
      if (repeated !== undefined) return answerOf(context, customerId, repeated)
      if (before.state.checkout) {
        await backOff(attempt, context)
        continue
      }
      assertRevision(before, context)
      const input = { customerId, items: itemsOf(before.state), status, ...(price !== undefined && { price }) }
      const answer = await checkOutAs(context, await freshOrderId(context), before, input)
      if (answer) return answer
      await backOff(attempt, context)
    }
  }

  /** Every checkout takes an order id that was never used: under a key, the first of the key's ids whose stream is empty. */
  const freshOrderId = async (context: CommandContext): Promise<OrderId> => {
    if (!context.key) return newId(clock())
    for (let salt = 0; ; salt++) {
      const orderId = idOfKey(context.key, salt)
      if ((await streams.load(order, orderId, context)).revision === noStream) return orderId
    }
  }

  /** `undefined` where the cart has moved on before anything was written. */
  const checkOutAs = async (
    { key, ...context }: CommandContext,
    orderId: OrderId,
    before: Loaded<Cart>,
    input: Parameters<OrderCommands['placeAs']>[3],
  ): Promise<Done<OrderView> | undefined> => {
    const cartId = input.customerId
    let moved = false
    let started = false
    const start = async () => {
      const events = cart.decide({ type: 'StartCheckout', cartId, orderId, at: timeAfter(before, clock) }, before.state)
      try {
        await streams.append(cart, cartId, before, events, context, key)
        started = true
      } catch (error) {
        moved = error instanceof WrongRevision
        throw error
      }
    }
    try {
      if (before.state.lines.length === 0) throw new Rejected('CartEmpty')
      const placed = await orders.placeAs(context, orderId, nothing(order.initial), input, start)
      const { position } = await finish(context, cartId, orderId, true, key)
      return { value: orderView(orderId, placed.state), revision: placed.revision, position }
    } catch (error) {
      if (moved) return undefined
      if (started && error instanceof Rejected) await finish(context, cartId, orderId, false)
      if (error instanceof WrongRevision) throw new Unfinished('recovery has decided this checkout', { cause: error })
      throw error
    }
  }

  /** Ends the checkout while it is outstanding; `key`: whose checkout it was, so that its repeat is recognised. */
  const finish = async (
    context: CommandContext,
    cartId: UserId,
    orderId: OrderId,
    placed: boolean,
    key?: CommandKey,
  ): Promise<Loaded<Cart>> => {
    for (let attempt = 0; ; attempt++) {
      const loaded = await streams.load(cart, cartId, context)
      const events = cart.decide({ type: 'FinishCheckout', cartId, orderId, placed, at: timeAfter(loaded, clock) }, loaded.state)
      if (events.length === 0) return loaded
      try {
        return await streams.append(cart, cartId, loaded, events, context, placed ? key : undefined)
      } catch (error) {
        if (!(error instanceof WrongRevision)) throw error
        await backOff(attempt, context)
      }
    }
  }

  /** The answer of a checkout that was done before, which ended at this revision of the cart. */
  const answerOf = async (context: CommandContext, cartId: UserId, revision: number): Promise<Done<OrderView>> => {
    const outstanding = await streams.loadAsOf(cart, cartId, revision - 1, context)
    const orderId = outstanding.state.checkout!.orderId
    const { placedRevision } = (await streams.load(order, orderId, context)).state
    const placed = await streams.loadAsOf(order, orderId, placedRevision, context)
    const ended = await streams.load(cart, cartId, context)
    return { value: orderView(orderId, placed.state), revision: placed.revision, position: ended.position }
  }

  const recoverCheckout: CartCommands['recoverCheckout'] = async (context, cartId) => {
    const found = await streams.load(cart, cartId, context)
    if (!found.state.checkout) return
    const { orderId } = found.state.checkout
    const seen = await streams.load(order, orderId, context)
    if (seen.revision === noStream) {
      // The fence: the checkout's own request, should it still come, finds a stream that isn't empty.
      const events = order.decide({ type: 'GiveUp', orderId, reason: 'Unfinished', at: timeAfter(found, clock) }, seen.state)
      try {
        await streams.append(order, orderId, seen, events, context)
      } catch (error) {
        if (error instanceof WrongRevision) return recoverCheckout(context, cartId)
        throw error
      }
    }
    const { state } = await orders.recover(context, orderId)
    await finish(context, cartId, orderId, state.placed, found.opened)
  }

  return {
    addItem,
    changeAmount: (context, input) => ask(context, { type: 'ChangeAmount', ...input }),
    removeItem: (context, input) => ask(context, { type: 'RemoveItem', ...input }),
    checkout,
    recoverCheckout,
  }
}

type Unstamped<Command> = Command extends unknown ? Omit<Command, 'at'> : never

const itemsOf = (state: Cart) => state.lines.map(({ productId, amount }) => ({ productId, quantity: amount }))

const done = (cartId: UserId, { state, revision, position }: Loaded<Cart>): Done<CartView> => ({
  value: { cartId, lines: state.lines },
  revision,
  position,
})
