import type { DomainEvent } from '../../domain/decider.js'
import type { Id } from '../../domain/ids.js'
import { noStream } from '../../eventstore/store.js'
import { type CommandContext, retrying } from './context.js'
import { idOfKey, newId } from './idempotency/command-key.js'
import { type AnyDecider, emptyStream, type StreamState } from './stream-state.js'
import type { Clock, Streams } from './streams.js'
import { repeatOf } from './verdict.js'

/** How something new is made under an id that nobody chose. */
export type Creation<State, Result> = {
  /** `undefined`: not yet, try again. Throws `WrongRevision` where another was faster. */
  readonly create: (id: Id, before: StreamState<State>) => Promise<Result | undefined>
  /** The same command made it before: the stream as it is now, and the revision at which it was accepted. */
  readonly repeat: (id: Id, now: StreamState<State>, accepted: number) => Promise<Result>
  /** Whether a stream that isn't empty is this command's own all the same, and no stranger's. */
  readonly isOwn?: (before: StreamState<State>) => boolean
}

/**
 * Makes something under a new id; under an idempotency key, under the first id of the key's that no stranger has, so that its repeat
 * meets its own stream. Throws what `create` and `repeat` throw, `KeyReused`, and `Unfinished` at the deadline.
 */
export const createUnderKey = <State, Event extends DomainEvent, Result>(
  { streams, clock }: { readonly streams: Streams; readonly clock: Clock },
  decider: AnyDecider<State, Event>,
  context: CommandContext,
  { create, repeat, isOwn = () => false }: Creation<State, Result>,
): Promise<Result> => {
  const { key } = context
  let salt = 0
  return retrying(context, async () => {
    if (!key) return create(newId(clock()), emptyStream(decider.initial))
    for (; ; salt++) {
      const id = idOfKey(key, salt)
      const before = await streams.load(decider, id, context)
      const accepted = repeatOf(before, context)
      if (accepted !== undefined) return repeat(id, before, accepted)
      if (before.revision === noStream || isOwn(before)) return create(id, before)
    }
  })
}
