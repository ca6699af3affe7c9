import { type Decider, Rejected } from './decider.js'
import { type Descriptions, id, integer, list, orderId, productId } from './description.js'
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

export type CartRejection = 'AmountTooLarge' | 'CartEmpty' | 'CartFull' | 'CheckoutOutstanding' | 'LineNotFound'

export type CartLine = { readonly productId: ProductId; readonly amount: number }

/** In the order in which the products were first added. */
export type CartLines = readonly CartLine[]

/** All of it is in a row too, so that the read model folds with `evolve` as well. */
export type Cart = {
  readonly lines: CartLines
  readonly checkout: { readonly orderId: OrderId; readonly lines: CartLines } | undefined
}

export const maxLines = 100
export const maxAmount = 10_000

const refuse = (reason: CartRejection): Rejected => new Rejected(reason)

const decide = (command: CartCommand, cart: Cart): readonly CartEvent[] => {
  const { cartId, at } = command
  switch (command.type) {
    case 'AddItem': {
      const { productId, amount } = command
      const had = amountOf(cart.lines, productId)
      if (had === 0 && cart.lines.length >= maxLines) throw refuse('CartFull')
      if (had + amount > maxAmount) throw refuse('AmountTooLarge')
      return [{ type: 'CartItemAdded', data: { cartId, productId, amount, at } }]
    }
    case 'ChangeAmount': {
      const { productId, amount } = command
      const had = amountOf(cart.lines, productId)
      if (had === 0) throw refuse('LineNotFound')
      return had === amount ? [] : [{ type: 'CartItemAmountChanged', data: { cartId, productId, amount, at } }]
    }
    case 'RemoveItem':
      if (amountOf(cart.lines, command.productId) === 0) throw refuse('LineNotFound')
      return [{ type: 'CartItemRemoved', data: { cartId, productId: command.productId, at } }]
    case 'StartCheckout':
      if (cart.checkout) throw refuse('CheckoutOutstanding')
      if (cart.lines.length === 0) throw refuse('CartEmpty')
      return [{ type: 'CheckoutStarted', data: { cartId, orderId: command.orderId, lines: cart.lines, at } }]
    case 'FinishCheckout':
      if (cart.checkout?.orderId !== command.orderId) return []
      return [{ type: command.placed ? 'CheckedOut' : 'CheckoutFailed', data: { cartId, orderId: command.orderId, at } }]
  }
}

const evolve = (cart: Cart, event: CartEvent): Cart => {
  switch (event.type) {
    case 'CartItemAdded':
      return { ...cart, lines: withMore(cart.lines, event.data.productId, event.data.amount) }
    case 'CartItemAmountChanged':
      return { ...cart, lines: withAmount(cart.lines, event.data.productId, event.data.amount) }
    case 'CartItemRemoved':
      return { ...cart, lines: withAmount(cart.lines, event.data.productId, 0) }
    case 'CheckoutStarted':
      return { ...cart, checkout: { orderId: event.data.orderId, lines: event.data.lines } }
    case 'CheckedOut':
      return { lines: without(cart.lines, cart.checkout?.lines ?? []), checkout: undefined }
    case 'CheckoutFailed':
      return { ...cart, checkout: undefined }
    default:
      return cart
  }
}

/** 0 where it has no line. */
export const amountOf = (lines: CartLines, productId: ProductId): number =>
  lines.find((line) => line.productId === productId)?.amount ?? 0

const withAmount = (lines: CartLines, productId: ProductId, amount: number): CartLines => {
  const i = lines.findIndex((line) => line.productId === productId)
  if (amount <= 0) return i < 0 ? lines : lines.toSpliced(i, 1)
  return i < 0 ? [...lines, { productId, amount }] : lines.with(i, { productId, amount })
}

const withMore = (lines: CartLines, productId: ProductId, amount: number): CartLines =>
  withAmount(lines, productId, amountOf(lines, productId) + amount)

/** What was put in while the checkout ran stays in the cart. */
const without = (lines: CartLines, ordered: CartLines): CartLines =>
  ordered.reduce((left, { productId, amount }) => withMore(left, productId, -amount), lines)

const ofCart = id('the cart, which has the id of its user')
const ofLines = list('what is in the cart', { productId, amount: integer('pieces') })

/** What each event means, and its fields, to somebody who reads the history. */
export const cartDescriptions: Descriptions<CartEvent> = {
  CartItemAdded: {
    means: 'a customer puts a product into the cart',
    fields: { cartId: ofCart, productId, amount: integer('pieces put in, beside those that were there') },
  },
  CartItemAmountChanged: {
    means: 'a customer wants another number of pieces',
    fields: { cartId: ofCart, productId, amount: integer('pieces from now on') },
  },
  CartItemRemoved: { means: 'a customer takes a product out of the cart', fields: { cartId: ofCart, productId } },
  CheckoutStarted: { means: 'a customer orders what is in the cart', fields: { cartId: ofCart, orderId, lines: ofLines } },
  CheckedOut: { means: 'the cart has become an order', fields: { cartId: ofCart, orderId } },
  CheckoutFailed: { means: 'the cart could not become an order, and is as it was', fields: { cartId: ofCart, orderId } },
}

export const cart: Decider<Cart, CartCommand, CartEvent> = {
  category: 'cart',
  initial: { lines: [], checkout: undefined },
  decide,
  evolve,
  says: {
    CartItemAdded: 'accepted',
    CartItemAmountChanged: 'accepted',
    CartItemRemoved: 'accepted',
    CheckoutStarted: 'asked',
    CheckedOut: 'accepted',
    CheckoutFailed: 'nothing',
  },
}
