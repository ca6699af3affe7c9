import { LRUCache } from 'lru-cache'
import type { DomainEvent } from '../../domain/decider.js'
import type { RecordedEvent } from '../../eventstore/store.js'
import { type AnyDecider, type Foldable, fold, type StreamState } from './stream-state.js'

/**
 * The streams that a process has folded last. Reads and appends put states in; the feed of the whole shop's events folds what others
 * wrote into those that are here, so that while it is alive a state is as old as the feed is late, and no older.
 */
export type StreamCache = {
  /** As this process last knew it. */
  readonly get: <State, Event extends DomainEvent>(
    decider: AnyDecider<State, Event>,
    name: string,
  ) => StreamState<State> | undefined
  /**
   * A read or an append of the stream is on its way. What the feed tells before it is back would be older than what it brings, or newer:
   * it is kept, and folded on top.
   */
  readonly expect: (name: string) => Arrival
  /** The events after one revision and up to another at least, folded here one by one; `undefined` where not all of them were. */
  readonly between: (name: string, after: number, upTo: number) => readonly Foldable[] | undefined
  /** An append at the cached revision was a conflict: either there is something newer, or the store was put back to an older state. */
  readonly doubt: (name: string) => void
  readonly isDoubted: (name: string) => boolean
  /** Forgets a stream. */
  readonly forget: (name: string) => void
  /** Takes events of the whole shop, in order; a map look-up each for those that are of no cached stream. */
  readonly onEvents: (events: readonly RecordedEvent[]) => void
}

export type Arrival = {
  /** The state after these events, which follow on `from`; remembered unless what is known is newer. */
  readonly fold: <State, Event extends DomainEvent>(
    decider: AnyDecider<State, Event>,
    from: StreamState<State>,
    events: readonly Foldable[],
  ) => StreamState<State>
  /** To be called once, whatever became of it. */
  readonly end: () => void
}

type Entry = {
  readonly decider: AnyDecider<unknown, DomainEvent>
  state: StreamState<unknown>
  /** The events folded here one by one, the last of them that of `state`; only of long streams, which are the ones that run hot. */
  readonly trail: Foldable[]
  /** The revision at which an append was a conflict. */
  doubtedAt?: number
}

/** What the feed told of a stream while so many reads and appends of it were on their way. */
type Expected = { arrivals: number; readonly told: RecordedEvent[] }

/** Events whose folding is remembered: as many as queue up on a hot stream, several times over. */
const trailKept = 1_024
/** More than that told during one read: the stream is forgotten, and read again by whoever needs it. */
const toldKept = 1_024

/** `size`: streams kept. */
export const createStreamCache = (size: number): StreamCache => {
  const entries = new LRUCache<string, Entry>({ max: Math.max(1, size) })
  const expected = new Map<string, Expected>()

  const onEvent = (event: RecordedEvent): void => {
    const { streamId } = event
    const awaited = expected.get(streamId)
    if (awaited && awaited.told.length <= toldKept) awaited.told.push(event)
    const entry = entries.peek(streamId)
    if (entry && !isAdvanced(entry, event)) entries.delete(streamId)
  }

  const expect = (name: string): Arrival => {
    const awaited = expected.get(name) ?? { arrivals: 0, told: [] }
    awaited.arrivals++
    expected.set(name, awaited)
    return {
      fold: (decider, from, events) => {
        const state = events.reduce((before, event) => fold(decider, before, event), from)
        const known = entries.peek(name)
        if (known && known.state.revision >= state.revision) return state
        const entry = known && known.state.revision >= from.revision ? known : entryAt(decider, from)
        for (const event of events) follow(entry, event)
        entry.state = state
        const isComplete = awaited.told.length <= toldKept && awaited.told.every((event) => isAdvanced(entry, event))
        if (isComplete) entries.set(name, entry)
        else entries.delete(name)
        return state
      },
      end: () => {
        if (--awaited.arrivals === 0) expected.delete(name)
      },
    }
  }

  return {
    // A name is of one category, and so of one decider's state: here and below.
    get: <State>(_: unknown, name: string) => entries.get(name)?.state as StreamState<State> | undefined,
    expect,
    between: (name, after, upTo) => {
      const entry = entries.peek(name)
      if (!entry || entry.state.revision < upTo) return undefined
      const count = Math.max(0, entry.state.revision - after)
      return count <= entry.trail.length ? entry.trail.slice(entry.trail.length - count) : undefined
    },
    doubt: (name) => {
      const entry = entries.peek(name)
      if (entry) entry.doubtedAt = entry.state.revision
    },
    isDoubted: (name) => {
      const entry = entries.peek(name)
      return entry !== undefined && entry.doubtedAt === entry.state.revision
    },
    forget: (name) => void entries.delete(name),
    onEvents: (events) => {
      for (const event of events) onEvent(event)
    },
  }
}

const entryAt = <State, Event extends DomainEvent>(decider: AnyDecider<State, Event>, state: StreamState<State>): Entry => ({
  decider: decider as unknown as Entry['decider'],
  state,
  trail: [],
})

/** Folds the event where it is the next one. `false` where there is a gap, or no fold can take it: the entry is worth nothing then. */
const isAdvanced = (entry: Entry, event: Foldable): boolean => {
  if (event.revision <= entry.state.revision) return true
  if (event.revision !== entry.state.revision + 1) return false
  try {
    entry.state = fold(entry.decider, entry.state, event)
  } catch {
    // Whoever needs the stream reads it, and is told what is wrong with it.
    return false
  }
  follow(entry, event)
  return true
}

const follow = ({ decider, trail }: Entry, event: Foldable): void => {
  if (!decider.carryForward || event.revision <= (trail.at(-1)?.revision ?? -1)) return
  trail.push(event)
  if (trail.length >= 2 * trailKept) trail.splice(0, trailKept)
}
