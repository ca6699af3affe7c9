import type { RecordedEvent, Store } from '../eventstore/store.js'
import { projections } from '../projections/all.js'
import { type ColumnChange, maskChanges, tracked } from './engine/changes.js'
import { type HistoryEvent, historyEvent, isShown } from './engine/event.js'
import { checkFilter } from './engine/filter.js'
import { wholeStream, withStreams } from './engine/stream.js'

/** There is no such stream, though its name is one that could be. */
export class NoStream extends Error {
  override readonly name = 'NoStream'
}

/** An event of a stream, and what it changed in the row that the stream folds to; of a stream without a row, nothing. */
export type Shown = { readonly event: HistoryEvent; readonly changes: readonly ColumnChange[] }

/**
 * All of a stream, oldest first, without what is secret. Personal data of an erased user is not shown, whoever asks. Throws `UnknownName`,
 * `NoStream` and `StoreUnavailable`.
 */
export const showStream = async (
  store: Pick<Store, 'url' | 'read'>,
  stream: string,
  { personal = false }: { readonly personal?: boolean } = {},
): Promise<readonly Shown[]> => {
  checkFilter({ stream })
  const recorded = await withStreams(store, (streams) => wholeStream(streams, stream))
  if (recorded.length === 0) throw noStream(stream)
  const shownPersonal = personal && !recorded.some(({ type }) => type === 'UserErased')
  const changes = changesOf(stream, recorded, shownPersonal)
  return recorded
    .filter(({ type, streamId }) => isShown(type, streamId))
    .map((event) => ({ event: historyEvent(event, shownPersonal), changes: changes.get(event.revision) ?? [] }))
}

/**
 * At most `limit` events of a stream from a revision on (inclusive), without what is secret; with personal data where it is asked for, but not
 * that of an erased user. `next`: the revision that comes after
 * them, where there is more. Throws `UnknownName`, `NoStream` and `StoreUnavailable`.
 */
export const pageOfStream = async (
  store: Pick<Store, 'url' | 'read'>,
  stream: string,
  { from = 0, limit, personal = false }: { readonly from?: number; readonly limit: number; readonly personal?: boolean },
): Promise<{ readonly events: readonly HistoryEvent[]; readonly next?: number }> => {
  checkFilter({ stream })
  const recorded = await store.read(stream, { from, maxCount: limit + 1 })
  if (recorded.length === 0 && (await store.read(stream, { maxCount: 1 })).length === 0) throw noStream(stream)
  const next = recorded[limit]?.revision
  const shownPersonal = personal && !(await isErased(store, stream))
  const events = recorded
    .slice(0, limit)
    .filter(({ type, streamId }) => isShown(type, streamId))
    .map((event) => historyEvent(event, shownPersonal))
  return { events, ...(next !== undefined && { next }) }
}

const isErased = async (store: Pick<Store, 'url' | 'read'>, stream: string): Promise<boolean> =>
  (await withStreams(store, (streams) => wholeStream(streams, stream))).some(({ type }) => type === 'UserErased')

const noStream = (stream: string): NoStream =>
  new NoStream(`there is no stream ${JSON.stringify(stream)}, and never was, or it is gone`)

const changesOf = (
  stream: string,
  events: readonly RecordedEvent[],
  personal: boolean,
): ReadonlyMap<number, readonly ColumnChange[]> => {
  const projection = projections.find(({ category }) => stream.startsWith(`${category}-`))
  if (!projection) return new Map()
  const mask = maskChanges(projection.category, personal)
  return new Map(tracked(projection, events).steps.map(({ folded, changes }) => [folded.revision, changes.map(mask)]))
}
