import type { Cents } from '../domain/money.js'
import { evolveListing, type Listing, notListed, type ProductEvent } from '../domain/product.js'
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
    if (!row && event.type !== 'ProductAdded') throw new Error(`${event.type} before ProductAdded`)
    const before = listingOf(row)
    const next = evolveListing(before, event)
    if (next === before) return row
    return { name: next.name, stock: next.free, price: next.price ?? null, retired: next.retired }
  },
})

/** A row holds all of it, so that what the domain makes of an event is what the row shows. */
const listingOf = (row: ProductRow | undefined): Listing =>
  row ? { name: row.name, price: row.price ?? undefined, free: row.stock, retired: row.retired } : notListed
