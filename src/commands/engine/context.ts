import type { UserId } from '../../domain/ids.js'
import { WrongRevision } from '../../eventstore/store.js'
import { pauseAfter, sleep } from '../../platform/async.js'
import { Unavailable } from '../../platform/errors.js'

/** Who did it: a user, somebody who has not logged in, an operator at the command line, or the shop by itself. */
export type Actor = UserId | 'anonymous' | `operator ${string}` | 'system'

/** What comes along with a command: who asks, under which key, and until when it is worth trying. */
export type CommandContext = {
  readonly actor: Actor
  readonly correlationId: string
  readonly causationId?: string
  readonly traceparent?: string
  /** From an Idempotency-Key; see `idempotency/command-key.ts`. */
  readonly key?: CommandKey
  /** The revision at which this very command, under this key, changed nothing; see `idempotency/key-registry.ts`. */
  readonly unchangedAt?: number
  /** The revisions of which the stream must still have one. */
  readonly ifMatch?: readonly number[]
  /** The moment of `performance.now()`, in milliseconds, at which the command gives up with `Unfinished`. */
  readonly deadline: number
  /** Told of every commit position that is written or read on the way, so that a refusal too can say what it rests on. */
  readonly onPosition?: (position: bigint) => void
}

export type CommandKey = { readonly commandId: string; readonly requestHash: string }

/** An accepted command: `position` is the highest commit position that the answer rests on, written or read. */
export type Done<Value> = { readonly value: Value; readonly revision: number; readonly position: bigint }

/** The idempotency key was used for another request. */
export class KeyReused extends Error {
  override readonly name = 'KeyReused'
}

/** The stream is not at the revision that `ifMatch` asks for. */
export class PreconditionFailed extends Error {
  override readonly name = 'PreconditionFailed'
}

/** Given up at the deadline, or because another has decided: what was asked may or may not come to be; ask again later. */
export class Unfinished extends Unavailable {
  override readonly name = 'Unfinished'
  override readonly outside =
    'it could not be finished in time and may or may not have happened; send it again with the same Idempotency-Key'
}

export const assertInTime = (context: CommandContext): void => {
  if (performance.now() >= context.deadline) throw new Unfinished('the deadline has passed')
}

/** Milliseconds: another writer is soon done, and a command has no time to lose. */
const betweenAttempts = { first: 7, most: 140 }

/** Waits a little, longer with each attempt and never the same for two, but not beyond the deadline. Throws `Unfinished` there. */
export const backOff = async (attempt: number, context: CommandContext): Promise<void> => {
  assertInTime(context)
  await sleep(Math.min(pauseAfter(attempt, betweenAttempts), context.deadline - performance.now()))
  assertInTime(context)
}

/** Milliseconds that one call of the store may take: a lost answer is asked for again well before the deadline. */
export const remaining = ({ deadline }: CommandContext): number => Math.max(1, Math.min(2_000, deadline - performance.now()))

/** Waits, and says why the store was waited for where the deadline passes. Throws `Unfinished`. */
export const orUnfinished = async (waiting: Promise<void>, cause: Error): Promise<void> => {
  try {
    await waiting
  } catch (error) {
    throw error instanceof Unfinished ? new Unfinished(cause.message, { cause }) : error
  }
}

/**
 * Does the work until it has a result: again after a pause where it met another writer (`WrongRevision`), or where it says
 * `undefined`: not yet. Throws `Unfinished` at the deadline.
 */
export const retrying = async <Result>(
  context: CommandContext,
  work: (attempt: number) => Promise<Result | undefined>,
): Promise<Result> => {
  for (let attempt = 0; ; attempt++) {
    try {
      const result = await work(attempt)
      if (result !== undefined) return result
    } catch (error) {
      if (!(error instanceof WrongRevision)) throw error
    }
    await backOff(attempt, context)
  }
}
