import { type Cart, type CartCommand, type CartLines, cart } from '../domain/cart.js'
import { Rejected } from '../domain/decider.js'
import type { OrderId, ProductId, UserId } from '../domain/ids.js'
import type { Cents } from '../domain/money.js'
import { order } from '../domain/order.js'
import { assertListed, isListed, product } from '../domain/product.js'
import type { OrderView } from '../domain/views.js'
import { noStream, WrongRevision } from '../eventstore/store.js'
import { type CommandContext, type CommandKey, type Done, retrying, Unfinished } from './engine/context.js'
import { idOfKey, newId } from './engine/idempotency/command-key.js'
import type { Policies } from './engine/idempotency/key-registry.js'
import { emptyStream, type StreamState } from './engine/stream-state.js'
import type { Clock, Streams, Unstamped } from './engine/streams.js'
import { assertRevision, repeatOf } from './engine/verdict.js'
import { giveUp, hasOldPrice, orderView, type PlaceOrder, prepareOrder, recoverOrder, requestOrder } from './order.js'

export type CartAnswer = { readonly cartId: UserId; readonly lines: CartLines }

export type CartCommands = {
  /** The amount is added to what the cart has of the product. */
  readonly addItem: (
    context: CommandContext,
    input: { cartId: UserId; productId: ProductId; amount: number },
  ) => Promise<Done<CartAnswer>>
  readonly changeAmount: (
    context: CommandContext,
    input: { cartId: UserId; productId: ProductId; amount: number },
  ) => Promise<Done<CartAnswer>>
  readonly removeItem: (context: CommandContext, input: { cartId: UserId; productId: ProductId }) => Promise<Done<CartAnswer>>
  /** The cart becomes an order. `status` is the order's first, by default `new`. */
  readonly checkout: (
    context: CommandContext,
    input: { customerId: UserId; price?: Cents; status?: string },
  ) => Promise<Done<OrderView>>
  /** Ends a checkout that was left outstanding, as its order's stream says. */
  readonly recoverCheckout: (context: CommandContext, cartId: UserId) => Promise<void>
}

type Deps = { readonly streams: Streams; readonly clock: Clock }

/** What an Idempotency-Key means to each of them. */
export const cartPolicies: Policies<CartCommands> = {
  addItem: 'changes',
  changeAmount: 'changes',
  removeItem: 'changes',
  checkout: 'creates',
  recoverCheckout: 'unguarded',
}

export const createCartCommands = (deps: Deps): CartCommands => ({
  addItem: async (context, input) => {
    await assertProduct(deps, context, input.productId)
    return execute(deps, context, { type: 'AddItem', ...input })
  },
  changeAmount: (context, input) => execute(deps, context, { type: 'ChangeAmount', ...input }),
  removeItem: (context, input) => execute(deps, context, { type: 'RemoveItem', ...input }),
  checkout: (context, input) => checkout(deps, context, input),
  recoverCheckout: (context, cartId) => recoverCheckout(deps, context, cartId),
})

const execute = async (
  { streams }: Deps,
  context: CommandContext,
  command: Unstamped<CartCommand>,
): Promise<Done<CartAnswer>> => {
  const { state, revision, position } = await streams.execute(cart, command.cartId, command, context)
  return { value: { cartId: command.cartId, lines: state.lines }, revision, position }
}

/** Nothing checks the product when the cart is appended to: only the order does again, which takes it out of the cart. */
const assertProduct = async ({ streams }: Deps, context: CommandContext, productId: ProductId): Promise<void> => {
  if (isListed((await streams.know(product, productId, context)).state)) return
  assertListed((await streams.load(product, productId, context)).state, productId)
}

type Checkout = { customerId: UserId; price?: Cents; status?: string }

const checkout = (deps: Deps, context: CommandContext, input: Checkout): Promise<Done<OrderView>> => {
  const { customerId, price, status = 'new' } = input
  return retrying(context, async () => {
    const before = await deps.streams.load(cart, customerId, context)
    const accepted = repeatOf(before, context)
    if (accepted !== undefined) return answerRepeat(deps, context, customerId, accepted)
    if (before.state.checkout) return undefined
    assertRevision(before, context)
    if (before.state.lines.length === 0) throw new Rejected('CartEmpty')
    const items = before.state.lines.map(({ productId, amount }) => ({ productId, quantity: amount }))
    const asked = { customerId, items, status, ...(price !== undefined && { price }) }
    try {
      return await checkOutAs(deps, context, await freshOrderId(deps, context), before, asked)
    } catch (error) {
      if (hasOldPrice(error, input)) return undefined
      throw error
    }
  })
}

/** Every checkout takes an order id that was never used: under a key, the first of the key's ids whose stream is empty. */
const freshOrderId = async ({ streams, clock }: Deps, context: CommandContext): Promise<OrderId> => {
  if (!context.key) return newId(clock())
  for (let salt = 0; ; salt++) {
    const orderId: OrderId = idOfKey(context.key, salt)
    if ((await streams.load(order, orderId, context)).revision === noStream) return orderId
  }
}

/** Throws `WrongRevision` where the cart has moved on before anything was written. */
const checkOutAs = async (
  deps: Deps,
  { key, ...context }: CommandContext,
  orderId: OrderId,
  before: StreamState<Cart>,
  input: PlaceOrder,
): Promise<Done<OrderView>> => {
  const cartId = input.customerId
  const noOrder = emptyStream(order.initial)
  const prepared = await prepareOrder(deps, context, orderId, noOrder, input)
  await deps.streams.decide(cart, cartId, before, { type: 'StartCheckout', cartId, orderId }, context, key)
  try {
    const placed = await requestOrder(deps, context, orderId, noOrder, prepared)
    const { position } = await finishCheckout(deps, context, cartId, orderId, { placed: true, key })
    return { value: orderView(orderId, placed.state), revision: placed.revision, position }
  } catch (error) {
    if (error instanceof Rejected) await finishCheckout(deps, context, cartId, orderId, { placed: false })
    if (error instanceof WrongRevision) throw new Unfinished('recovery has decided this checkout', { cause: error })
    throw error
  }
}

/** Ends the checkout while it is outstanding; `key`: whose checkout it was, so that its repeat is recognised. */
const finishCheckout = async (
  { streams }: Deps,
  context: CommandContext,
  cartId: UserId,
  orderId: OrderId,
  { placed, key }: { readonly placed: boolean; readonly key?: CommandKey | undefined },
): Promise<StreamState<Cart>> => {
  // (Not under the context's own key: that of a checkout stands in its events, and is no reason to leave it outstanding.)
  const { key: _, ifMatch: __, unchangedAt: ___, ...plain } = context
  return retrying(plain, async (attempt) => {
    const now = attempt === 0 ? streams.cached(cart, cartId) : undefined
    const known = now?.state.checkout?.orderId === orderId ? now : await streams.load(cart, cartId, plain)
    const command = { type: 'FinishCheckout' as const, cartId, orderId, placed }
    return streams.decide(cart, cartId, known, command, plain, placed ? key : undefined)
  })
}

/** The answer of a checkout that was done before, which ended at this revision of the cart. */
const answerRepeat = async (
  { streams }: Deps,
  context: CommandContext,
  cartId: UserId,
  revision: number,
): Promise<Done<OrderView>> => {
  const outstanding = await streams.loadAsOf(cart, cartId, revision - 1, context)
  // What was accepted at `revision` is the end of a checkout, which was outstanding before it.
  const orderId = outstanding.state.checkout!.orderId
  const { placedRevision } = (await streams.load(order, orderId, context)).state
  const placed = await streams.loadAsOf(order, orderId, placedRevision, context)
  const ended = await streams.load(cart, cartId, context)
  return { value: orderView(orderId, placed.state), revision: placed.revision, position: ended.position }
}

const recoverCheckout = (deps: Deps, context: CommandContext, cartId: UserId): Promise<void> =>
  retrying(context, async () => {
    const found = await deps.streams.load(cart, cartId, context)
    if (!found.state.checkout) return done
    const { orderId } = found.state.checkout
    const seen = await deps.streams.load(order, orderId, context)
    // The fence: the checkout's own request, should it still come, finds a stream that isn't empty.
    if (seen.revision === noStream) await giveUp(deps, context, orderId, seen)
    const { state } = await recoverOrder(deps, context, orderId)
    await finishCheckout(deps, context, cartId, orderId, { placed: state.placed, key: found.openRequestKey })
    return done
  }).then(() => undefined)

const done = true
