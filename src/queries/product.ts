import type { ProductId } from '../domain/ids.js'
import { type ProductRow, products } from '../projections/product.js'
import { type ProductView, productView } from '../projections/views.js'
import type { Answer, Read } from './engine/read.js'
import { oneRow, type RowOf, withRows } from './engine/select.js'

export type ProductsPage = { readonly limit?: number; readonly after?: ProductId }

export const createProducts = (read: Read) => ({
  /** Retired ones too: orders and carts still name them. */
  product: (productId: ProductId): Promise<Answer<ProductView | undefined>> =>
    oneRow<ProductRow, ProductView>(read, products, productId, (row) => productView(row.stream_id, row)),

  /** Those that are not retired, in the order of their ids, after `after`. */
  products: async ({ limit, after }: ProductsPage = {}): Promise<Answer<readonly ProductView[]>> => {
    const { rows, position } = await read<RowOf<ProductRow>>([products], (query, tables) =>
      withRows(query, tables.products!, [{ column: 'stream_id' }], (page) => {
        page.where('retired', false)
        if (after !== undefined) page.where('stream_id', '>', `${products.category}-${after}`)
        if (limit !== undefined) page.limit(limit)
      }),
    )
    return { value: rows.filter((row) => row.stream_id !== null).map((row) => productView(row.stream_id, row)), position }
  },
})
