import type { CartLine } from '../domain/cart.js'
import type { OrderId, ProductId, UserId } from '../domain/ids.js'
import type { Cents } from '../domain/money.js'
import type { OrderItem } from '../domain/terms.js'
import type { Role } from '../domain/user.js'
import type { CartRow } from './cart.js'
import type { OrderRow } from './order.js'
import type { ProductRow } from './product.js'
import { idOfStream } from './projection.js'
import type { UserRow } from './user.js'

/** A row as the rest of the shop knows it, whether it comes from a table or from a fold of the past. */
export type UserView = {
  readonly userId: UserId
  readonly name: string
  readonly email: string
  readonly role: Role
  readonly epoch: number
}

export type ProductView = {
  readonly productId: ProductId
  readonly name: string
  readonly stock: number
  readonly price?: Cents
  readonly retired: boolean
}

/** `product` is left out where it has no row. */
export type CartLineView = CartLine & { readonly product?: ProductView }

export type CartView = { readonly lines: readonly CartLineView[]; readonly checkoutOrderId?: OrderId }

export type OrderView = {
  readonly orderId: OrderId
  readonly customerId: UserId
  readonly items: readonly OrderItem[]
  readonly price: Cents
  readonly status: string
  readonly placedAt: Date
  readonly updatedAt: Date
}

export const userView = (streamId: string, { name, email, role, epoch }: UserRow): UserView => ({
  userId: idOfStream(streamId),
  name,
  email,
  role,
  epoch,
})

export const productView = (streamId: string, { name, stock, price, retired }: ProductRow): ProductView => ({
  productId: idOfStream(streamId),
  name,
  stock,
  ...(price !== null && { price }),
  retired,
})

export const cartView = (lines: readonly CartLineView[], orderId: CartRow['checkout_order_id']): CartView => ({
  lines,
  ...(orderId && { checkoutOrderId: orderId as OrderId }),
})

/** Undefined for one that was never accepted. A database gives times as dates, a fold as they are in the event. */
export const orderView = (streamId: string, row: Times<OrderRow>): OrderView | undefined =>
  row.placed
    ? {
        orderId: idOfStream(streamId),
        customerId: row.customer_id!,
        items: row.items,
        price: row.price,
        status: row.status,
        placedAt: new Date(row.placed_at!),
        updatedAt: new Date(row.updated_at),
      }
    : undefined

type Times<Row extends OrderRow> = Omit<Row, 'placed_at' | 'updated_at'> & {
  readonly placed_at: string | Date | null
  readonly updated_at: string | Date
}
