import { Rejected } from '../domain/decider.js'
import type { OrderId, ProductId } from '../domain/ids.js'
import { type Order, type OrderItem, order, type Todo } from '../domain/order.js'
import { assertAvailable, type Product, type ProductEvent, product } from '../domain/product.js'
import { WrongRevision } from '../eventstore/store.js'
import { assertInTime, type CommandContext, Unfinished } from './engine/context.js'
import { type Clock, timeAfter } from './engine/handle.js'
import type { Loaded } from './engine/stream-state.js'
import type { Streams } from './engine/streams.js'

/** Products as they were looked at before a request was written. */
export type Looked = ReadonlyMap<ProductId, Loaded<Product>>

/**
 * The steps that an order takes in the products' streams. Each is appended only on a state of the product that was loaded not later
 * than a moment at which the order was still at the step's revision: the other way round leaks and oversells (docs/models).
 */
export type Stock = {
  /** `fresh`: from the store; a refusal rests on nothing less. */
  readonly look: (productIds: readonly ProductId[], fresh: boolean, context: CommandContext) => Promise<Looked>
  /** Throws `Rejected` where the product can't give it, `Unfinished` where the order has moved on. */
  readonly reserve: (reservation: Reservation, looked: Loaded<Product>, context: CommandContext) => Promise<void>
  /**
   * Takes the steps that the order's last outcome asks for and writes that it is settled: the same for the command that wrote it,
   * one that helps, and recovery. `mine`: this process gave up its own request, so that no late writer needs a fence.
   */
  readonly settle: (orderId: OrderId, decided: Loaded<Order>, context: CommandContext, mine?: boolean) => Promise<Loaded<Order>>
}

export type Reservation = {
  readonly orderId: OrderId
  /** The revision at which the order's request was written. */
  readonly orderRevision: number
  readonly item: OrderItem
  /** The item is ordered at the product's price of today, and no longer if that has changed meanwhile. */
  readonly atTodaysPrice: boolean
}

/** Whether every product has what the items ask for on top of what the order holds. Throws `Rejected`. */
export const assertStock = (items: readonly OrderItem[], looked: Looked, orderId?: OrderId): void => {
  for (const { productId, quantity } of items) assertAvailable(looked.get(productId)!.state, productId, orderId, quantity)
}

export const createStock = (streams: Streams, clock: Clock): Stock => {
  const look: Stock['look'] = async (productIds, fresh, context) => {
    const looked = productIds.map(async (id) => {
      const known = fresh ? undefined : streams.cached(product, id)
      return [id, known ?? (await streams.load(product, id, context))] as const
    })
    return new Map(await Promise.all(looked))
  }

  const isStillAt = async (orderId: OrderId, revision: number, context: CommandContext): Promise<boolean> =>
    (await streams.load(order, orderId, context)).revision === revision

  const reserve: Stock['reserve'] = (reservation, looked, context) => {
    const { orderId, orderRevision, item } = reservation
    return streams.inTurn(product, item.productId, async () => {
      let known = looked
      const head = streams.cached(product, item.productId)
      if (head && head.revision > known.revision) known = head
      for (let fresh = false; ; fresh = true) {
        assertInTime(context)
        if (known !== looked) {
          if (!(await isStillAt(orderId, orderRevision, context))) throw new Unfinished('the order was decided meanwhile')
          if (reservation.atTodaysPrice && known.state.price !== item.price)
            throw new Rejected('PriceDiffers', { productId: item.productId })
        }
        try {
          const at = timeAfter(known, clock)
          const events = product.decide(
            { type: 'Reserve', productId: item.productId, orderId, orderRevision, quantity: item.quantity, at },
            known.state,
          )
          await streams.append(product, item.productId, known, events, context)
          return
        } catch (error) {
          if (error instanceof Rejected && fresh) throw error
          if (!(error instanceof WrongRevision) && !(error instanceof Rejected)) throw error
        }
        known = await streams.load(product, item.productId, context)
      }
    })
  }

  /** One step of an outcome; `false` where the order has moved on: another has settled it. */
  const step = (
    orderId: OrderId,
    decided: Loaded<Order>,
    todo: Todo,
    fence: boolean,
    context: CommandContext,
  ): Promise<boolean> =>
    streams.inTurn(product, todo.productId, async () => {
      for (;;) {
        assertInTime(context)
        const known = await streams.load(product, todo.productId, context)
        if (!(await isStillAt(orderId, decided.revision, context))) return false
        const events = stepEvents(orderId, decided, todo, fence, known, timeAfter(known, clock))
        if (events.length === 0) return true
        try {
          await streams.append(product, todo.productId, known, events, context)
          return true
        } catch (error) {
          if (!(error instanceof WrongRevision)) throw error
        }
      }
    })

  const settle: Stock['settle'] = async (orderId, decided, context, mine = false) => {
    for (const todo of decided.state.todo) {
      if (!(await step(orderId, decided, todo, todo.fence && !mine, context))) return streams.load(order, orderId, context)
    }
    const events = order.decide({ type: 'Settle', orderId, at: timeAfter(decided, clock) }, decided.state)
    if (events.length === 0) return decided
    try {
      return await streams.append(order, orderId, decided, events, context)
    } catch (error) {
      if (error instanceof WrongRevision) return streams.load(order, orderId, context)
      throw error
    }
  }

  return { look, reserve, settle }
}

const stepEvents = (
  orderId: OrderId,
  decided: Loaded<Order>,
  { productId, quantity }: Todo,
  fence: boolean,
  known: Loaded<Product>,
  at: string,
): readonly ProductEvent[] => {
  const step = { productId, orderId, orderRevision: decided.revision, at }
  return product.decide(
    decided.state.take ? { type: 'Take', ...step } : { type: 'Settle', ...step, quantity, fence },
    known.state,
  )
}
