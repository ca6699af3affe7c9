import { createRising } from '../platform/waiters.js'
import { type Position, positionOf, type RecordedEvent } from './store.js'

export type RecentEvents = ReturnType<typeof createRecentEvents>

/** The newest events, of which it keeps at least `keep`, and everybody who waits for more. */
export const createRecentEvents = (keep: number) => {
  let begun = false
  /** Everything after this and up to the newest event is here. */
  let base: Position | undefined
  let events: RecordedEvent[] = []
  /** How often something has come. */
  const changes = createRising<number>(0)
  const wake = (): void => changes.raise(changes.current() + 1)
  const head = (): Position | undefined => positionOf(events.at(-1)) ?? base

  return {
    begun: (): boolean => begun,
    begin: (at: Position | undefined): void => {
      begun = true
      base = at
      wake()
    },
    head,
    /** One that is here already is left out: a new subscription may begin where the last one ended. */
    push: (event: RecordedEvent): void => {
      if (event.position <= (head()?.commit ?? -1n)) return
      events.push(event)
      if (events.length >= keep * 2) {
        base = positionOf(events[events.length - keep - 1])
        events = events.slice(-keep)
      }
      wake()
    },
    /** At most `max` events after the position; `undefined` where they don't reach back that far. */
    after: (position: Position | undefined, max: number): readonly RecordedEvent[] | undefined => {
      if (!begun || (base && (position?.commit ?? -1n) < base.commit)) return undefined
      const from = position ? firstAfter(events, position.commit) : 0
      return events.slice(from, from + max)
    },
    /** Resolves when there is something new, or the signal aborts. */
    changed: async (signal: AbortSignal): Promise<void> => {
      await changes.reaches(changes.current() + 1, { signal })
    },
  }
}

const firstAfter = (events: readonly RecordedEvent[], commit: bigint): number => {
  let low = 0
  let high = events.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (events[middle]!.position <= commit) low = middle + 1
    else high = middle
  }
  return low
}
