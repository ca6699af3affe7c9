import { randomUUID } from 'node:crypto'
import type { CartCommands } from '../commands/cart.js'
import type { CommandContext } from '../commands/engine/context.js'
import type { OrderCommands } from '../commands/order.js'
import type { AnyId, OrderId, UserId } from '../domain/ids.js'
import { sleep } from '../platform/async.js'

/** Something that a command may have left half done; `mark` changes when it moves on. */
export type Unsettled<StreamId extends AnyId> = { readonly id: StreamId; readonly mark: string | number }

/** After a crash of a busy shop there are many, and each is mostly a matter of waiting for the store. */
const atOnce = 8

export type RecoveryDependencies = {
  readonly orders: Pick<OrderCommands, 'recover'>
  readonly cart: Pick<CartCommands, 'recoverCheckout'>
  readonly unsettledOrders: () => Promise<readonly Unsettled<OrderId>[]>
  readonly outstandingCheckouts: () => Promise<readonly Unsettled<UserId>[]>
  /** How long the same mark is watched before it is taken up, in milliseconds: longer than a command's deadline. */
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
  const watched = new Map<string, { mark: string | number; since: number }>()

  /** Looks once, and takes up what has stood still for long enough. */
  const look = async (signal: AbortSignal): Promise<void> => {
    const due: { streamId: string; recover: (context: CommandContext) => Promise<unknown> }[] = []
    const seen = new Set<string>()
    const watch = (streamId: string, mark: string | number, recover: (context: CommandContext) => Promise<unknown>) => {
      seen.add(streamId)
      const known = watched.get(streamId)
      if (known?.mark !== mark) watched.set(streamId, { mark, since: performance.now() })
      else if (performance.now() - known.since >= dependencies.delay) due.push({ streamId, recover })
    }
    for (const { id, mark } of await dependencies.unsettledOrders()) {
      watch(`order-${id}`, mark, (context) => dependencies.orders.recover(context, id))
    }
    for (const { id, mark } of await dependencies.outstandingCheckouts()) {
      watch(`cart-${id}`, mark, (context) => dependencies.cart.recoverCheckout(context, id))
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
