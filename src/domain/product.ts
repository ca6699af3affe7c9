import { type Decider, type Json, Rejected } from './decider.js'
import type { OrderId, ProductId } from './ids.js'
import type { Cents } from './money.js'
import { type Held, heldFrom, hold, holdingOf, holdingsOf, nothingHeld } from './reservations.js'

export type ProductEvent =
  | { type: 'ProductAdded'; data: { productId: ProductId; name: string; stock: number; price?: Cents; at: string } }
  | { type: 'ProductRenamed'; data: { productId: ProductId; name: string; at: string } }
  | { type: 'ProductPriced'; data: { productId: ProductId; price: Cents; at: string } }
  | { type: 'StockCounted'; data: { productId: ProductId; stock: number; at: string } }
  | { type: 'StockReserved'; data: Step & { quantity: number } }
  | { type: 'StockTaken'; data: Step }
  | { type: 'ProductRetired'; data: { productId: ProductId; at: string } }
  | { type: 'ProductCarriedForward'; data: { part: number; parts: number; carried: string; at: string } }

/** A step that an order asks for: `orderRevision` is that of the order's request or outcome behind it, `was` what it held here before. */
type Step = { productId: ProductId; orderId: OrderId; orderRevision: number; was: number; at: string }

export type ProductCommand =
  | { type: 'AddProduct'; productId: ProductId; name: string; stock: number; price?: Cents; at: string }
  | { type: 'UpdateProduct'; productId: ProductId; name?: string; stock?: number; price?: Cents; at: string }
  | { type: 'RetireProduct'; productId: ProductId; at: string }
  /** `quantity` is absolute: what the order is to hold from now on. */
  | { type: 'Reserve'; productId: ProductId; orderId: OrderId; orderRevision: number; quantity: number; at: string }
  /** The same, asked by an order's outcome: never refused, and with `fence` written even where nothing changes. */
  | {
      type: 'Settle'
      productId: ProductId
      orderId: OrderId
      orderRevision: number
      quantity: number
      fence: boolean
      at: string
    }
  /** The goods leave: ends what is held. */
  | { type: 'Take'; productId: ProductId; orderId: OrderId; orderRevision: number; at: string }

export type Product = {
  readonly added: boolean
  readonly retired: boolean
  readonly name: string
  readonly price: Cents | undefined
  /** What can be ordered now. */
  readonly free: number
  readonly held: Held
}

const initial: Product = { added: false, retired: false, name: '', price: undefined, free: 0, held: nothingHeld }

/** What is free and what is held together; cancelling all orders frees no more. As `stock` it fits a 32-bit integer. */
export const maxUnits = 2_000_000_000

export const heldBy = (product: Product, orderId: OrderId): number => holdingOf(product.held, orderId)?.quantity ?? 0

/** Throws `Rejected` where the order can't have this quantity: the look before the request and the reservation ask the same. */
export const assertAvailable = (product: Product, productId: ProductId, orderId: OrderId | undefined, quantity: number): void => {
  if (!product.added || product.retired) throw new Rejected('ProductNotFound', { productId })
  const available = product.free + (orderId ? heldBy(product, orderId) : 0)
  if (available < quantity) throw new Rejected('StockShort', { productId, available })
}

const decide = (command: ProductCommand, product: Product): readonly ProductEvent[] => {
  const { productId, at } = command
  switch (command.type) {
    case 'AddProduct': {
      const { name, stock, price } = command
      return [{ type: 'ProductAdded', data: { productId, name, stock, ...(price !== undefined && { price }), at } }]
    }
    case 'UpdateProduct':
      assertListed(product, productId)
      return updated(command, product)
    case 'RetireProduct':
      assertListed(product, productId)
      return [{ type: 'ProductRetired', data: { productId, at } }]
    case 'Reserve':
      assertAvailable(product, productId, command.orderId, command.quantity)
      return [reserved(command, product)]
    case 'Settle':
      return heldBy(product, command.orderId) === command.quantity && !command.fence ? [] : [reserved(command, product)]
    case 'Take': {
      const { orderId, orderRevision } = command
      const was = heldBy(product, orderId)
      return was === 0 ? [] : [{ type: 'StockTaken', data: { productId, orderId, orderRevision, was, at } }]
    }
  }
}

const assertListed = (product: Product, productId: ProductId): void => {
  if (!product.added || product.retired) throw new Rejected('ProductNotFound', { productId })
}

const assertRoom = ({ held }: Product, productId: ProductId, stock: number): void => {
  const ordered = holdingsOf(held).reduce((sum, [, { quantity }]) => sum + quantity, 0)
  if (stock + ordered > maxUnits) throw new Rejected('StockTooLarge', { productId })
}

const reserved = (
  { productId, orderId, orderRevision, quantity, at }: ProductCommand & { type: 'Reserve' | 'Settle' },
  product: Product,
): ProductEvent => ({
  type: 'StockReserved',
  data: { productId, orderId, orderRevision, quantity, was: heldBy(product, orderId), at },
})

const updated = (
  { productId, name, stock, price, at }: ProductCommand & { type: 'UpdateProduct' },
  product: Product,
): readonly ProductEvent[] => {
  const events: ProductEvent[] = []
  if (name !== undefined && name !== product.name) events.push({ type: 'ProductRenamed', data: { productId, name, at } })
  if (price !== undefined && price !== product.price) events.push({ type: 'ProductPriced', data: { productId, price, at } })
  if (stock !== undefined && stock !== product.free) {
    assertRoom(product, productId, stock)
    events.push({ type: 'StockCounted', data: { productId, stock, at } })
  }
  return events
}

const evolve = (product: Product, event: ProductEvent): Product => {
  switch (event.type) {
    case 'ProductAdded': {
      const { name, stock, price } = event.data
      return { ...product, added: true, name, price, free: stock }
    }
    case 'ProductRenamed':
      return { ...product, name: event.data.name }
    case 'ProductPriced':
      return { ...product, price: event.data.price }
    case 'StockCounted':
      return { ...product, free: event.data.stock }
    case 'StockReserved': {
      const { orderId, orderRevision, quantity, was } = event.data
      return { ...product, free: product.free + was - quantity, held: hold(product.held, orderId, { quantity, orderRevision }) }
    }
    case 'StockTaken': {
      const { orderId, orderRevision } = event.data
      return { ...product, held: hold(product.held, orderId, { quantity: 0, orderRevision }) }
    }
    case 'ProductRetired':
      return { ...product, retired: true }
    case 'ProductCarriedForward':
      return product
  }
}

type Carried = {
  readonly added: boolean
  readonly retired: boolean
  readonly name: string
  readonly price: Cents | null
  readonly free: number
  readonly held: readonly (readonly [OrderId, number, number])[]
}

export const product: Decider<Product, ProductCommand, ProductEvent> = {
  category: 'product',
  initial,
  decide,
  evolve,
  accepts: (event) => event.type !== 'StockReserved' && event.type !== 'StockTaken' && event.type !== 'ProductCarriedForward',
  books: {
    type: 'ProductCarriedForward',
    write: ({ added, retired, name, price, free, held }): Json => ({
      added,
      retired,
      name,
      price: price ?? null,
      free,
      held: holdingsOf(held).map(([orderId, { quantity, orderRevision }]) => [orderId, quantity, orderRevision]),
    }),
    read: (json): Product => {
      const { price, held, ...rest } = json as unknown as Carried
      const entries = held.map(([orderId, quantity, orderRevision]) => [orderId, { quantity, orderRevision }] as const)
      return { ...rest, price: price ?? undefined, held: heldFrom(entries) }
    },
  },
}
