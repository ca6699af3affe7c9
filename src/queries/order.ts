import type { OrderId, UserId } from '../domain/ids.js'
import { word } from '../domain/order.js'
import { type OrderRow, orders } from '../projections/order.js'
import { idOfStream } from '../projections/projection.js'
import { type OrderView, orderView } from '../projections/views.js'
import type { Answer, Read } from './engine/read.js'
import { oneRow, type RowOf, withRows } from './engine/select.js'

/** `after` is the last order of the page before; `status` is compared trimmed and without case. */
export type OrdersPage = {
  readonly customerId?: UserId
  readonly status?: string
  readonly limit: number
  readonly after?: OrderId
}

const newestFirst = ['placed_at', 'stream_id'].map((column) => ({ column, order: 'desc' as const }))

export type UnsettledOrder = { readonly orderId: OrderId; readonly revision: number }

export const createOrders = (read: Read) => ({
  /** Only one that was accepted. */
  order: (orderId: OrderId): Promise<Answer<OrderView | undefined>> =>
    oneRow<Stored, OrderView>(read, orders, orderId, (row) => orderView(row.stream_id, row)),

  /** Those that were accepted, the newest first. */
  orders: async ({ customerId, status, limit, after }: OrdersPage): Promise<Answer<readonly OrderView[]>> => {
    const { rows, position } = await read<RowOf<Stored>>([orders], (query, tables) =>
      withRows(query, tables.orders!, newestFirst, (page, { raw }) => {
        page.where('placed', true).limit(limit)
        if (customerId !== undefined) page.where('customer_id', customerId)
        if (status !== undefined) page.where('status_key', word(status))
        if (after !== undefined) {
          const streamId = `${orders.category}-${after}`
          page.where(
            raw(`(placed_at, stream_id) < ((select placed_at from ${tables.orders} where stream_id = ?), ?)`, [
              streamId,
              streamId,
            ]),
          )
        }
      }),
    )
    return { value: rows.filter((row) => row.stream_id !== null).map((row) => orderView(row.stream_id, row)!), position }
  },

  /** The longest untouched first: orders for which something remains to be done in the products' streams, accepted or not. */
  unsettledOrders: async (limit: number): Promise<Answer<readonly UnsettledOrder[]>> => {
    const { rows, position } = await read<RowOf<OrderRow>>([orders], (query, tables) =>
      query
        .leftJoin(`${tables.orders} as t`, (on) => on.on(query.client.raw('not t.settled')))
        .select('t.stream_id', 't.revision')
        .orderBy('t.position')
        .limit(limit),
    )
    const value = rows
      .filter((row) => row.stream_id !== null)
      .map(({ stream_id, revision }) => ({ orderId: idOfStream(stream_id) as OrderId, revision }))
    return { value, position }
  },
})

type Stored = Omit<OrderRow, 'placed_at' | 'updated_at'> & { readonly placed_at: Date; readonly updated_at: Date }
