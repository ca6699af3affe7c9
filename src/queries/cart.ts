import type { CartLine } from '../domain/cart.js'
import type { OrderId, UserId } from '../domain/ids.js'
import { type CartRow, carts } from '../projections/cart.js'
import { type ProductRow, products } from '../projections/product.js'
import { idOfStream } from '../projections/projection.js'
import { type CartLineView, type CartView, cartView, productView } from '../projections/views.js'
import type { Answer, Read } from './engine/read.js'
import { type RowOf, withParked } from './engine/select.js'

export type OutstandingCheckout = { readonly userId: UserId; readonly orderId: OrderId; readonly revision: number }

export const createCarts = (read: Read) => ({
  /** Empty, and without a revision, where nothing was ever put in. */
  cart: async (userId: UserId): Promise<Answer<CartView>> => {
    const streamId = `${carts.category}-${userId}`
    const { rows, position } = await read<CartJoined>([carts, products], (query, tables, generations) => {
      query
        .leftJoin(`${tables.carts} as t`, 't.stream_id', query.client.raw('?', [streamId]))
        .joinRaw('left join lateral jsonb_array_elements(t.lines) with ordinality as l (line, number) on true')
        .leftJoin(`${tables.products} as p`, 'p.stream_id', query.client.raw(`'${products.category}-' || (l.line->>'productId')`))
        .select('t.revision', 't.checkout_order_id', 'l.line', 'p.stream_id', 'p.name', 'p.stock', 'p.price', 'p.retired')
        .orderBy('l.number')
      return withParked(query, { definition: carts, generations, streamId })
    })
    const { revision, checkout_order_id, parked } = rows[0]!
    const lines = rows.flatMap((row) => (row.line ? [lineView(row.line, row)] : []))
    return {
      value: cartView(lines, checkout_order_id),
      position,
      ...(revision !== null && { revision }),
      ...(parked !== null && { parked }),
    }
  },

  /** The longest untouched first: carts whose checkout is under way, or was cut off. */
  outstandingCheckouts: async (limit: number): Promise<Answer<readonly OutstandingCheckout[]>> => {
    const { rows, position } = await read<RowOf<CartRow>>([carts], (query, tables) =>
      query
        .leftJoin(`${tables.carts} as t`, (on) => on.on(query.client.raw('t.checkout_order_id is not null')))
        .select('t.stream_id', 't.checkout_order_id', 't.revision')
        .orderBy('t.position')
        .limit(limit),
    )
    const value = rows
      .filter((row) => row.stream_id !== null)
      .map(({ stream_id, checkout_order_id, revision }) => ({
        userId: idOfStream(stream_id) as UserId,
        orderId: checkout_order_id as OrderId,
        revision,
      }))
    return { value, position }
  },
})

type CartJoined = {
  revision: number | null
  checkout_order_id: OrderId | null
  line: CartLine | null
  parked: string | null
} & { [K in keyof Omit<RowOf<ProductRow>, 'revision'>]: RowOf<ProductRow>[K] | null }

const lineView = ({ productId, amount }: CartLine, product: CartJoined): CartLineView => ({
  productId,
  amount,
  ...(product.stream_id !== null && { product: productView(product.stream_id, product as RowOf<ProductRow>) }),
})
