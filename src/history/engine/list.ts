import { evolved, type Folded } from '../../projections/engine/fold.js'
import type { AnyProjection } from '../../projections/projection.js'
import { atOnce } from './at-once.js'
import { laterThan } from './moment.js'
import { type Places, readPlaces } from './places.js'
import type { Place } from './range.js'
import type { HistorySource } from './read.js'
import { readStreams, type Streams } from './stream.js'

/** A projection's present rows in an order, so many at most, after the one of a stream; fewer where there are no more. */
export type CurrentRows = (after: string | undefined, limit: number) => Promise<readonly Folded[]>

/** A row that was there. */
export type RowThen = { readonly streamId: string; readonly row: Record<string, unknown> }

// Many reads want no more than a page; who wants all of it asks seldom.
const firstChunk = 50
const chunk = 400

// Streams are short, and each read waits for an answer.
const width = 16

/**
 * The rows that were there at a moment, in the order of the present ones. A row whose last event is not later is as it was; only the
 * streams of the others are folded again, one that can't be up to where it can. (No row ever goes, but for an erased user's.) Throws
 * `StoreUnavailable`.
 */
export async function* rowsAsOf(
  source: HistorySource,
  projection: AnyProjection,
  moment: Place,
  current: CurrentRows,
): AsyncGenerator<RowThen, void> {
  const settled = await settledPosition(source, moment)
  let opened: Promise<Streams> | undefined
  const then = async (now: Folded): Promise<RowThen | undefined> => {
    if (now.position <= settled) return now.row && { streamId: now.streamId, row: now.row }
    opened ??= readStreams(source.store)
    const row = await rowThen(await opened, projection, now.streamId, moment)
    return row && { streamId: now.streamId, row }
  }
  try {
    for (let [after, limit] = [undefined as string | undefined, firstChunk]; ; limit = chunk) {
      const rows = await current(after, limit)
      for await (const one of atOnce(rows, width, then)) if (one) yield one
      if (rows.length < limit) return
      after = rows.at(-1)!.streamId
    }
  } finally {
    // Where it could not be opened, that has been thrown.
    await opened?.then(({ close }) => close()).catch(() => undefined)
  }
}

const rowThen = async ({ read }: Streams, { evolve }: AnyProjection, streamId: string, moment: Place): Promise<Folded['row']> => {
  const isLater = laterThan(moment)
  let folded: Folded | undefined
  for await (const events of read(streamId)) {
    for (const event of events) {
      if (isLater(event)) return folded?.row
      try {
        folded = evolved(evolve, folded, event)
      } catch {
        // The read model's row stands as it was before such an event, too.
        return folded?.row
      }
    }
  }
  return folded?.row
}

/** A commit position up to which, for certain, no event is later than the moment. */
const settledPosition = async (source: HistorySource, moment: Place): Promise<bigint> => {
  if ('position' in moment) return moment.position
  const time = Date.parse(moment.time)
  let settled = -1n
  for (const { maxAt, end } of await placesOf(source)) {
    if (maxAt > time) break
    settled = end.commit
  }
  return settled
}

/** A time (RFC 3339) that, for certain, no event up to the moment is later than; `undefined` where nobody knows. */
export const latestTime = async (source: HistorySource, moment: Place): Promise<string | undefined> => {
  if ('time' in moment) return moment.time
  let latest = Number.NEGATIVE_INFINITY
  for (const { maxAt, end } of await placesOf(source)) {
    latest = Math.max(latest, maxAt)
    if (end.commit >= moment.position) return new Date(latest).toISOString()
  }
  return undefined
}

const placesOf = ({ folder, store, storeId }: HistorySource): Promise<Places> => readPlaces(folder, store, storeId)
