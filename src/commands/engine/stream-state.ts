import type { Decider, DomainEvent } from '../../domain/decider.js'
import { noStream, type RecordedEvent } from '../../eventstore/store.js'
import { inTodaysShape } from '../../eventstore/upcast.js'
import type { CommandKey } from './context.js'
import { type AcceptedKeys, noKeys, withKey } from './idempotency/accepted-keys.js'

/** A decider of whatever commands: they play no part in loading and appending. */
export type AnyDecider<State, Event extends DomainEvent> = Decider<State, never, Event>

/** A stream folded up to a revision. */
export type StreamState<State> = {
  readonly state: State
  /** −1: no events. */
  readonly revision: number
  /** The commit position of its last event. */
  readonly position: bigint
  /** The time of its last event; empty where there is none. */
  readonly at: string
  /** The commands that were accepted under an idempotency key, oldest first. */
  readonly keys: AcceptedKeys
  /** The key of the newest event that only asks: whose request it is. */
  readonly openRequestKey: CommandKey | undefined
  /** The revision at which the state was last carried forward. */
  readonly carriedForwardAt: number
}

/** What an event that carries the state forward holds: part k of n (from 1), and the piece of JSON text that it carries. */
export type CarriedPart = { readonly part: number; readonly parts: number; readonly carried: string; readonly at: string }

/** The state of a stream without events. */
export const emptyStream = <State>(initial: State): StreamState<State> => ({
  state: initial,
  revision: noStream,
  position: 0n,
  at: '',
  keys: noKeys,
  openRequestKey: undefined,
  carriedForwardAt: noStream,
})

export const nameOf = (decider: { readonly category: string }, id: string): string => `${decider.category}-${id}`

export type Foldable = Pick<RecordedEvent, 'type' | 'data' | 'metadata' | 'revision' | 'position'>

/** One event further. Throws `NewerEvent`. */
export const fold = <State, Event extends DomainEvent>(
  decider: AnyDecider<State, Event>,
  before: StreamState<State>,
  recorded: Foldable,
): StreamState<State> => {
  const event = inTodaysShape<Event>(recorded)
  const { commandId, requestHash } = recorded.metadata
  const key = commandId !== undefined && requestHash !== undefined ? { commandId, requestHash } : undefined
  const said = decider.says[event.type as Event['type']]
  return {
    state: decider.evolve(before.state, event, recorded.revision),
    revision: recorded.revision,
    position: recorded.position,
    at: event.data.at,
    keys: key && said === 'accepted' ? withKey(before.keys, key, recorded.revision, event.data.at) : before.keys,
    openRequestKey: said === 'asked' ? key : before.openRequestKey,
    carriedForwardAt: endsCarryForward(decider, event) ? recorded.revision : before.carriedForwardAt,
  }
}

/** Whoever wrote it: what it carries need not be carried again by everybody. */
const endsCarryForward = <State, Event extends DomainEvent>(
  decider: AnyDecider<State, Event>,
  { type, data }: Event,
): boolean => {
  if (type !== decider.carryForward?.type) return false
  const { part, parts } = data as unknown as CarriedPart
  return part === parts
}
