import type { CartLine } from '../domain/cart.js'
import type { OrderId } from '../domain/ids.js'
import type { Role } from '../domain/user.js'
import type { OrderView, ProductView, UserView } from '../domain/views.js'
import type { CartRow } from './cart.js'
import type { OrderRow } from './order.js'
import type { ProductRow } from './product.js'
import { idOfStream } from './projection.js'
import type { UserRow } from './user.js'

// A row as the rest of the shop knows it, whether it comes from a table or from a fold of the past.

export type UserRead = UserView & { readonly role: Role; readonly epoch: number }

export type ProductRead = ProductView & { readonly retired: boolean }

export type CartLineRead = CartLine & { readonly product?: ProductRead }

export type CartRead = { readonly lines: readonly CartLineRead[]; readonly checkoutOrderId?: OrderId }

export type OrderRead = OrderView & { readonly placedAt: Date; readonly updatedAt: Date }

export const userView = (streamId: string, { name, email, role, epoch }: UserRow): UserRead => ({
  userId: idOfStream(streamId),
  name,
  email,
  role,
  epoch,
})

export const productView = (streamId: string, { name, stock, price, retired }: ProductRow): ProductRead => ({
  productId: idOfStream(streamId),
  name,
  stock,
  ...(price !== null && { price }),
  retired,
})

/** Text in a row is a string to the driver, whatever it names. */
export const cartView = (lines: readonly CartLineRead[], orderId: CartRow['checkout_order_id']): CartRead => ({
  lines,
  ...(orderId && { checkoutOrderId: orderId as OrderId }),
})

/** Undefined for one that was never accepted: an accepted one has a customer and a time. A database gives times as dates, a fold as they are in the event. */
export const orderView = (streamId: string, row: Times<OrderRow>): OrderRead | undefined =>
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
