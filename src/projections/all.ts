import { carts } from './carts.js'
import { orders } from './orders.js'
import { products } from './products.js'
import { type AnyProjection, anyProjection } from './projection.js'
import { users } from './users.js'

/** Every projection of the shop. */
export const projections: readonly AnyProjection[] = [
  anyProjection(users),
  anyProjection(products),
  anyProjection(carts),
  anyProjection(orders),
]
