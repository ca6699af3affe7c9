import type { HistoryEvent } from './event.js'

type Timed = { readonly event: HistoryEvent; readonly time: number }

/** More than are written while a request takes its time, by however many processes. */
const standardWindow = 8_192

/**
 * The events in the order of their times. The store has them in the order in which they came, which differs by what requests took and by the
 * clocks of several machines: so many are looked at to put them right, and one that comes later still is where it comes.
 */
export async function* byTime(
  batches: AsyncIterable<readonly HistoryEvent[]>,
  window = standardWindow,
): AsyncGenerator<readonly Timed[], void> {
  let waiting: Timed[] = []
  const sort = (): void => {
    // Stable, so that what is of one time stays in the store's order.
    waiting.sort((a, b) => a.time - b.time)
  }
  for await (const events of batches) {
    for (const event of events) waiting.push({ event, time: Date.parse(event.at) })
    if (waiting.length < 2 * window) continue
    sort()
    yield waiting.slice(0, waiting.length - window)
    waiting = waiting.slice(waiting.length - window)
  }
  sort()
  yield waiting
}
