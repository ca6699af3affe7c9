import type { CartEvent, CartLine } from '../domain/cart.js'
import type { ProductId } from '../domain/ids.js'
import { projection } from './projection.js'

export type CartRow = {
  /** In the order in which the products were first added. */
  readonly lines: readonly CartLine[]
  /** The checkout that is under way, and what it takes out of the cart when it succeeds. */
  readonly checkout_order_id: string | null
  readonly checkout_lines: readonly CartLine[] | null
}

const empty: CartRow = { lines: [], checkout_order_id: null, checkout_lines: null }

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
  evolve: (row = empty, event) => {
    switch (event.type) {
      case 'CartItemAdded': {
        const { productId, amount } = event.data
        return { ...row, lines: withAmount(row.lines, productId, amountOf(row.lines, productId) + whole(amount)) }
      }
      case 'CartItemAmountChanged':
        return { ...row, lines: withAmount(row.lines, event.data.productId, whole(event.data.amount)) }
      case 'CartItemRemoved':
        return { ...row, lines: withAmount(row.lines, event.data.productId, 0) }
      case 'CheckoutStarted':
        return { ...row, checkout_order_id: event.data.orderId, checkout_lines: event.data.lines }
      case 'CheckedOut':
        return { ...empty, lines: without(row.lines, row.checkout_lines ?? []) }
      case 'CheckoutFailed':
        return { ...empty, lines: row.lines }
      default:
        return row
    }
  },
})

/** The database doesn't look into JSON: what reads could not show is refused here. */
const whole = (amount: number): number => {
  if (!Number.isSafeInteger(amount)) throw new Error('an amount that is none')
  return amount
}

const amountOf = (lines: readonly CartLine[], productId: ProductId): number =>
  lines.find((line) => line.productId === productId)?.amount ?? 0

const withAmount = (lines: readonly CartLine[], productId: ProductId, amount: number): readonly CartLine[] => {
  const i = lines.findIndex((line) => line.productId === productId)
  if (amount <= 0) return i < 0 ? lines : lines.toSpliced(i, 1)
  return i < 0 ? [...lines, { productId, amount }] : lines.with(i, { productId, amount })
}

/** What was put in while the checkout ran stays. */
const without = (lines: readonly CartLine[], ordered: readonly CartLine[]): readonly CartLine[] =>
  ordered.reduce((left, { productId, amount }) => withAmount(left, productId, amountOf(left, productId) - amount), lines)
