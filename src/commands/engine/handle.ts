import { type DomainEvent, Rejected } from '../../domain/decider.js'
import { WrongRevision } from '../../eventstore/store.js'
import { assertInTime, backOff, type CommandContext, KeyReused, PreconditionFailed } from './context.js'
import { rememberedAs } from './idempotency/accepted-keys.js'
import type { AnyDecider, Loaded } from './stream-state.js'
import type { Streams } from './streams.js'

/** Milliseconds since 1970. */
export type Clock = () => number

/** What became of a command on one stream; `repeated`: its key was known, and this is how the stream stood then. */
export type Handled<State> = Loaded<State> & { readonly repeated: boolean }

/** Asks a stream: load, decide, append at the revision read, and again on a conflict, until the deadline. */
export type Handle = <State, Event extends DomainEvent>(
  decider: AnyDecider<State, Event>,
  id: string,
  decide: (state: State, at: string) => readonly Event[],
  context: CommandContext,
) => Promise<Handled<State>>

/** The time of a next event: the clock's, or the preceding event's where that is later. */
export const timeAfter = (loaded: Loaded<unknown>, clock: Clock): string => {
  const now = new Date(clock()).toISOString()
  if (loaded.at > now) return loaded.at
  return now
}

/**
 * The one way in which a command changes a single stream. A cached state may only decide an append, because only an append is
 * checked against the store: a refusal, a no-op, a repeated key and a failed precondition are decided again on what the store has.
 * Throws `Rejected`, `KeyReused`, `PreconditionFailed`, `Unfinished`.
 */
export const createHandle =
  (streams: Streams, clock: Clock): Handle =>
  (decider, id, decide, context) =>
    streams.inTurn(decider, id, async () => {
      const cached = streams.cached(decider, id)
      let loaded = cached ?? (await streams.load(decider, id, context))
      let fresh = !cached
      for (let attempt = 0; ; attempt++) {
        assertInTime(context)
        const verdict = judge(loaded, () => decide(loaded.state, timeAfter(loaded, clock)), context)
        if (verdict.do === 'append') {
          try {
            const next = await streams.append(decider, id, loaded, verdict.events, context, context.key)
            return { ...next, repeated: false }
          } catch (error) {
            if (!(error instanceof WrongRevision)) throw error
            await backOff(attempt, context)
          }
        } else if (fresh) {
          if (verdict.do === 'refuse') throw verdict.why
          if (verdict.do === 'nothing') return { ...loaded, repeated: false }
          return { ...(await streams.loadAsOf(decider, id, verdict.revision, context)), repeated: true }
        }
        loaded = await streams.load(decider, id, context)
        fresh = true
      }
    })

type Verdict<Event> =
  | { do: 'append'; events: readonly Event[] }
  | { do: 'repeat'; revision: number }
  | { do: 'nothing' }
  | { do: 'refuse'; why: Error }

const judge = <Event>(loaded: Loaded<unknown>, decide: () => readonly Event[], context: CommandContext): Verdict<Event> => {
  try {
    const revision = repeatOf(loaded, context)
    if (revision !== undefined) return { do: 'repeat', revision }
    assertRevision(loaded, context)
    const events = decide()
    return events.length > 0 ? { do: 'append', events } : { do: 'nothing' }
  } catch (error) {
    if (error instanceof Rejected || error instanceof KeyReused || error instanceof PreconditionFailed)
      return { do: 'refuse', why: error }
    throw error
  }
}

/** The revision at which this very command was accepted before, if it was. Throws `KeyReused` for another request. */
export const repeatOf = (loaded: Loaded<unknown>, { key, unchangedAt }: CommandContext): number | undefined => {
  const known = key && rememberedAs(loaded.keys, key.commandId)
  if (!known) return unchangedAt
  if (known.requestHash !== key.requestHash) throw new KeyReused('the Idempotency-Key was used for another request')
  return known.revision
}

/** Throws `PreconditionFailed` where the stream has moved on from the revision that the command asks for. */
export const assertRevision = (loaded: Loaded<unknown>, { ifMatch }: CommandContext): void => {
  if (ifMatch && !ifMatch.includes(loaded.revision)) {
    throw new PreconditionFailed(`the revision is ${loaded.revision}, not ${ifMatch.join(' or ')}`)
  }
}
