import { Rejected } from '../domain/decider.js'
import type { OrderId, ProductId } from '../domain/ids.js'
import { type Order, order, type Todo } from '../domain/order.js'
import { assertAvailable, type Product, type ProductCommand, type ProductEvent, product } from '../domain/product.js'
import type { OrderItem } from '../domain/terms.js'
import { WrongRevision } from '../eventstore/store.js'
import { assertInTime, type CommandContext, Unfinished } from './engine/context.js'
import type { Foldable, StreamState } from './engine/stream-state.js'
import type { Streams, Unstamped } from './engine/streams.js'
import { type Verdict, verdictOf } from './engine/verdict.js'

/**
 * The steps that an order takes in the products' streams. Each is appended only on a state of the product that was loaded not later
 * than a moment at which the order was still at the step's revision: the other way round leaks and oversells (docs/models).
 */

/** Products as they were before a request was written. */
export type ProductSnapshot = ReadonlyMap<ProductId, StreamState<Product>>

/** What the steps of one order have in common. */
type Deps = { readonly streams: Streams }

/** `cache`: as this process last knew them; `current`: while the feed keeps that current; `store`: a refusal rests on nothing less. */
export type Freshness = 'cache' | 'current' | 'store'

export const readProducts = async (
  { streams }: Deps,
  productIds: readonly ProductId[],
  from: Freshness,
  context: CommandContext,
): Promise<ProductSnapshot> => {
  const read = async (id: ProductId): Promise<StreamState<Product>> => {
    if (from === 'store') return streams.load(product, id, context)
    if (from === 'current') return streams.know(product, id, context)
    return streams.cached(product, id) ?? streams.load(product, id, context)
  }
  return new Map(await Promise.all(productIds.map(async (id) => [id, await read(id)] as const)))
}

/** Whether every product has what the items ask for on top of what the order holds. `products` holds each of them. Throws `Rejected`. */
export const assertStock = (items: readonly OrderItem[], products: ProductSnapshot, orderId?: OrderId): void => {
  for (const { productId, quantity } of items) assertAvailable(products.get(productId)!.state, productId, orderId, quantity)
}

export type Reservation = {
  readonly orderId: OrderId
  /** The revision at which the order's request was written. */
  readonly orderRevision: number
  readonly item: OrderItem
  /** The item is ordered at the product's price of today, and no longer if that has changed meanwhile. */
  readonly atTodaysPrice: boolean
}

/**
 * Reserves what an order asks for of one product, with whoever else is in the product's queue. `seen`: the product as it was before the
 * order's request. Throws `Rejected` where the product can't give it, `Unfinished` where the order has moved on.
 */
export const reserve = async (
  deps: Deps,
  reservation: Reservation,
  seen: StreamState<Product>,
  context: CommandContext,
): Promise<void> => {
  const { streams } = deps
  const { productId } = reservation.item
  let isAlone = false
  const { verdict } = await streams.enqueue(product, productId, {
    context,
    judge: (known, written) => {
      const meanwhile = written > seen.revision ? streams.between(product, productId, seen.revision, written) : []
      isAlone = !meanwhile
      if (!meanwhile) return { do: 'nothing' }
      if (meanwhile.some((event) => isLater(event, reservation))) {
        return { do: 'refuse', why: new Unfinished('the order was decided meanwhile') }
      }
      return reservationOn(streams, known, reservation)
    },
  })
  if (verdict.do === 'refuse') throw verdict.why
  if (isAlone) await reserveAlone(deps, reservation, context)
}

/** Whether an event of the product's says that the order has moved on since its request. */
const isLater = ({ data }: Foldable, { orderId, orderRevision }: Reservation): boolean => {
  const step = data as { readonly orderId?: OrderId; readonly orderRevision?: number }
  return step.orderId === orderId && step.orderRevision !== undefined && step.orderRevision > orderRevision
}

const reservationOn = (
  { timeAfter }: Streams,
  known: StreamState<Product>,
  { orderId, orderRevision, item, atTodaysPrice }: Reservation,
): Verdict<ProductEvent> =>
  verdictOf(() => {
    const { productId, quantity, price } = item
    if (atTodaysPrice && known.state.price !== price) throw new Rejected('PriceDiffers', { productId })
    const command = { type: 'Reserve' as const, productId, orderId, orderRevision, quantity, at: timeAfter(known) }
    return { do: 'append', events: product.decide(command, known.state) }
  })

/** Where not all that happened to the product since is known event by event: the order itself is asked whether it has moved on. */
const reserveAlone = (deps: Deps, reservation: Reservation, context: CommandContext): Promise<void> => {
  const { streams } = deps
  const { orderId, orderRevision, item } = reservation
  return streams.inTurn(product, item.productId, () =>
    unlessConflict(context, async () => {
      const known = await streams.load(product, item.productId, context)
      if (!(await isStillAt(deps, orderId, orderRevision, context))) throw new Unfinished('the order was decided meanwhile')
      const verdict = reservationOn(streams, known, reservation)
      if (verdict.do === 'refuse') throw verdict.why
      if (verdict.do === 'append') await streams.append(product, item.productId, known, verdict.events, context)
    }),
  )
}

/** Again at once after a conflict: the product's queue is ours, so that it is another process that was faster. */
const unlessConflict = async <Result>(context: CommandContext, work: () => Promise<Result>): Promise<Result> => {
  for (;;) {
    assertInTime(context)
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof WrongRevision)) throw error
    }
  }
}

const isStillAt = async ({ streams }: Deps, orderId: OrderId, revision: number, context: CommandContext): Promise<boolean> =>
  (await streams.load(order, orderId, context)).revision === revision

/**
 * Takes the steps that the order's last outcome asks for and writes that it is settled: the same for the command that wrote it, one that
 * helps, and recovery. `touched`: this process gave up its own request and has reserved only these, so that the others need neither a
 * release nor a fence against a late writer.
 */
export const settle = async (
  deps: Deps,
  orderId: OrderId,
  decided: StreamState<Order>,
  context: CommandContext,
  { touched }: { readonly touched?: ReadonlySet<ProductId> } = {},
): Promise<StreamState<Order>> => {
  const { streams } = deps
  for (const todo of decided.state.todo) {
    if (touched && !touched.has(todo.productId)) continue
    const step = { ...todo, fence: todo.fence && !touched }
    if (!(await takeStep(deps, orderId, decided, step, context))) return streams.load(order, orderId, context)
  }
  try {
    return await streams.decide(order, orderId, decided, { type: 'Settle', orderId }, context)
  } catch (error) {
    if (error instanceof WrongRevision) return streams.load(order, orderId, context)
    throw error
  }
}

/** One step of an outcome; `false` where the order has moved on: another has settled it. */
const takeStep = (
  deps: Deps,
  orderId: OrderId,
  decided: StreamState<Order>,
  todo: Todo,
  context: CommandContext,
): Promise<boolean> =>
  deps.streams.inTurn(product, todo.productId, () =>
    unlessConflict(context, async () => {
      const known = await deps.streams.load(product, todo.productId, context)
      if (!(await isStillAt(deps, orderId, decided.revision, context))) return false
      await deps.streams.decide(product, todo.productId, known, stepCommand(orderId, decided, todo), context)
      return true
    }),
  )

const stepCommand = (
  orderId: OrderId,
  { revision: orderRevision, state }: StreamState<Order>,
  { productId, quantity, fence }: Todo,
): Unstamped<ProductCommand> =>
  state.take
    ? { type: 'Take', productId, orderId, orderRevision }
    : { type: 'Settle', productId, orderId, orderRevision, quantity, fence }
