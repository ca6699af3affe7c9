import { type Cart, type CartEvent, type CartLines, cart } from '../domain/cart.js'
import type { OrderId } from '../domain/ids.js'
import { projection } from './projection.js'

export type CartRow = {
  /** In the order in which the products were first added. */
  readonly lines: CartLines
  /** The checkout that is under way, and what it takes out of the cart when it succeeds. */
  readonly checkout_order_id: OrderId | null
  readonly checkout_lines: CartLines | null
}

export const carts = projection<CartRow, CartEvent>({
  name: 'carts',
  version: 1,
  category: 'cart',
  columns: (table) => {
    table.jsonb('lines').notNullable()
    table.text('checkout_order_id')
    table.jsonb('checkout_lines')
  },
  indexes: [{ name: 'outstanding', on: '(stream_id) where checkout_order_id is not null' }],
  evolve: (row, event) => {
    if ('amount' in event.data) assertWhole(event.data.amount)
    const before = cartOf(row)
    // (A cart's fold has no use for the revision.)
    const { lines, checkout } = cart.evolve(before, event, 0)
    if (row && lines === before.lines && checkout === before.checkout) return row
    return { lines, checkout_order_id: checkout?.orderId ?? null, checkout_lines: checkout?.lines ?? null }
  },
})

/** The database doesn't look into JSON: what reads could not show is refused here. */
const assertWhole = (amount: number): void => {
  if (!Number.isSafeInteger(amount)) throw new Error(`the amount is ${amount}, which is no whole number`)
}

/** A row holds all of the domain's cart, so that what the domain makes of an event is what the row shows. */
const cartOf = (row: CartRow | undefined): Cart => {
  if (!row) return cart.initial
  const { lines, checkout_order_id: orderId, checkout_lines: ordered } = row
  return { lines, checkout: orderId === null ? undefined : { orderId, lines: ordered ?? [] } }
}
