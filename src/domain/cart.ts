import { type Decider, Rejected } from './decider.js'
import type { OrderId, ProductId, UserId } from './ids.js'

export type CartEvent =
  | { type: 'CartItemAdded'; data: { cartId: UserId; productId: ProductId; amount: number; at: string } }
  | { type: 'CartItemAmountChanged'; data: { cartId: UserId; productId: ProductId; amount: number; at: string } }
  | { type: 'CartItemRemoved'; data: { cartId: UserId; productId: ProductId; at: string } }
  | { type: 'CheckoutStarted'; data: { cartId: UserId; orderId: OrderId; lines: readonly CartLine[]; at: string } }
  | { type: 'CheckedOut'; data: { cartId: UserId; orderId: OrderId; at: string } }
  | { type: 'CheckoutFailed'; data: { cartId: UserId; orderId: OrderId; at: string } }

export type CartCommand =
  | { type: 'AddItem'; cartId: UserId; productId: ProductId; amount: number; at: string }
  | { type: 'ChangeAmount'; cartId: UserId; productId: ProductId; amount: number; at: string }
  | { type: 'RemoveItem'; cartId: UserId; productId: ProductId; at: string }
  | { type: 'StartCheckout'; cartId: UserId; orderId: OrderId; at: string }
  /** Ends the checkout, if it is still outstanding. */
  | { type: 'FinishCheckout'; cartId: UserId; orderId: OrderId; placed: boolean; at: string }

export type CartLine = { readonly productId: ProductId; readonly amount: number }

export type Cart = {
  /** In the order in which the products were first added. */
  readonly lines: ReadonlyMap<ProductId, number>
  readonly checkout: { readonly orderId: OrderId; readonly lines: readonly CartLine[] } | undefined
}

export const maxLines = 100
export const maxAmount = 10_000

export const linesOf = (cart: Cart): readonly CartLine[] => [...cart.lines].map(([productId, amount]) => ({ productId, amount }))

const decide = (command: CartCommand, cart: Cart): readonly CartEvent[] => {
  const { cartId, at } = command
  switch (command.type) {
    case 'AddItem': {
      const { productId, amount } = command
      if (!cart.lines.has(productId) && cart.lines.size >= maxLines) throw new Rejected('CartFull')
      if ((cart.lines.get(productId) ?? 0) + amount > maxAmount) throw new Rejected('AmountTooLarge')
      return [{ type: 'CartItemAdded', data: { cartId, productId, amount, at } }]
    }
    case 'ChangeAmount': {
      const { productId, amount } = command
      if (!cart.lines.has(productId)) throw new Rejected('LineNotFound')
      return cart.lines.get(productId) === amount
        ? []
        : [{ type: 'CartItemAmountChanged', data: { cartId, productId, amount, at } }]
    }
    case 'RemoveItem':
      if (!cart.lines.has(command.productId)) throw new Rejected('LineNotFound')
      return [{ type: 'CartItemRemoved', data: { cartId, productId: command.productId, at } }]
    case 'StartCheckout':
      if (cart.checkout) throw new Rejected('CheckoutOutstanding')
      if (cart.lines.size === 0) throw new Rejected('CartEmpty')
      return [{ type: 'CheckoutStarted', data: { cartId, orderId: command.orderId, lines: linesOf(cart), at } }]
    case 'FinishCheckout':
      if (cart.checkout?.orderId !== command.orderId) return []
      return [{ type: command.placed ? 'CheckedOut' : 'CheckoutFailed', data: { cartId, orderId: command.orderId, at } }]
  }
}

const evolve = (cart: Cart, event: CartEvent): Cart => {
  switch (event.type) {
    case 'CartItemAdded':
      return {
        ...cart,
        lines: withLine(cart.lines, event.data.productId, (cart.lines.get(event.data.productId) ?? 0) + event.data.amount),
      }
    case 'CartItemAmountChanged':
      return { ...cart, lines: withLine(cart.lines, event.data.productId, event.data.amount) }
    case 'CartItemRemoved':
      return { ...cart, lines: withLine(cart.lines, event.data.productId, 0) }
    case 'CheckoutStarted':
      return { ...cart, checkout: { orderId: event.data.orderId, lines: event.data.lines } }
    case 'CheckedOut':
      return { lines: without(cart.lines, cart.checkout?.lines ?? []), checkout: undefined }
    case 'CheckoutFailed':
      return { ...cart, checkout: undefined }
  }
}

const withLine = (lines: Cart['lines'], productId: ProductId, amount: number): Cart['lines'] => {
  const next = new Map(lines)
  if (amount > 0) next.set(productId, amount)
  else next.delete(productId)
  return next
}

/** What was put in while the checkout ran stays in the cart. */
const without = (lines: Cart['lines'], ordered: readonly CartLine[]): Cart['lines'] =>
  ordered.reduce((left, { productId, amount }) => withLine(left, productId, (left.get(productId) ?? 0) - amount), lines)

export const cart: Decider<Cart, CartCommand, CartEvent> = {
  category: 'cart',
  initial: { lines: new Map(), checkout: undefined },
  decide,
  evolve,
  accepts: (event) => event.type !== 'CheckoutStarted' && event.type !== 'CheckoutFailed',
  asks: (event) => event.type === 'CheckoutStarted',
}
