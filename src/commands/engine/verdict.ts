import { Rejected } from '../../domain/decider.js'
import { type CommandContext, KeyReused, PreconditionFailed, Unfinished } from './context.js'
import { findKey } from './idempotency/accepted-keys.js'
import type { StreamState } from './stream-state.js'

/** What becomes of a command on a state of its stream. */
export type Verdict<Event> =
  | { readonly do: 'append'; readonly events: readonly Event[] }
  /** It was accepted before, under the same key, at this revision. */
  | { readonly do: 'repeat'; readonly revision: number }
  | { readonly do: 'nothing' }
  | { readonly do: 'refuse'; readonly why: Error }

/** Asks `decide`, unless the command is a repeat or its precondition fails. */
export const judge = <Event>(
  stream: StreamState<unknown>,
  decide: () => readonly Event[],
  context: CommandContext,
): Verdict<Event> =>
  verdictOf(() => {
    const revision = repeatOf(stream, context)
    if (revision !== undefined) return { do: 'repeat', revision }
    assertRevision(stream, context)
    const events = decide()
    return events.length > 0 ? { do: 'append', events } : { do: 'nothing' }
  })

/** A verdict, whatever `work` throws that refuses the command. */
export const verdictOf = <Event>(work: () => Verdict<Event>): Verdict<Event> => {
  try {
    return work()
  } catch (error) {
    if (isRefusal(error)) return { do: 'refuse', why: error }
    throw error
  }
}

const isRefusal = (error: unknown): error is Error =>
  error instanceof Rejected || error instanceof KeyReused || error instanceof PreconditionFailed || error instanceof Unfinished

/** The revision at which this very command was accepted before, if it was. Throws `KeyReused` for another request. */
export const repeatOf = (stream: StreamState<unknown>, { key, unchangedAt }: CommandContext): number | undefined => {
  const known = key && findKey(stream.keys, key.commandId)
  if (!known) return unchangedAt
  if (known.requestHash !== key.requestHash) throw new KeyReused('the Idempotency-Key was used for another request')
  return known.revision
}

/** Throws `PreconditionFailed` where the stream has moved on from the revision that the command asks for. */
export const assertRevision = (stream: StreamState<unknown>, { ifMatch }: CommandContext): void => {
  if (ifMatch && !ifMatch.includes(stream.revision)) {
    throw new PreconditionFailed(`the revision is ${stream.revision}, not ${ifMatch.join(' or ')}`)
  }
}
