import { carts } from './cart.js'
import { orders } from './order.js'
import { products } from './product.js'
import { type AnyProjection, anyProjection } from './projection.js'
import { users } from './user.js'

/** Every projection of the shop. */
export const projections: readonly AnyProjection[] = [
  anyProjection(users),
  anyProjection(products),
  anyProjection(carts),
  anyProjection(orders),
]
