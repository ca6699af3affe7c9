import type { OrderId, UserId } from '../domain/ids.js'
import { word } from '../domain/order.js'
import type { Folded } from '../projections/engine/fold.js'
import { type OrderRow, orders } from '../projections/order.js'
import { idOfStream } from '../projections/projection.js'
import { type OrderRead, orderView } from '../projections/views.js'
import { ofCheckpoint, type Query, type QueryResult, type Read } from './engine/read.js'
import { foldedOf, oneRow, oneRowOf, presentRows, type RowOf, selectRows } from './engine/select.js'

/** `after` is the last order of the page before; `status` is compared trimmed and without case. */
export type OrdersPage = {
  readonly customerId?: UserId
  readonly status?: string
  readonly limit: number
  readonly after?: OrderId
}

export type OrderRows = {
  readonly customerId?: UserId | undefined
  readonly until?: string | undefined
  readonly after?: string | undefined
  readonly limit: number
}

export type UnsettledOrder = { readonly orderId: OrderId; readonly revision: number }

export const createOrders = (read: Read) => ({
  /** Only one that was accepted. */
  order: (orderId: OrderId): Promise<QueryResult<OrderRead | undefined>> =>
    oneRow<Stored, OrderRead>(read, one, `${orders.category}-${orderId}`, (row) => orderView(row.stream_id, row)),

  /** Those that were accepted, the newest first. */
  orders: async ({ customerId, status, limit, after }: OrdersPage): Promise<QueryResult<readonly OrderRead[]>> => {
    const filters = {
      ...(customerId !== undefined && { customer: customerId }),
      ...(status !== undefined && { status: word(status) }),
      ...(after !== undefined && { after: `${orders.category}-${after}` }),
    }
    const query = listOf(Object.keys(filters) as Filter[])
    const { rows, position } = await read<RowOf<Stored>>(query, [limit, ...Object.values(filters)])
    return { value: presentRows(rows).map((row) => orderView(row.stream_id, row)!), position }
  },

  /** The rows of those that were accepted, at `until` (RFC 3339) or earlier, the newest first, after the stream `after`. */
  orderRows: async ({ customerId, until, after, limit }: OrderRows): Promise<readonly Folded[]> => {
    const filters = {
      ...(customerId !== undefined && { customer: customerId }),
      ...(until !== undefined && { until }),
      ...(after !== undefined && { after }),
    }
    const { rows } = await read<RowOf<Stored>>(listOf(Object.keys(filters) as Filter[]), [limit, ...Object.values(filters)])
    return presentRows(rows).map(foldedOf)
  },

  /** All of a customer's, also those that were only asked for or refused. Looks at every order: for what is asked for seldom. */
  ordersOf: async (customerId: UserId): Promise<QueryResult<readonly OrderId[]>> => {
    const { rows, position } = await read<RowOf<OrderRow>>(everyOfCustomer, [customerId])
    return { value: presentRows(rows).map(({ stream_id }) => idOfStream(stream_id) as OrderId), position }
  },

  /** The longest untouched first: orders for which something remains to be done in the products' streams, accepted or not. */
  unsettledOrders: async (limit: number): Promise<QueryResult<readonly UnsettledOrder[]>> => {
    const { rows, position } = await read<RowOf<OrderRow>>(unsettled, [limit])
    const value = presentRows(rows).map(({ stream_id, revision }) => ({ orderId: idOfStream(stream_id), revision }))
    return { value, position }
  },
})

type Stored = Omit<OrderRow, 'placed_at' | 'updated_at'> & { readonly placed_at: Date; readonly updated_at: Date }

const one = oneRowOf(orders)

const conditions = {
  customer: () => 'customer_id = {}',
  status: () => 'status_key = {}',
  until: () => 'placed_at <= {}',
  after: (table: string) => `(placed_at, stream_id) < ((select placed_at from ${table} where stream_id = {}), {})`,
}

type Filter = keyof typeof conditions

/** Of each set of filters a statement of its own, so that each is planned for the index that serves it. `$1` is the limit. */
const listOf = (filters: readonly Filter[]): Query => ({
  name: ['orders', ...filters].join(' '),
  definitions: [orders],
  text: (live) => {
    const table = live.table(orders)
    const where = filters.map((filter, i) => `and ${conditions[filter](table).replaceAll('{}', `$${i + 2}`)}`)
    return selectRows(table, ['placed_at desc', 'stream_id desc'], `where placed ${where.join(' ')} {order} limit $1`)
  },
})

const everyOfCustomer: Query = {
  name: 'every order of a customer',
  definitions: [orders],
  text: (live) => selectRows(live.table(orders), ['stream_id'], 'where customer_id = $1 {order}'),
}

const unsettled: Query = {
  name: 'unsettled orders',
  definitions: [orders],
  text: (live) => `select ${ofCheckpoint}, t.stream_id, t.revision from tillroll.checkpoint c
    left join ${live.table(orders)} t on not t.settled
    where c.name = 'projections' order by t.position limit $1`,
}
