import type { Cents } from '../domain/money.js'
import type { ProductEvent } from '../domain/product.js'
import { projection } from './projection.js'

export type ProductRow = {
  readonly name: string
  /** What can be ordered now. */
  readonly stock: number
  readonly price: Cents | null
  readonly retired: boolean
}

export const products = projection<ProductRow, ProductEvent>({
  name: 'products',
  version: 1,
  category: 'product',
  columns: (table) => {
    table.text('name').notNullable()
    table.integer('stock').notNullable()
    table.bigInteger('price')
    table.boolean('retired').notNullable()
  },
  evolve: (row, event) => {
    if (event.type === 'ProductAdded') {
      const { name, stock, price } = event.data
      return { name, stock, price: price ?? null, retired: false }
    }
    if (!row) throw new Error(`${event.type} before ProductAdded`)
    switch (event.type) {
      case 'ProductRenamed':
        return { ...row, name: event.data.name }
      case 'ProductPriced':
        return { ...row, price: event.data.price }
      case 'StockCounted':
        return { ...row, stock: event.data.stock }
      case 'StockReserved':
        return { ...row, stock: row.stock + event.data.was - event.data.quantity }
      case 'ProductRetired':
        return { ...row, retired: true }
      default:
        // Taken goods were not free before; a state carried forward repeats what the row has.
        return row
    }
  },
})
