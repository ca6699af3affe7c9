import type { CartLine } from './cart.js'
import type { OrderId, ProductId, UserId } from './ids.js'
import type { Cents } from './money.js'
import type { Terms } from './terms.js'

// What anybody is shown of each noun. A command answers with it; a read adds what its row knows beside (`projections/views.ts`).

export type ProductView = {
  readonly productId: ProductId
  readonly name: string
  readonly stock: number
  /** Of one piece; left out where it has none of its own. */
  readonly price?: Cents | undefined
}

/** `product` is left out where it has no row. */
export type CartLineView = CartLine & { readonly product?: ProductView }

export type OrderView = Terms & { readonly orderId: OrderId; readonly customerId: UserId }

export type UserView = { readonly userId: UserId; readonly name: string; readonly email: string }
