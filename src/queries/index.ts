import type { Database } from '../platform/database.js'
import { createCarts } from './cart.js'
import { createRead } from './engine/read.js'
import { createOrders } from './order.js'
import { createProducts } from './product.js'
import { createUsers } from './user.js'

export type Queries = ReturnType<typeof createQueries>

/** The reads of the shop. All throw `NotReady` while a read model of this release's shape is not there yet. */
export const createQueries = ({ pool }: Pick<Database, 'pool'>) => {
  const read = createRead(pool)
  return { ...createUsers(read), ...createProducts(read), ...createCarts(read), ...createOrders(read) }
}
