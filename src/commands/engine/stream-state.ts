import type { Decider, DomainEvent } from '../../domain/decider.js'
import { noStream, type RecordedEvent } from '../../eventstore/store.js'
import { upcast } from '../../eventstore/upcast.js'
import type { CommandKey } from './context.js'
import { noKeys, type RememberedKeys, withKey } from './idempotency/accepted-keys.js'

/** A decider of whatever commands: they play no part in loading and appending. */
export type AnyDecider<State, Event extends DomainEvent> = Decider<State, never, Event>

/** A stream folded up to a revision. */
export type Loaded<State> = {
  readonly state: State
  /** −1: no events. */
  readonly revision: number
  /** The commit position of its last event. */
  readonly position: bigint
  /** The time of its last event; empty where there is none. */
  readonly at: string
  /** The commands that were accepted under an idempotency key, oldest first. */
  readonly keys: RememberedKeys
  /** The key of the newest event that only asks: whose request it is. */
  readonly opened: CommandKey | undefined
  /** The revision at which the books were last closed. */
  readonly booksClosed: number
}

/** What an event that closes the books holds: part k of n (from 1), and the piece of JSON text that it carries. */
export type CarriedPart = { readonly part: number; readonly parts: number; readonly carried: string; readonly at: string }

export const nothing = <State>(initial: State): Loaded<State> => ({
  state: initial,
  revision: noStream,
  position: 0n,
  at: '',
  keys: noKeys,
  opened: undefined,
  booksClosed: noStream,
})

type Foldable = Pick<RecordedEvent, 'type' | 'data' | 'metadata' | 'revision' | 'position'>

/** One event further. */
export const fold = <State, Event extends DomainEvent>(
  decider: AnyDecider<State, Event>,
  loaded: Loaded<State>,
  recorded: Foldable,
): Loaded<State> => {
  const event = { type: recorded.type, data: upcast(recorded.type, recorded.data, recorded.metadata.schema) } as Event
  const { commandId, requestHash } = recorded.metadata
  const key = commandId !== undefined && requestHash !== undefined ? { commandId, requestHash } : undefined
  const accepts = key && decider.says[event.type as Event['type']] === 'accepted'
  return {
    state: decider.evolve(loaded.state, event, recorded.revision),
    revision: recorded.revision,
    position: recorded.position,
    at: event.data.at,
    keys: accepts ? withKey(loaded.keys, key, recorded.revision, event.data.at) : loaded.keys,
    opened: decider.says[event.type as Event['type']] === 'asked' ? key : loaded.opened,
    booksClosed: closesBooks(decider, event) ? recorded.revision : loaded.booksClosed,
  }
}

/** Whoever wrote them: what they carry need not be carried again by everybody. */
const closesBooks = <State, Event extends DomainEvent>(decider: AnyDecider<State, Event>, { type, data }: Event): boolean => {
  if (type !== decider.carryForward?.type) return false
  const { part, parts } = data as unknown as CarriedPart
  return part === parts
}
