import type { RecentEvents } from './recent-events.js'
import type { Position } from './store.js'

/**
 * Knows how fresh these events are without trusting any clock but this process's: at `when` the store's newest event was `head`, so once that
 * has arrived, everything up to `when` has. It also sees a connection that is silent without being closed.
 */
export const createProbe = (recent: RecentEvents) => {
  let current = Number.NEGATIVE_INFINITY
  let answered = Number.NEGATIVE_INFINITY
  let seen: { readonly when: number; readonly head: Position }[] = []
  /** Since when the store has had more than has arrived, without any of it arriving. */
  let waiting: number | undefined
  const take = (): void => {
    const head = recent.head()
    while (head && seen[0] && seen[0].head.commit <= head.commit) current = Math.max(current, seen.shift()!.when)
  }
  return {
    arrived: (): void => {
      waiting = undefined
      take()
    },
    saw: (when: number, head: Position | undefined): void => {
      answered = performance.now()
      if (head) seen = [...seen.slice(-9), { when, head }]
      else if (recent.begun()) current = when
      if (recent.begun()) take()
      waiting = seen.length > 0 && recent.begun() ? (waiting ?? when) : undefined
    },
    silentFor: (): number => (waiting === undefined ? 0 : performance.now() - waiting),
    forgive: (): void => {
      waiting = undefined
    },
    unansweredFor: (): number => performance.now() - answered,
    behindFor: (): number => performance.now() - current,
  }
}
