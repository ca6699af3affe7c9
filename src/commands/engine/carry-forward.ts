import type { DomainEvent, Json } from '../../domain/decider.js'
import type { RecordedEvent } from '../../eventstore/store.js'
import { keysFrom, keysOf, type RememberedKey } from './idempotency/accepted-keys.js'
import { type AnyDecider, type CarriedPart, type Loaded, nothing } from './stream-state.js'

type Carried = { readonly state: Json; readonly keys: readonly (readonly [string, RememberedKey])[] }

/** Characters of JSON text a part: below 500 kB as UTF-8 inside an event's JSON, whatever needs escaping. */
const partSize = 160_000

/** The events, in order, that carry the state and the remembered keys forward. */
export const booksOf = <State, Event extends DomainEvent>(
  decider: AnyDecider<State, Event>,
  loaded: Loaded<State>,
): { readonly type: string; readonly data: CarriedPart }[] => {
  const carried: Carried = { state: decider.carryForward!.write(loaded.state), keys: keysOf(loaded.keys) }
  const text = JSON.stringify(carried)
  const parts = Math.ceil(text.length / partSize)
  return Array.from({ length: parts }, (_, i) => ({
    type: decider.carryForward!.type,
    data: { part: i + 1, parts, carried: text.slice(i * partSize, (i + 1) * partSize), at: loaded.at },
  }))
}

/**
 * The newest complete set of carried parts in events that come newest first: the state that it carries, and how many events are
 * newer. A set is complete when all of its parts stand one behind the other; any other is ignored.
 */
export const carriedBy = <State, Event extends DomainEvent>(
  decider: AnyDecider<State, Event>,
  newestFirst: readonly RecordedEvent[],
): { readonly loaded: Loaded<State>; readonly newer: number } | undefined => {
  const { carryForward: books } = decider
  if (!books) return undefined
  for (const [newer, event] of newestFirst.entries()) {
    if (event.type !== books.type) continue
    const { part, parts } = event.data as CarriedPart
    const set = newestFirst.slice(newer, newer + parts)
    const complete =
      part === parts && set.length === parts && set.every((other, i) => isPart(other, books.type, parts - i, parts))
    if (!complete) continue
    const text = set
      .map(({ data }) => (data as CarriedPart).carried)
      .reverse()
      .join('')
    const { state, keys } = JSON.parse(text) as Carried
    return {
      newer,
      loaded: {
        ...nothing(books.read(state)),
        revision: event.revision,
        position: event.position,
        at: (event.data as CarriedPart).at,
        keys: keysFrom(keys),
        booksClosed: event.revision,
      },
    }
  }
  return undefined
}

const isPart = (event: RecordedEvent, type: string, part: number, parts: number): boolean => {
  const data = event.data as CarriedPart
  return event.type === type && data.part === part && data.parts === parts
}
