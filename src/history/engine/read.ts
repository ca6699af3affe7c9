import { identityStream } from '../../eventstore/identity.js'
import { scanAll } from '../../eventstore/scan.js'
import { recorded, type ScannedEvent } from '../../eventstore/scan-decode.js'
import type { Position, RecordedEvent, Store } from '../../eventstore/store.js'
import { type HistoryEvent, historyEvent, isShown, timeOf } from './event.js'
import { byName, byOrigin, checkFilter, type HistoryFilter } from './filter.js'
import { lastBefore, type SomePositions } from './find-time.js'
import { type Block, createSurvey, type Places, readPlaces, type Stretch, stretchesOf, writePlaces } from './places.js'
import { inRange, type Range } from './range.js'

/** The history to read, and the folder in which is noted where what is. */
export type HistorySource = {
  readonly store: Pick<Store, 'url' | 'read' | 'readAll' | 'last' | 'eventAt'>
  readonly storeId: string
  /** `history` of the data folder. */
  readonly folder: string
  /** Without: a time that no earlier reading has noted is looked for from the beginning. */
  readonly somePositions?: SomePositions
}

export type ReadHistory = HistoryFilter & {
  /** Personal data too; that of erased users is never shown. */
  readonly personal?: boolean
  /** For who writes lines: an event's data as the text that is stored, where that says the same. */
  readonly texts?: boolean
  /** Begins after this event (exclusive), beside what the filter says. */
  readonly after?: Position | undefined
  readonly signal?: AbortSignal
  /** Told after each batch, when it has been taken, where the reading is; `scanned` counts the events that were looked at. */
  readonly onProgress?: (progress: { readonly position: Position; readonly id: string; readonly scanned: number }) => void
}

/**
 * The shop's events that the filter lets through, in the store's order, in batches: in today's shape, without secret types, and without
 * personal data unless it is asked for. Only the parts that may hold some of them are read, as far as earlier readings have noted
 * where those are. Throws `StoreUnavailable`, and `UnknownName` for types and streams that there are none of.
 */
export async function* readHistory(
  source: HistorySource,
  options: ReadHistory = {},
): AsyncGenerator<readonly HistoryEvent[], void> {
  checkFilter(options)
  const { personal = false, texts = false, signal, onProgress } = options
  const erased = personal ? await erasedUsers(source, signal) : new Set<string>()
  const [named, came, within] = [byName(options), byOrigin(options), inRange(options)]
  const ranged = options.from !== undefined || options.to !== undefined
  let scanned = 0
  for await (const events of scanStretches(source, options)) {
    const found: HistoryEvent[] = []
    for (const event of events) {
      const { type, streamId, position } = event
      if (!isShown(type, streamId) || !named(type, streamId)) continue
      if (ranged && !within(position, timeOf(event))) continue
      const stored = recordedOf(event)
      const one = historyEvent(stored, personal && !isErased(erased, event))
      if (came(one)) found.push(texts && one.data === stored.data ? withText(one, event) : one)
    }
    scanned += events.length
    if (found.length > 0) yield found
    const { position: commit, preparePosition: prepare, id } = events.at(-1)!
    onProgress?.({ position: { commit, prepare }, id, scanned })
  }
}

/** What was parsed and neither changed nor hidden need not be made a text again. */
const withText = (one: HistoryEvent, { data }: Raw): HistoryEvent => {
  const text = data.toString('utf8')
  return text.includes('\n') || text.includes('\r') ? one : Object.assign(one, { text })
}

/** The first and the last of the shop's events that may be shown; `undefined` where there are none. */
export const endsOf = async (source: HistorySource): Promise<{ first?: HistoryEvent; last?: HistoryEvent }> => {
  const last = await source.store.last()
  for await (const events of scanFrom(source, undefined, undefined, 64)) {
    const first = events.find(({ type, streamId }) => isShown(type, streamId))
    if (first) return { first: historyEvent(recordedOf(first), false), ...(last && { last: historyEvent(last, false) }) }
  }
  return {}
}

/**
 * The streams that have events in the range and whose names are wanted; secret events count too. `undefined` where there are more of either
 * than the most. Throws `StoreUnavailable`.
 */
export const streamsWithin = async (
  source: HistorySource,
  range: Range,
  { wanted, most, signal }: StreamsWithin & { readonly most?: { readonly streams: number; readonly events: number } | undefined },
): Promise<ReadonlySet<string> | undefined> => {
  const found = new Set<string>()
  const within = inRange(range)
  let count = 0
  for await (const events of scanStretches(source, { ...range, ...(signal && { signal }) })) {
    for (const event of events) {
      if (!wanted(event.streamId) || !within(event.position, timeOf(event))) continue
      found.add(event.streamId)
      count++
    }
    if (most && (found.size > most.streams || count > most.events)) return undefined
  }
  return found
}

type StreamsWithin = {
  readonly wanted: (streamId: string) => boolean
  readonly signal?: AbortSignal | undefined
}

/**
 * The events of the streams whose names are wanted, as they were stored, secret and personal data with them: for folds, of which nobody is
 * shown either. Blocks that hold nothing before the end of the range are left out; others are read whole.
 */
export async function* recordedEvents(
  source: HistorySource,
  { wanted, range = {}, signal }: StreamsWithin & { readonly range?: Range },
): AsyncGenerator<readonly RecordedEvent[], void> {
  for await (const events of scanStretches(source, { ...range, ...(signal && { signal }) })) {
    const found = events.filter(({ type, streamId }) => !type.startsWith('$') && wanted(streamId))
    if (found.length > 0) yield found.map(recordedOf)
  }
}

/** What was scanned, or read through the client where the store can't be reached by itself. */
type Raw = ScannedEvent & { readonly whole?: RecordedEvent }

const recordedOf = (event: Raw): RecordedEvent => event.whole ?? recorded(event)

async function* scanStretches(source: HistorySource, options: ReadHistory): AsyncGenerator<readonly Raw[], void> {
  const { folder, store, storeId } = source
  const { after, signal } = options
  const known = await readPlaces(folder, store, storeId)
  const survey = createSurvey(known)
  try {
    for (const stretch of stretchesOf(known, options)) {
      if (signal?.aborted) return
      if (after && stretch.upTo !== undefined && stretch.upTo <= after.commit) continue
      const begin = (await skipped(source, known, stretch, options)) ?? (await startOf(source, known, stretch))
      const from = after && after.commit > (begin?.commit ?? -1n) ? after : begin
      yield* scanned(source, survey, from, stretch.upTo, signal)
    }
  } finally {
    const places = survey.places()
    if (places.length > known.length) await writePlaces(folder, storeId, places)
  }
}

/** Where to begin in what nobody has noted yet, so that nothing at or after the range's first time is left out. */
const skipped = async (
  { store, somePositions }: HistorySource,
  known: Places,
  { after }: Stretch,
  { from }: Range,
): Promise<Position | undefined> => {
  const isUnknown = after === known.at(-1)
  if (!somePositions || !isUnknown || !from || !('time' in from)) return undefined
  return lastBefore(store, somePositions, Date.parse(from.time), after?.end.commit)
}

/** Passes on the events of one stretch, and surveys what lies beyond the known places. */
async function* scanned(
  source: HistorySource,
  survey: ReturnType<typeof createSurvey>,
  after: Position | undefined,
  upTo: bigint | undefined,
  signal: AbortSignal | undefined,
): AsyncGenerator<readonly Raw[], void> {
  const surveying = (after?.commit ?? -1n) <= survey.edge
  for await (const events of scanFrom(source, after, signal)) {
    if (surveying) for (const event of events) survey.saw(event, isSystems(event) ? undefined : timeOf(event))
    const last = events.at(-1)!.position
    if (upTo === undefined || last < upTo) yield events
    else {
      const wanted = events.filter(({ position }) => position <= upTo)
      if (wanted.length > 0) yield wanted
      return
    }
  }
}

/** Secret events have their times too: they change rows. */
const isSystems = ({ type, streamId }: Raw): boolean => type.startsWith('$') || streamId === identityStream

/** The stretch's beginning; an earlier one where that event has been removed from the store since. */
const startOf = async ({ store }: HistorySource, known: Places, { after }: Stretch): Promise<Position | undefined> => {
  for (let i = after ? known.indexOf(after) : -1; i >= 0; i--) {
    const block: Block = known[i]!
    if ((await store.eventAt(block.end))?.id === block.id) return block.end
  }
  return undefined
}

async function* scanFrom(
  { store }: Pick<HistorySource, 'store'>,
  after: Position | undefined,
  signal?: AbortSignal,
  limit?: number,
): AsyncGenerator<readonly Raw[], void> {
  if (store.url !== undefined) {
    yield* scanAll(store.url, { ...(after && { after }), ...(signal && { signal }), ...(limit !== undefined && { limit }) })
    return
  }
  for await (const event of store.readAll(after, { ...(signal && { signal }) })) {
    const data = Buffer.from(JSON.stringify(event.data))
    yield [{ ...event, whole: event, created: event.created.getTime(), isJson: true, data, metadata: Buffer.alloc(0) }]
  }
}

/** The ids of the users whose personal data must be shown no more, though the store may hold it until it is scavenged. */
export const erasedUsers = async (source: HistorySource, signal?: AbortSignal): Promise<ReadonlySet<string>> => {
  const erased = new Set<string>()
  for await (const events of readHistory(source, { types: ['UserErased'], ...(signal && { signal }) })) {
    for (const { stream } of events) erased.add(stream)
  }
  return erased
}

const isErased = (erased: ReadonlySet<string>, { streamId }: Raw): boolean => erased.has(streamId)
