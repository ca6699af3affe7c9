import type { Period } from '../fold.js'
import type { HistoryEvent } from './event.js'

/** Some events of a period; more may follow, but none of an earlier one. */
export type OfPeriod = { readonly period: Period; readonly events: readonly HistoryEvent[] }

type Open = { readonly period: Period; readonly since: number; events: HistoryEvent[] }

export type ByPeriod = {
  /** The period that a time is in. */
  readonly of: (time: number) => Period
  /** Told of each event that came too late for its period: it counts in the one in which it came. */
  readonly onLate: () => void
  /** So many events are looked at beyond a period's end. */
  readonly window?: number
}

/** More than are written while a request takes its time, by however many processes. */
const standardWindow = 8_192

/**
 * The events period by period, those of one in the store's order. The store has them in the order in which they came, which around the end
 * of a period is not that of their times: so the next one's are held back until nothing is to be expected of it any more. (docs/decisions/0037)
 */
export async function* byPeriod(
  batches: AsyncIterable<readonly HistoryEvent[]>,
  { of, onLate, window = standardWindow }: ByPeriod,
): AsyncGenerator<OfPeriod, void> {
  const open: Open[] = []
  let seen = 0
  let reached = Number.NEGATIVE_INFINITY
  const take = (one: Open): OfPeriod => {
    const { period, events } = one
    reached = period.start
    one.events = []
    return { period, events }
  }
  for await (const some of batches) {
    for (const event of some) {
      seen++
      const time = Date.parse(event.at)
      const isLate = time < reached
      if (isLate) onLate()
      const own = isLate ? open[0]! : openAt(open, time, of, seen)
      own.events.push(event)
    }
    // Of the first, too, an earlier one may still come.
    if (seen < window) continue
    while (open.length > 1 && seen - open[1]!.since >= window) yield take(open.shift()!)
    if (open[0] && open[0].events.length > 0) yield take(open[0])
  }
  for (const one of open) if (one.events.length > 0) yield take(one)
}

/** Most events are of the last period that was opened. */
const openAt = (open: Open[], time: number, of: ByPeriod['of'], since: number): Open => {
  let i = open.length - 1
  while (i >= 0 && open[i]!.period.start > time) i--
  const before = open[i]
  if (before && time < before.period.end) return before
  const one = { period: of(time), since, events: [] }
  open.splice(i + 1, 0, one)
  return one
}
