import type { AnyDecider } from '../../../src/commands/engine/stream-state.js'
import type { DomainEvent } from '../../../src/domain/decider.js'
import { type NewEvent, type ReadOptions, type RecordedEvent, WrongRevision } from '../../../src/eventstore/store.js'

/** What a store promises, without any of its delays: appends happen one after the other, each whole or not at all. */
export type Log = {
  readonly events: readonly RecordedEvent[]
  readonly read: (name: string, options?: ReadOptions) => readonly RecordedEvent[]
  /** The same events again at the same revision are answered as the first time. Throws `WrongRevision`. */
  readonly append: (name: string, events: readonly NewEvent[], at: number) => { revision: number; position: bigint }
  /** The ids of a category's streams. */
  readonly idsOf: (decider: { readonly category: string }) => readonly string[]
  readonly stateOf: <State, Event extends DomainEvent>(decider: AnyDecider<State, Event>, id: string) => State
  readonly historyOf: <State, Event extends DomainEvent>(
    decider: AnyDecider<State, Event>,
    id: string,
  ) => readonly Written<Event>[]
}

export type Written<Event> = Pick<RecordedEvent, 'revision' | 'position' | 'metadata'> & { readonly event: Event }

export const createLog = (appended: () => void): Log => {
  const streams = new Map<string, RecordedEvent[]>()
  const events: RecordedEvent[] = []

  const read: Log['read'] = (name, { direction, from, maxCount } = {}) => {
    const stream = streams.get(name) ?? []
    const asked = direction === 'backwards' ? stream.slice(0, (from ?? stream.length) + 1).reverse() : stream.slice(from ?? 0)
    return asked.slice(0, maxCount ?? asked.length)
  }

  const append: Log['append'] = (name, fresh, at) => {
    const stream = streams.get(name) ?? []
    const there = stream.slice(at + 1, at + 1 + fresh.length)
    if (there.length === fresh.length && there.every(({ id }, i) => id === fresh[i]!.id))
      return { revision: at + fresh.length, position: there.at(-1)!.position }
    if (at !== stream.length - 1) throw new WrongRevision(name)
    for (const event of fresh) {
      const position = BigInt(events.length + 1)
      // As JSON, as a store would keep it: nothing is shared with whoever wrote it.
      const written = JSON.parse(JSON.stringify(event)) as NewEvent
      const place = { streamId: name, revision: stream.length, position, preparePosition: position, created: new Date(0) }
      stream.push({ ...written, ...place })
      events.push(stream.at(-1)!)
    }
    streams.set(name, stream)
    appended()
    return { revision: stream.length - 1, position: stream.at(-1)!.position }
  }

  const historyOf: Log['historyOf'] = <State, Event extends DomainEvent>({ category }: AnyDecider<State, Event>, id: string) =>
    read(`${category}-${id}`).map(({ type, data, ...place }) => ({ ...place, event: { type, data } as Event }))

  return {
    events,
    read,
    append,
    historyOf,
    idsOf: ({ category }) =>
      [...streams.keys()].filter((name) => name.startsWith(`${category}-`)).map((name) => name.slice(category.length + 1)),
    stateOf: (decider, id) =>
      historyOf(decider, id).reduce((state, { event, revision }) => decider.evolve(state, event, revision), decider.initial),
  }
}
