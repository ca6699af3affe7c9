import type { DomainEvent } from '../domain/decider.js'
import type { OrderId, ProductId, UserId } from '../domain/ids.js'
import type { Store } from '../eventstore/store.js'
import { type CartRow, carts } from '../projections/cart.js'
import { describe, evolved, type Folded } from '../projections/engine/fold.js'
import { type OrderRow, orders } from '../projections/order.js'
import { type ProductRow, products } from '../projections/product.js'
import { type AnyProjection, anyProjection, type Projection } from '../projections/projection.js'
import { type UserRow, users } from '../projections/user.js'
import {
  type CartView,
  cartView,
  type OrderView,
  orderView,
  type ProductView,
  productView,
  type UserView,
  userView,
} from '../projections/views.js'

/** A moment of a stream: at a revision, or as of a time (RFC 3339), which is the longest prefix of events whose `at` is not later. */
export type Moment = { readonly revision: number } | { readonly time: string }

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
 * does not reach that revision. All throw `StoreUnavailable`.
 */
export const createAsOf = (store: Pick<Store, 'read'>) => {
  const then = async <Row extends object, Event extends DomainEvent, Value>(
    definition: Projection<Row, Event>,
    id: string,
    moment: Moment,
    viewOf: (streamId: string, row: Row) => Value | undefined,
  ): Promise<Past<Value> | undefined> => {
    const streamId = `${definition.category}-${id}`
    const found = await foldUpTo(store, anyProjection(definition), streamId, moment)
    if (!found) return undefined
    const { row, revision, position, at, parked } = found
    const value = row && viewOf(streamId, row as Row)
    if (value === undefined && parked === undefined) return undefined
    return { value, revision, position, at, ...(parked !== undefined && { parked }) }
  }

  const product = (productId: ProductId, moment: Moment): Promise<Past<ProductView> | undefined> =>
    then<ProductRow, never, ProductView>(products, productId, moment, productView)

  return {
    user: (userId: UserId, moment: Moment): Promise<Past<UserView> | undefined> =>
      then<UserRow, never, UserView>(users, userId, moment, userView),
    product,
    order: (orderId: OrderId, moment: Moment): Promise<Past<OrderView> | undefined> =>
      then<OrderRow, never, OrderView>(orders, orderId, moment, orderView),

    /** With its products as they were at that time; for a revision, at the time of its event. */
    cart: async (userId: UserId, moment: Moment): Promise<Past<CartView> | undefined> => {
      const past = await then<CartRow, never, CartRow>(carts, userId, moment, (_, row) => row)
      if (!past?.value) return past && { ...past, value: undefined }
      const time = 'time' in moment ? moment.time : past.at
      const lines = await Promise.all(
        past.value.lines.map(async (line) => {
          const found = await product(line.productId, { time })
          return { ...line, ...(found?.value && { product: found.value }) }
        }),
      )
      return { ...past, value: cartView(lines, past.value.checkout_order_id) }
    },
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
  let found: Reached | undefined
  for (let from = 0; ; ) {
    const events = await store.read(streamId, { from, maxCount: pageSize })
    for (const event of events) {
      const { at = '' } = (event.data ?? {}) as Partial<DomainEvent['data']>
      if (isLater(moment, event.revision, at)) return atMoment(found, moment)
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

const isLater = (moment: Moment, revision: number, at: string): boolean =>
  'time' in moment ? new Date(at).getTime() > new Date(moment.time).getTime() : revision > moment.revision

/** A revision that the stream doesn't have is not there; before every time there was something or nothing. */
const atMoment = (found: Reached | undefined, moment: Moment): Reached | undefined =>
  'time' in moment || found?.revision === moment.revision ? found : undefined
