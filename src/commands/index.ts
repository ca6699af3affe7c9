import type { Store } from '../eventstore/store.js'
import { createPasswords } from '../platform/passwords.js'
import { type CartCommands, createCartCommands } from './cart.js'
import type { CommandContext } from './engine/context.js'
import { type Clock, createHandle } from './engine/handle.js'
import { createKeys, type Keys } from './engine/idempotency/key-registry.js'
import { createStreams } from './engine/streams.js'
import { createOrderCommands, type OrderCommands } from './order.js'
import { createProductCommands, type ProductCommands } from './product.js'
import { createStock } from './stock.js'
import { createUserCommands, type UserCommands } from './user.js'

/** Everything that the shop can be asked to do. */
export type Commands = {
  readonly users: UserCommands
  readonly products: ProductCommands
  readonly cart: CartCommands
  readonly orders: OrderCommands
  /** To be told of the events of the whole shop, so that a key that another process took is known here. */
  readonly keys: Pick<Keys, 'saw'>
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
  const keys = createKeys()
  const streams = createStreams(store, settings.cacheStreams, keys.accepted)
  const handle = createHandle(streams, clock)
  const users = createUserCommands({
    streams,
    handle,
    passwords: createPasswords({ cost: settings.bcryptCost }),
    ...settings,
    clock,
  })
  const products = createProductCommands(streams, handle, clock)
  const orders = createOrderCommands(streams, createStock(streams, clock), clock)
  const cart = createCartCommands({ streams, handle, orders, clock })
  const guarded =
    (changes: boolean) =>
    <Input, Result extends { readonly revision: number }>(command: Command<Input, Result>): Command<Input, Result> =>
    (context, input) =>
      keys.guard(context, (told) => command(told, input), changes)
  const [creates, changes] = [guarded(false), guarded(true)]
  return {
    users: { ...users, register: creates(users.register), edit: changes(users.edit) },
    products: { add: creates(products.add), update: changes(products.update), retire: changes(products.retire) },
    cart: {
      ...cart,
      addItem: changes(cart.addItem),
      changeAmount: changes(cart.changeAmount),
      removeItem: changes(cart.removeItem),
      checkout: creates(cart.checkout),
    },
    orders: { ...orders, place: creates(orders.place), update: changes(orders.update) },
    keys,
  }
}

type Command<Input, Result> = (context: CommandContext, input: Input) => Promise<Result>
