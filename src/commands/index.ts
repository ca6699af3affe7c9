import type { RecordedEvent, Store } from '../eventstore/store.js'
import { createPasswords } from '../platform/passwords.js'
import { type CartCommands, cartPolicies, createCartCommands } from './cart.js'
import { createDisclosureCommands, type DisclosureCommands } from './disclosure.js'
import { createKeys, guarded } from './engine/idempotency/key-registry.js'
import { type Clock, createStreams } from './engine/streams.js'
import { createOrderCommands, type OrderCommands, orderPolicies } from './order.js'
import { createProductCommands, type ProductCommands, productPolicies } from './product.js'
import { createUserCommands, type UserCommands, userPolicies } from './user.js'

/** Everything that the shop can be asked to do. */
export type Commands = {
  readonly users: UserCommands
  readonly products: ProductCommands
  readonly cart: CartCommands
  readonly orders: OrderCommands
  readonly disclosures: DisclosureCommands
  /** To be told of the events of the whole shop, in order: what other processes wrote, and which keys they took, is known here then. */
  readonly onEvents: (events: readonly RecordedEvent[]) => void
}

export type CommandSettings = {
  /** The secret under which e-mails become stream names. */
  readonly emailKey: string
  readonly bcryptCost: number
  /** Milliseconds; see `user.ts`. */
  readonly claimYoung: number
  /** Streams kept folded in memory. */
  readonly cacheStreams: number
}

export type CommandOptions = {
  readonly clock?: Clock
  /** Whether `onEvents` has been given all that the store had a moment ago; left out: never. (docs/decisions/0018) */
  readonly isCurrent?: () => boolean
  /** Told of what went wrong after a command was answered. */
  readonly onError?: (error: unknown, what: string) => void
  /** Whether passwords will come soon. Default false. */
  readonly isServing?: boolean
}

export const createCommands = (store: Store, settings: CommandSettings, options: CommandOptions = {}): Commands => {
  const { clock = Date.now, isCurrent, onError, isServing = false } = options
  const { emailKey, bcryptCost, claimYoung, cacheStreams } = settings
  const keys = createKeys()
  const streams = createStreams({
    store,
    clock,
    cacheSize: cacheStreams,
    onAccepted: keys.accepted,
    ...(isCurrent && { isCurrent }),
    ...(onError && { onError }),
  })
  const deps = { streams, clock }
  const passwords = createPasswords({ cost: bcryptCost, isReady: isServing })
  const users = createUserCommands({ ...deps, passwords, emailKey, claimYoung })
  return {
    users: guarded(keys, users, userPolicies),
    products: guarded(keys, createProductCommands(deps), productPolicies),
    cart: guarded(keys, createCartCommands(deps), cartPolicies),
    orders: guarded(keys, createOrderCommands(deps), orderPolicies),
    disclosures: createDisclosureCommands(deps),
    onEvents: (events) => {
      keys.onEvents(events)
      streams.onEvents(events)
    },
  }
}
