import type { CartLine } from '../domain/cart.js'
import type { OrderId, UserId } from '../domain/ids.js'
import { type CartRow, carts } from '../projections/cart.js'
import { type ProductRow, products } from '../projections/product.js'
import { idOfStream } from '../projections/projection.js'
import { type CartLineRead, type CartRead, cartView, productView } from '../projections/views.js'
import { ofCheckpoint, type Query, type QueryResult, type Read } from './engine/read.js'
import { joinParked, type Nullable, presentRows, type RowOf } from './engine/select.js'

export type OutstandingCheckout = { readonly userId: UserId; readonly orderId: OrderId; readonly revision: number }

export const createCarts = (read: Read) => ({
  /** Empty, and without a revision, where nothing was ever put in. */
  cart: async (userId: UserId): Promise<QueryResult<CartRead>> => {
    const { rows, position } = await read<CartJoined>(cartWithProducts, [`${carts.category}-${userId}`])
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
  outstandingCheckouts: async (limit: number): Promise<QueryResult<readonly OutstandingCheckout[]>> => {
    const { rows, position } = await read<RowOf<CartRow>>(outstanding, [limit])
    const value = presentRows(rows).map(({ stream_id, checkout_order_id, revision }) => ({
      userId: idOfStream(stream_id),
      orderId: checkout_order_id as OrderId,
      revision,
    }))
    return { value, position }
  },
})

const cartWithProducts: Query = {
  name: 'cart',
  definitions: [carts, products],
  text: (
    live,
  ) => `select ${ofCheckpoint}, t.revision, t.checkout_order_id, l.line, p.stream_id, p.name, p.stock, p.price, p.retired,
      q.error as parked
    from tillroll.checkpoint c
    left join ${live.table(carts)} t on t.stream_id = $1
    left join lateral jsonb_array_elements(t.lines) with ordinality as l (line, number) on true
    left join ${live.table(products)} p on p.stream_id = '${products.category}-' || (l.line->>'productId')
    ${joinParked(live, carts)}
    where c.name = 'projections' order by l.number`,
}

const outstanding: Query = {
  name: 'outstanding checkouts',
  definitions: [carts],
  text: (live) => `select ${ofCheckpoint}, t.stream_id, t.checkout_order_id, t.revision from tillroll.checkpoint c
    left join ${live.table(carts)} t on t.checkout_order_id is not null
    where c.name = 'projections' order by t.position limit $1`,
}

type CartJoined = {
  revision: number | null
  checkout_order_id: OrderId | null
  line: CartLine | null
  parked: string | null
} & Nullable<Omit<RowOf<ProductRow>, 'revision'>>

const lineView = ({ productId, amount }: CartLine, product: CartJoined): CartLineRead => ({
  productId,
  amount,
  ...(product.stream_id !== null && { product: productView(product.stream_id, product as RowOf<ProductRow>) }),
})
