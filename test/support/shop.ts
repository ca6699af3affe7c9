import { randomUUID } from 'node:crypto'
import type { CommandContext, CommandKey } from '../../src/commands/engine/context.js'
import type { AnyDecider } from '../../src/commands/engine/stream-state.js'
import { type CommandOptions, type Commands, createCommands } from '../../src/commands/index.js'
import { cart as cartDecider } from '../../src/domain/cart.js'
import type { DomainEvent } from '../../src/domain/decider.js'
import type { AnyId, OrderId, ProductId, UserId } from '../../src/domain/ids.js'
import { order as orderDecider } from '../../src/domain/order.js'
import { product as productDecider } from '../../src/domain/product.js'
import { user as userDecider } from '../../src/domain/user.js'
import type { NewEvent, RecordedEvent, Store } from '../../src/eventstore/store.js'

export const emailKey = 'an e-mail key for tests, long enough'

/** The commands of one process: its own cache over the store. `claimYoung` 0: every unfinished claim is old. */
export const processOver = (store: Store, settings: { claimYoung?: number } & CommandOptions = {}): Commands =>
  createCommands(store, { emailKey, bcryptCost: 4, claimYoung: settings.claimYoung ?? 0, cacheStreams: 1_000 }, settings)

export const context = (more: Partial<CommandContext> & { within?: number } = {}): CommandContext => {
  const { within = 10_000, ...rest } = more
  return { actor: 'anonymous', correlationId: randomUUID(), deadline: performance.now() + within, ...rest }
}

export const keyOf = (name: string, request = 'same'): CommandKey => ({
  commandId: `command-${name}`,
  requestHash: `hash-${request}`,
})

const folded = async <State, Event extends DomainEvent>(
  store: Store,
  decider: AnyDecider<State, Event>,
  id: AnyId,
): Promise<State> =>
  (await store.read(`${decider.category}-${id}`)).reduce(
    (state, { type, data, revision }) => decider.evolve(state, { type, data } as Event, revision),
    decider.initial,
  )

export const productNow = (store: Store, id: ProductId) => folded(store, productDecider, id)
export const orderNow = (store: Store, id: OrderId) => folded(store, orderDecider, id)
export const cartNow = async (store: Store, id: UserId) => {
  const { lines, checkout } = await folded(store, cartDecider, id)
  return { lines: new Map(lines.map(({ productId, amount }) => [productId, amount])), checkout }
}
export const userNow = (store: Store, id: UserId) => folded(store, userDecider, id)

export const typesOf = (events: readonly RecordedEvent[]): string[] => events.map(({ type }) => type)

export type Append = { readonly streamId: string; readonly events: readonly NewEvent[]; readonly at: number }

/** The process is gone: nothing that it still wanted to do comes to be. */
export class Stopped extends Error {}

/** A store that asks before each append, the first time that it is tried: the place where a process may sleep or stop. */
export const withHook = (store: Store, before: (append: Append, index: number) => Promise<void> | void): Store => {
  let index = 0
  return {
    ...store,
    append: async (streamId, events, at, timeout) => {
      await before({ streamId, events, at }, index++)
      return store.append(streamId, events, at, timeout)
    },
  }
}

export const countAppends = (store: Store): { store: Store; appends: string[] } => {
  const appends: string[] = []
  const hooked = withHook(store, ({ streamId, events }) => {
    appends.push(`${events.map(({ type }) => type).join('+')} to ${streamId.split('-')[0]}`)
  })
  return { store: hooked, appends }
}
