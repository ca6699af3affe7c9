import type { Narrow, RequestName } from './requests.js'

export type Row = { readonly name: string; readonly request: RequestName; readonly narrow?: Narrow }

const rows: { readonly [key: string]: Row } = {
  add: { name: 'POST /cart', request: 'add' },
  change: { name: 'PUT /cart/:id', request: 'change' },
  cart: { name: 'GET /cart', request: 'cart' },
  products: { name: 'GET /products (50)', request: 'products' },
  order: { name: 'POST /orders/new (3 items)', request: 'order' },
  mix: { name: 'mix 80/15/5', request: 'mix' },
}

/** The rows of a list of their keys; all of them without one. Throws for a key that there is none of. */
export const rowsOf = (keys: string | undefined): readonly Row[] => {
  if (keys === undefined) return Object.values(rows)
  return keys.split(',').map((key) => {
    const row = rows[key]
    if (!row) throw new Error(`there is no row ${key}: the rows are ${Object.keys(rows).join(', ')}`)
    return row
  })
}
