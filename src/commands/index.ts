import type { Store } from '../eventstore/store.js'
import { type CartCommands, createCartCommands } from './cart.js'
import { type Clock, createHandle } from './handle.js'
import { createOrderCommands, type OrderCommands } from './orders.js'
import { createPasswords } from './passwords.js'
import { createProductCommands, type ProductCommands } from './products.js'
import { createStock } from './stock.js'
import { createStreams } from './streams.js'
import { createUserCommands, type UserCommands } from './users.js'

/** Everything that the shop can be asked to do. */
export type Commands = {
  readonly users: UserCommands
  readonly products: ProductCommands
  readonly cart: CartCommands
  readonly orders: OrderCommands
}

export type CommandSettings = {
  /** The secret under which e-mails become stream names. */
  readonly emailKey: string
  readonly bcryptCost: number
  /** Milliseconds; see `users.ts`. */
  readonly claimYoung: number
  /** Streams kept folded in memory. */
  readonly cacheStreams: number
}

export const createCommands = (store: Store, settings: CommandSettings, clock: Clock = Date.now): Commands => {
  const streams = createStreams(store, settings.cacheStreams)
  const handle = createHandle(streams, clock)
  const orders = createOrderCommands(streams, createStock(streams, clock), clock)
  return {
    users: createUserCommands({ streams, handle, passwords: createPasswords(settings.bcryptCost), ...settings, clock }),
    products: createProductCommands(streams, handle, clock),
    cart: createCartCommands({ streams, handle, orders, clock }),
    orders,
  }
}
