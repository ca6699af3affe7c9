import { type Decider, type Json, Rejected } from './decider.js'
import { cents, type Descriptions, integer, orderId, productId, text } from './description.js'
import type { OrderId, ProductId } from './ids.js'
import type { Cents } from './money.js'
import { listReservations, noReservations, type Reservations, reservationOf, reservationsFrom, reserve } from './reservations.js'

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

export type ProductRejection = 'ProductExists' | 'ProductNotFound' | 'StockShort' | 'StockTooLarge'

/** What a row shows of a product. */
export type Listing = {
  readonly name: string
  readonly price: Cents | undefined
  /** What can be ordered now. */
  readonly free: number
  readonly retired: boolean
}

export type Product = Listing & { readonly added: boolean; readonly reservations: Reservations }

export const notListed: Listing = { name: '', price: undefined, free: 0, retired: false }

const initial: Product = { ...notListed, added: false, reservations: noReservations }

/** The highest price, in cents, and the highest count that a client may give. */
export const maxPrice = 1_000_000_000
export const maxStock = 1_000_000_000

const refuse = (reason: ProductRejection, detail: { readonly [key: string]: Json }): Rejected => new Rejected(reason, detail)

export const isListed = ({ added, retired }: Product): boolean => added && !retired

/** What is free and what is held together; cancelling all orders frees no more. As `stock` it fits a 32-bit integer. */
export const maxUnits = 2_000_000_000

export const reservedFor = (product: Product, orderId: OrderId): number =>
  reservationOf(product.reservations, orderId)?.quantity ?? 0

/** Throws `Rejected` where the order can't have this quantity: the look before the request and the reservation ask the same. */
export const assertAvailable = (product: Product, productId: ProductId, orderId: OrderId | undefined, quantity: number): void => {
  assertListed(product, productId)
  const available = product.free + (orderId ? reservedFor(product, orderId) : 0)
  if (available < quantity) throw refuse('StockShort', { productId, available })
}

const decide = (command: ProductCommand, product: Product): readonly ProductEvent[] => {
  const { productId, at } = command
  switch (command.type) {
    case 'AddProduct': {
      if (product.added) throw refuse('ProductExists', { productId })
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
      return reservedFor(product, command.orderId) === command.quantity && !command.fence ? [] : [reserved(command, product)]
    case 'Take': {
      const { orderId, orderRevision } = command
      const was = reservedFor(product, orderId)
      return was === 0 ? [] : [{ type: 'StockTaken', data: { productId, orderId, orderRevision, was, at } }]
    }
  }
}

/** Throws `Rejected` where there is no such product to be ordered or changed. */
export const assertListed = (product: Product, productId: ProductId): void => {
  if (!isListed(product)) throw refuse('ProductNotFound', { productId })
}

const assertRoom = ({ reservations }: Product, productId: ProductId, stock: number): void => {
  const ordered = listReservations(reservations).reduce((sum, [, { quantity }]) => sum + quantity, 0)
  if (stock + ordered > maxUnits) throw refuse('StockTooLarge', { productId })
}

const reserved = (
  { productId, orderId, orderRevision, quantity, at }: ProductCommand & { type: 'Reserve' | 'Settle' },
  product: Product,
): ProductEvent => ({
  type: 'StockReserved',
  data: { productId, orderId, orderRevision, quantity, was: reservedFor(product, orderId), at },
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

/** The listing after the event: the read model folds with it as well. Goods that are taken were not free before. */
export const evolveListing = (listing: Listing, event: ProductEvent): Listing => {
  const { name, price, free, retired } = listing
  switch (event.type) {
    case 'ProductAdded':
      return { name: event.data.name, price: event.data.price, free: event.data.stock, retired }
    case 'ProductRenamed':
      return { name: event.data.name, price, free, retired }
    case 'ProductPriced':
      return { name, price: event.data.price, free, retired }
    case 'StockCounted':
      return { name, price, free: event.data.stock, retired }
    case 'StockReserved':
      return { name, price, free: free + event.data.was - event.data.quantity, retired }
    case 'ProductRetired':
      return { name, price, free, retired: true }
    default:
      return listing
  }
}

const evolve = (product: Product, event: ProductEvent): Product => {
  const { added, reservations } = product
  switch (event.type) {
    case 'ProductAdded':
      return { ...evolveListing(product, event), added: true, reservations }
    case 'StockReserved': {
      const { orderId, orderRevision, quantity } = event.data
      return {
        ...evolveListing(product, event),
        added,
        reservations: reserve(reservations, orderId, { quantity, orderRevision }),
      }
    }
    case 'StockTaken': {
      const { orderId, orderRevision } = event.data
      return { ...product, reservations: reserve(reservations, orderId, { quantity: 0, orderRevision }) }
    }
    case 'ProductRenamed':
    case 'ProductPriced':
    case 'StockCounted':
    case 'ProductRetired':
      return { ...evolveListing(product, event), added, reservations }
    default:
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

const ofStep = {
  productId,
  orderId,
  orderRevision: integer("the revision of the order's event that asked for this"),
  was: integer('pieces that the order held of it before'),
}

/** What each event means, and its fields, to somebody who reads the history. */
export const productDescriptions: Descriptions<ProductEvent> = {
  ProductAdded: {
    means: 'a product comes into the shop',
    fields: {
      productId,
      name: text("the product's name"),
      stock: integer('pieces that can be ordered'),
      price: cents('of one piece, in cents'),
    },
  },
  ProductRenamed: { means: 'a product has another name', fields: { productId, name: text('the new name') } },
  ProductPriced: { means: 'a product has another price', fields: { productId, price: cents('of one piece, in cents') } },
  StockCounted: {
    means: 'staff says how many pieces there are',
    fields: { productId, stock: integer('pieces that can be ordered from now on') },
  },
  StockReserved: {
    means: 'an order holds pieces of a product, or gives some back',
    fields: { ...ofStep, quantity: integer('pieces that the order holds of it from now on') },
  },
  StockTaken: { means: 'the pieces that an order held have left the shop', fields: ofStep },
  ProductRetired: { means: 'a product is no longer sold', fields: { productId } },
  ProductCarriedForward: {
    means: "a product's state, carried forward so that its older events need not be read again; says nothing new",
    fields: { part: integer('which part'), parts: integer('of so many'), carried: text('the state, as JSON') },
  },
}

export const product: Decider<Product, ProductCommand, ProductEvent> = {
  category: 'product',
  initial,
  decide,
  evolve,
  says: {
    ProductAdded: 'accepted',
    ProductRenamed: 'accepted',
    ProductPriced: 'accepted',
    StockCounted: 'accepted',
    StockReserved: 'nothing',
    StockTaken: 'nothing',
    ProductRetired: 'accepted',
    ProductCarriedForward: 'nothing',
  },
  carryForward: {
    type: 'ProductCarriedForward',
    write: ({ added, retired, name, price, free, reservations }): Json => ({
      added,
      retired,
      name,
      price: price ?? null,
      free,
      held: listReservations(reservations).map(([orderId, { quantity, orderRevision }]) => [orderId, quantity, orderRevision]),
    }),
    read: (json): Product => {
      // What `write` made, as JSON gave it back.
      const { price, held, ...rest } = json as unknown as Carried
      const entries = held.map(([orderId, quantity, orderRevision]) => [orderId, { quantity, orderRevision }] as const)
      return { ...rest, price: price ?? undefined, reservations: reservationsFrom(entries) }
    },
  },
}
