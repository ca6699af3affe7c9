import type { DomainEvent } from '../domain/decider.js'
import type { OrderId, ProductId, UserId } from '../domain/ids.js'
import { word } from '../domain/order.js'
import type { Store } from '../eventstore/store.js'
import { type CartRow, carts } from '../projections/cart.js'
import { describe, evolved, type Folded } from '../projections/engine/fold.js'
import { type OrderRow, orders } from '../projections/order.js'
import { type ProductRow, products } from '../projections/product.js'
import { type AnyProjection, anyProjection, type Projection } from '../projections/projection.js'
import { type UserRow, users } from '../projections/user.js'
import {
  type CartRead,
  cartView,
  type OrderRead,
  orderView,
  type ProductRead,
  productView,
  type UserRead,
  userView,
} from '../projections/views.js'
import { type CurrentRows, latestTime, rowsAsOf } from './engine/list.js'
import { atOf, laterInStream, type Moment } from './engine/moment.js'
import type { Place } from './engine/range.js'
import { endsOf, type HistorySource } from './engine/read.js'

/** The history doesn't reach there: nothing was yet, or nobody knows what will be. */
export class OutsideHistory extends Error {
  override readonly name = 'OutsideHistory'
}

/**
 * `position` is the commit position of the last event of the prefix, `at` its time. `parked`: why the fold went no further, though the
 * moment is later; where it hadn't come to anything yet, there is no value.
 */
export type Past<Value> = {
  readonly value: Value | undefined
  readonly revision: number
  readonly position: bigint
  readonly at: string
  readonly parked?: string
}

export type AsOf = ReturnType<typeof createAsOf>

/**
 * What reads would have answered then, by the same folds. `undefined` where there was nothing yet (or nothing any more), or the stream
 * does not reach that revision. All throw `StoreUnavailable`, and `OutsideHistory` for a moment before the beginning or after now.
 */
export const createAsOf = (source: HistorySource, clock: () => number = Date.now) => {
  const { store } = source
  const assertWithin = createWithin(source, clock)

  const then = async <Row extends object, Event extends DomainEvent, Value>(
    definition: Projection<Row, Event>,
    id: string,
    moment: Moment,
    viewOf: (streamId: string, row: Row) => Value | undefined,
  ): Promise<Past<Value> | undefined> => {
    const streamId = `${definition.category}-${id}`
    if (!('revision' in moment)) await assertWithin(moment)
    const found = await foldUpTo(store, anyProjection(definition), streamId, moment)
    if (!found) return undefined
    const { row, revision, position, at, parked } = found
    const value = row && viewOf(streamId, row as Row)
    if (value === undefined && parked === undefined) return undefined
    return { value, revision, position, at, ...(parked !== undefined && { parked }) }
  }

  const product = (productId: ProductId, moment: Moment): Promise<Past<ProductRead> | undefined> =>
    then<ProductRow, never, ProductRead>(products, productId, moment, productView)

  return {
    /** Throws `OutsideHistory`. */
    assertWithin,
    user: (userId: UserId, moment: Moment): Promise<Past<UserRead> | undefined> =>
      then<UserRow, never, UserRead>(users, userId, moment, userView),
    product,
    order: (orderId: OrderId, moment: Moment): Promise<Past<OrderRead> | undefined> =>
      then<OrderRow, never, OrderRead>(orders, orderId, moment, orderView),

    /** With its products as they were at that time; for a revision, at the time of its event. */
    cart: async (userId: UserId, moment: Moment): Promise<Past<CartRead> | undefined> => {
      const past = await then<CartRow, never, CartRow>(carts, userId, moment, (_, row) => row)
      if (!past?.value) return past && { ...past, value: undefined }
      const products = 'revision' in moment ? { time: past.at } : moment
      const lines = await Promise.all(
        past.value.lines.map(async (line) => {
          const found = await product(line.productId, products)
          return { ...line, ...(found?.value && { product: found.value }) }
        }),
      )
      return { ...past, value: cartView(lines, past.value.checkout_order_id) }
    },

    /** The products that were sold then, in the order of their ids. */
    products: async function* (moment: Place, current: CurrentRows): AsyncGenerator<ProductRead, void> {
      await assertWithin(moment)
      for await (const { streamId, row } of rowsAsOf(source, anyProjection(products), moment, current)) {
        const view = productView(streamId, row as ProductRow)
        if (!view.retired) yield view
      }
    },

    /** The orders that were placed by then, in the order of the present rows; `status` is compared as it was then. */
    orders: async function* (moment: Place, status: string | undefined, current: CurrentOrders): AsyncGenerator<OrderRead, void> {
      await assertWithin(moment)
      const until = await latestTime(source, moment)
      for await (const { streamId, row } of rowsAsOf(source, anyProjection(orders), moment, current(until))) {
        const view = orderView(streamId, row as OrderRow)
        if (view && (status === undefined || (row as OrderRow).status_key === word(status))) yield view
      }
    },
  }
}

/** The present orders that were placed at a time or earlier; `undefined`: all. */
type CurrentOrders = (until: string | undefined) => CurrentRows

/** Milliseconds that a client's clock may be ahead of ours. */
const skew = 5_000

/** Throws `OutsideHistory`. */
const createWithin = (source: HistorySource, clock: () => number) => {
  let first: { readonly position: bigint; readonly at: string } | undefined
  let reached = -1n
  const beginning = async () => {
    first ??= (await endsOf(source)).first
    if (!first) throw new OutsideHistory('there are no events yet')
    return first
  }
  return async (moment: Place): Promise<void> => {
    const { position, at } = await beginning()
    if ('time' in moment) {
      const [time, now] = [Date.parse(moment.time), clock()]
      if (time > now + skew) throw new OutsideHistory(`asOf ${moment.time} is after now, which is ${new Date(now).toISOString()}`)
      if (time < Date.parse(at))
        throw new OutsideHistory(`asOf ${moment.time} is before the beginning: the first event is of ${at}`)
      return
    }
    if (moment.position > reached) reached = (await source.store.last())?.position ?? -1n
    if (moment.position > reached)
      throw new OutsideHistory(`position ${moment.position} is after the last event, which is at ${reached}`)
    if (moment.position < position)
      throw new OutsideHistory(`position ${moment.position} is before the beginning: the first event is at ${position}`)
  }
}

// A best-seller's stream is long: each page has the store's own time to be answered in.
const pageSize = 1_000

type Reached = Folded & { readonly at: string; readonly parked?: string }

const foldUpTo = async (
  store: Pick<Store, 'read'>,
  { evolve }: AnyProjection,
  streamId: string,
  moment: Moment,
): Promise<Reached | undefined> => {
  const isLater = laterInStream(moment)
  let found: Reached | undefined
  for (let from = 0; ; ) {
    const events = await store.read(streamId, { from, maxCount: pageSize })
    for (const event of events) {
      if (isLater(event)) return atMoment(found, moment)
      const at = atOf(event)
      try {
        found = { ...evolved(evolve, found, event), at }
      } catch (error) {
        const { position } = event
        return { ...(found ?? { streamId, row: undefined, revision: -1, position, at }), parked: describe(error) }
      }
    }
    const last = events.at(-1)
    if (!last || events.length < pageSize) return atMoment(found, moment)
    from = last.revision + 1
  }
}

/** A revision that the stream doesn't have is not there; before every other moment there was something or nothing. */
const atMoment = (found: Reached | undefined, moment: Moment): Reached | undefined =>
  !('revision' in moment) || found?.revision === moment.revision ? found : undefined
