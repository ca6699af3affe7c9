import type { DomainEvent, Json } from '../../domain/decider.js'
import type { RecordedEvent } from '../../eventstore/store.js'
import { type AcceptedKey, keysFrom, keysOf } from './idempotency/accepted-keys.js'
import { type AnyDecider, type CarriedPart, emptyStream, type StreamState } from './stream-state.js'

type Carried = { readonly state: Json; readonly keys: readonly (readonly [string, AcceptedKey])[] }

/** Characters of JSON text a part: below 500 kB as UTF-8 inside an event's JSON, whatever needs escaping. */
const partSize = 160_000

/** The events, in order, that carry the state and the accepted keys forward; none where the category doesn't. */
export const carriedParts = <State, Event extends DomainEvent>(
  { carryForward }: AnyDecider<State, Event>,
  { state, keys, at }: StreamState<State>,
): { readonly type: string; readonly data: CarriedPart }[] => {
  if (!carryForward) return []
  const carried: Carried = { state: carryForward.write(state), keys: keysOf(keys) }
  const text = JSON.stringify(carried)
  const parts = Math.ceil(text.length / partSize)
  return Array.from({ length: parts }, (_, i) => ({
    type: carryForward.type,
    data: { part: i + 1, parts, carried: text.slice(i * partSize, (i + 1) * partSize), at },
  }))
}

/**
 * The newest complete set of carried parts in events that come newest first: the state that it carries, and how many events are
 * newer. A set is complete when all of its parts stand one behind the other; any other is ignored.
 */
export const newestCarried = <State, Event extends DomainEvent>(
  { carryForward }: AnyDecider<State, Event>,
  newestFirst: readonly RecordedEvent[],
): { readonly carried: StreamState<State>; readonly newer: number } | undefined => {
  if (!carryForward) return undefined
  const { type } = carryForward
  for (const [newer, event] of newestFirst.entries()) {
    if (event.type !== type) continue
    const { part, parts, at } = event.data as CarriedPart
    const set = newestFirst.slice(newer, newer + parts)
    const complete = part === parts && set.length === parts && set.every((other, i) => isPart(other, type, parts - i, parts))
    if (!complete) continue
    const text = set
      .map(({ data }) => (data as CarriedPart).carried)
      .reverse()
      .join('')
    const { state, keys } = JSON.parse(text) as Carried
    const { revision, position } = event
    const carried = { ...emptyStream(carryForward.read(state)), revision, position, at, keys: keysFrom(keys) }
    return { newer, carried: { ...carried, carriedForwardAt: revision } }
  }
  return undefined
}

const isPart = (event: RecordedEvent, type: string, part: number, parts: number): boolean => {
  const data = event.data as CarriedPart
  return event.type === type && data.part === part && data.parts === parts
}
