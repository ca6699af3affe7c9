import type { Knex } from 'knex'
import { createCarts } from './carts.js'
import { createRead } from './live.js'
import { createOrders } from './orders.js'
import { createProducts } from './products.js'
import { createUsers } from './users.js'

export type Queries = ReturnType<typeof createQueries>

/** The reads of the shop. All throw `NotReady` while a read model of this release's shape is not there yet. */
export const createQueries = ({ knex }: { readonly knex: Knex }) => {
  const read = createRead(knex)
  return { ...createUsers(read), ...createProducts(read), ...createCarts(read), ...createOrders(read) }
}
