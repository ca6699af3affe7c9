import { randomUUID } from 'node:crypto'
import type { CartCommands } from '../commands/cart.js'
import type { CommandContext } from '../commands/context.js'
import type { OrderCommands } from '../commands/orders.js'
import type { Id, OrderId, UserId } from '../domain/ids.js'
import { sleep } from '../eventstore/backoff.js'

/** Something that a command may have left half done: a stream and the revision that the read model has of it. */
export type Unsettled<StreamId extends Id> = { readonly id: StreamId; readonly revision: number }

export type RecoveryDependencies = {
  readonly orders: Pick<OrderCommands, 'recover'>
  readonly cart: Pick<CartCommands, 'recoverCheckout'>
  readonly unsettledOrders: () => Promise<readonly Unsettled<OrderId>[]>
  readonly outstandingCheckouts: () => Promise<readonly Unsettled<UserId>[]>
  /** How long the same revision is watched before it is taken up, in milliseconds: longer than a command's deadline. */
  readonly delay: number
  /** How long one recovery may take, in milliseconds. */
  readonly deadline: number
  /** Told of every recovery, and every look at the read models, that failed; each is tried again. */
  readonly onError: (error: unknown, what: string) => void
}

/**
 * Makes good what a crash, a lost answer or a deadline left half done. When it starts decides nothing about what is right, so the
 * read models may be late, several may run at once, and the time is only this process's own monotonic clock.
 */
export const createOrderRecovery = (dependencies: RecoveryDependencies) => {
  const watched = new Map<string, { revision: number; since: number }>()

  /** Looks once, and takes up what has stood still for long enough. */
  const look = async (signal: AbortSignal): Promise<void> => {
    const due: { streamId: string; recover: (context: CommandContext) => Promise<unknown> }[] = []
    const seen = new Set<string>()
    const watch = (streamId: string, revision: number, recover: (context: CommandContext) => Promise<unknown>) => {
      seen.add(streamId)
      const known = watched.get(streamId)
      if (known?.revision !== revision) watched.set(streamId, { revision, since: performance.now() })
      else if (performance.now() - known.since >= dependencies.delay) due.push({ streamId, recover })
    }
    for (const { id, revision } of await dependencies.unsettledOrders()) {
      watch(`order-${id}`, revision, (context) => dependencies.orders.recover(context, id))
    }
    for (const { id, revision } of await dependencies.outstandingCheckouts()) {
      watch(`cart-${id}`, revision, (context) => dependencies.cart.recoverCheckout(context, id))
    }
    for (const streamId of watched.keys()) if (!seen.has(streamId)) watched.delete(streamId)
    for (const { streamId, recover } of due) {
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

  /** Looks again and again, until the signal aborts. */
  const run = async (signal: AbortSignal): Promise<void> => {
    while (!signal.aborted) {
      await look(signal).catch((error) => dependencies.onError(error, 'read models'))
      await sleep(Math.min(1_000, dependencies.delay / 4), signal)
    }
  }

  return { look, run }
}
