import type { ProductId } from '../domain/ids.js'
import type { Folded } from '../projections/engine/fold.js'
import { type ProductRow, products } from '../projections/product.js'
import { type ProductRead, productView } from '../projections/views.js'
import type { Query, QueryResult, Read } from './engine/read.js'
import { foldedOf, oneRow, oneRowOf, presentRows, type RowOf, selectRows } from './engine/select.js'

export type ProductsPage = { readonly limit?: number; readonly after?: ProductId }

export const createProducts = (read: Read) => ({
  /** Retired ones too: orders and carts still name them. */
  product: (productId: ProductId): Promise<QueryResult<ProductRead | undefined>> =>
    oneRow<ProductRow, ProductRead>(read, one, `${products.category}-${productId}`, (row) => productView(row.stream_id, row)),

  /** Those that are not retired, in the order of their ids, after `after`. */
  products: async ({ limit, after }: ProductsPage = {}): Promise<QueryResult<readonly ProductRead[]>> => {
    // What stands before the first one, and no limit.
    const values = [after === undefined ? '' : `${products.category}-${after}`, limit ?? null]
    const { rows, position } = await read<RowOf<ProductRow>>(list, values)
    return { value: presentRows(rows).map((row) => productView(row.stream_id, row)), position }
  },

  /** The rows of all that there ever were, in the order of their ids, after the stream `after`. */
  productRows: async (after = '', limit?: number): Promise<readonly Folded[]> => {
    const { rows } = await read<RowOf<ProductRow>>(all, [after, limit ?? null])
    return presentRows(rows).map(foldedOf)
  },
})

const one = oneRowOf(products)

const all: Query = {
  name: 'all products',
  definitions: [products],
  text: (live) => selectRows(live.table(products), ['stream_id'], 'where stream_id > $1 {order} limit $2'),
}

const list: Query = {
  name: 'products',
  definitions: [products],
  text: (live) => selectRows(live.table(products), ['stream_id'], 'where not retired and stream_id > $1 {order} limit $2'),
}
