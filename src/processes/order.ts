import { randomUUID } from 'node:crypto'
import type { Logger } from 'pino'
import type { CartCommands } from '../commands/cart.js'
import type { CommandContext } from '../commands/engine/context.js'
import type { OrderCommands } from '../commands/order.js'
import type { AnyId, OrderId, UserId } from '../domain/ids.js'
import { sleep } from '../platform/async.js'
import type { Database } from '../platform/database.js'
import { keepLease } from '../platform/lease.js'
import { NotReady } from '../queries/engine/read.js'
import type { Queries } from '../queries/index.js'

/** Something that a command may have left half done; `progress` changes when it moves on. */
export type Unsettled<StreamId extends AnyId> = { readonly id: StreamId; readonly progress: string | number }

/** After a crash of a busy shop there are many, and each is mostly a matter of waiting for the store. */
const atOnce = 8

export type RecoveryDependencies = {
  readonly orders: Pick<OrderCommands, 'recover'>
  readonly cart: Pick<CartCommands, 'recoverCheckout'>
  readonly unsettledOrders: () => Promise<readonly Unsettled<OrderId>[]>
  readonly outstandingCheckouts: () => Promise<readonly Unsettled<UserId>[]>
  /** How long one that makes no progress is watched before it is taken up, in milliseconds: longer than a command's deadline. */
  readonly delay: number
  /** How long one recovery may take, in milliseconds. */
  readonly deadline: number
  /** Told of every recovery, and every look at the read models, that failed; each is tried again. */
  readonly onError: (error: unknown, what: string) => void
  /** Milliseconds, from whenever. Default: this process's own monotonic clock. */
  readonly clock?: () => number
}

/**
 * Makes good what a crash, a lost answer or a deadline left half done. When it starts decides nothing about what is right, so the
 * read models may be late, several may run at once, and the time is only this process's own monotonic clock.
 */
export const createOrderRecovery = (dependencies: RecoveryDependencies) => {
  const { clock = () => performance.now() } = dependencies
  const watched = new Map<string, { progress: string | number; since: number }>()

  /** Looks once, and takes up what has stood still for long enough. */
  const look = async (signal: AbortSignal): Promise<void> => {
    const due: { streamId: string; recover: (context: CommandContext) => Promise<unknown> }[] = []
    const seen = new Set<string>()
    const watch = (streamId: string, progress: string | number, recover: (context: CommandContext) => Promise<unknown>) => {
      seen.add(streamId)
      const known = watched.get(streamId)
      if (known?.progress !== progress) watched.set(streamId, { progress, since: clock() })
      else if (clock() - known.since >= dependencies.delay) due.push({ streamId, recover })
    }
    for (const { id, progress } of await dependencies.unsettledOrders()) {
      watch(`order-${id}`, progress, (context) => dependencies.orders.recover(context, id))
    }
    for (const { id, progress } of await dependencies.outstandingCheckouts()) {
      watch(`cart-${id}`, progress, (context) => dependencies.cart.recoverCheckout(context, id))
    }
    for (const streamId of watched.keys()) if (!seen.has(streamId)) watched.delete(streamId)
    const next = due[Symbol.iterator]()
    const recoverDue = async (): Promise<void> => {
      for (const { streamId, recover } of next) {
        if (signal.aborted) return
        try {
          await recover({ actor: 'system', correlationId: randomUUID(), deadline: performance.now() + dependencies.deadline })
        } catch (error) {
          // One that can't be finished must not keep the others waiting; it is taken up again after the same delay.
          watched.delete(streamId)
          dependencies.onError(error, streamId)
        }
      }
    }
    await Promise.all(Array.from({ length: atOnce }, recoverDue))
  }

  /** Looks again and again, until the signal aborts. */
  const run = async (signal: AbortSignal): Promise<void> => {
    while (!signal.aborted) {
      await look(signal).catch((error) => dependencies.onError(error, 'read models'))
      await sleep(Math.min(1_000, dependencies.delay / 4), signal)
    }
  }

  return { look, run }
}

/** More than a crash of a busy shop leaves behind; those beyond wait for the next look. */
const mostAtOnce = 10_000

export type RecoveryOptions = Pick<RecoveryDependencies, 'orders' | 'cart' | 'delay' | 'deadline'> & {
  readonly database: Pick<Database, 'pool'>
  readonly queries: Pick<Queries, 'unsettledOrders' | 'outstandingCheckouts'>
  /** Who this is, for people to read. */
  readonly holder: string
  /** Milliseconds after which another takes over. */
  readonly leaseTtl: number
  readonly log: Pick<Logger, 'debug' | 'warn'>
  readonly signal: AbortSignal
}

/** Recovers while it holds the lease; else stands by. Resolves when the signal aborts. */
export const runOrderRecovery = async ({ database, queries, holder, leaseTtl, log, signal, ...rest }: RecoveryOptions) => {
  const { orders, cart, delay, deadline } = rest
  const recovery = createOrderRecovery({
    orders,
    cart,
    delay,
    deadline,
    unsettledOrders: async () =>
      (await queries.unsettledOrders(mostAtOnce)).value.map(({ orderId, revision }) => ({ id: orderId, progress: revision })),
    // A cart may be filled on while its checkout stands still.
    outstandingCheckouts: async () =>
      (await queries.outstandingCheckouts(mostAtOnce)).value.map(({ userId, orderId }) => ({ id: userId, progress: orderId })),
    // Until the read models are there, it is nothing to worry about that they can't be read.
    onError: (error, what) =>
      log[error instanceof NotReady ? 'debug' : 'warn']({ err: error, what }, `${what}: recovery failed, and is tried again`),
  })
  await keepLease({
    database,
    name: 'processes',
    holder,
    ttl: leaseTtl,
    signal,
    onError: (error) => log.warn({ err: error }, 'the lease of the processes could not be asked for'),
    onAcquired: (lease) => recovery.run(lease.signal),
  })
}
