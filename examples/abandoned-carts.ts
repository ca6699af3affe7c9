/**
 * Carts into which something was put, and of which no order came: what lies in them, and since when.
 * npx tillroll history replay examples/abandoned-carts.ts
 */
import type { Evolve } from 'tillroll/fold'

type Cart = { readonly pieces: Readonly<Record<string, number>>; readonly since: string; readonly checkout: Cart['pieces'] }

const empty: Cart = { pieces: {}, since: '', checkout: {} }

type Carts = Map<string, Cart>

export const initial = (): Carts => new Map()

export const evolve: Evolve<Carts> = (carts, event) => {
  if (event.category !== 'cart') return carts
  const cart = carts.get(event.stream) ?? empty
  const set = (productId: string, amount: number): Cart => ({
    ...cart,
    pieces: { ...cart.pieces, [productId]: amount },
    since: event.at,
  })
  switch (event.type) {
    case 'CartItemAdded':
      return carts.set(event.stream, set(event.data.productId, (cart.pieces[event.data.productId] ?? 0) + event.data.amount))
    case 'CartItemAmountChanged':
      return carts.set(event.stream, set(event.data.productId, event.data.amount))
    case 'CartItemRemoved':
      return carts.set(event.stream, {
        ...cart,
        pieces: without(cart.pieces, { [event.data.productId]: Number.POSITIVE_INFINITY }),
      })
    case 'CheckoutStarted': {
      const checkout = Object.fromEntries(event.data.lines.map(({ productId, amount }) => [productId, amount]))
      return carts.set(event.stream, { ...cart, checkout })
    }
    case 'CheckedOut':
      return carts.set(event.stream, { ...cart, pieces: without(cart.pieces, cart.checkout), checkout: {} })
    default:
      return carts
  }
}

/** What was put in after the checkout began stays. */
const without = (pieces: Cart['pieces'], taken: Cart['pieces']): Cart['pieces'] =>
  Object.fromEntries(
    Object.entries(pieces)
      .map(([productId, amount]): [string, number] => [productId, amount - (taken[productId] ?? 0)])
      .filter(([, amount]) => amount > 0),
  )

/** The longest untouched first. */
export const result = (carts: Carts) =>
  [...carts]
    .map(([stream, { pieces, since }]) => ({
      cart: stream.replace('cart-', ''),
      since,
      products: Object.keys(pieces).length,
      pieces: Object.values(pieces).reduce((sum, amount) => sum + amount, 0),
    }))
    .filter(({ products }) => products > 0)
    .sort((a, b) => (a.since < b.since ? -1 : 1))
