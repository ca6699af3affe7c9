import type pg from 'pg'
import type { Position } from '../../eventstore/store.js'
import { isRefusedRow, jsonText } from '../../platform/sqlstate.js'
import { refusedIn, transaction } from '../engine/batch.js'
import { assertStorable, describe, evolved, type Failure, type Folded, isStorable } from '../engine/fold.js'
import { park, parkedStreams } from '../engine/quarantine.js'
import { readRows, type Table, writeRows } from '../engine/tables.js'
import { inCategory } from '../projection.js'
import { copyRows } from './copy.js'
import type { Source, SourceEvent } from './source.js'

/** One of the parts that the streams of a new generation are split into; each goes its own way through the history. */
export type Part = { readonly table: Table; readonly part: number; readonly parts: number; readonly at: Position | undefined }

export type FillOptions = {
  readonly parts: readonly Part[]
  readonly source: Source
  /** Two connections: rows are read while others are written. */
  readonly reader: pg.ClientBase
  readonly writer: pg.ClientBase
  /** Called in each transaction that writes, before it does: throws where this process has been replaced. */
  readonly check: (client: pg.ClientBase) => Promise<void>
  readonly signal: AbortSignal
  /** Bytes of rows that are kept in memory, and of changed rows that are written at once: an estimate. */
  readonly keep: number
  readonly flushAt: number
  readonly onProgress: (events: number, position: Position) => void
}

type Entry = {
  folded: Folded
  /** As it was last handed to a write: it is written again where `folded` is another one. */
  taken: Folded | undefined
  /** As the table has it. */
  written: Folded | undefined
  inTable: boolean
  /** The number of the batch that touched it last. */
  touched: number
  /** Bytes, as far as the events behind it tell; measured when it is written. */
  weight: number
}

/** The rows of one part in memory: the changed ones, and of the others those that were touched last. */
type Cache = {
  readonly part: Part
  readonly isOwn: (streamId: string) => boolean
  readonly entries: Map<string, Entry>
  readonly parked: Set<string>
  changed: Entry[]
  /** Bytes of the entries, and of the changed ones. */
  weight: number
  changedWeight: number
}

/**
 * Folds the history into new tables, to its end. Rows are folded in memory and written many at a time, new ones with COPY; each write
 * is one transaction with the place that it stands at, so that a crash costs what came after the last one. A stream's first event
 * tells that the table has no row of it, so only a row that left the memory is ever read again.
 */
export const fill = async (options: FillOptions): Promise<void> => {
  const { parts, source, signal, flushAt, onProgress } = options
  const parked = await parkedStreams(options.reader)
  const caches = parts.map((part) => ({
    part,
    isOwn: inCategory(part.table.projection.category),
    entries: new Map<string, Entry>(),
    changed: [] as Entry[],
    weight: 0,
    changedWeight: 0,
    parked: new Set(parked.get(`${part.table.projection.name}_${part.table.generation}`)),
  }))
  let flushing = Promise.resolve()
  let failures: { readonly cache: Cache; readonly failure: Failure }[] = []
  let position: Position | undefined
  let batches = 0

  const flush = async (): Promise<void> => {
    await flushing
    if (!position) return
    flushing = write(options, caches, position, failures)
    // What fails is thrown by the next who waits for it.
    flushing.catch(() => undefined)
    failures = []
  }

  try {
    for await (const batch of source.read(earliest(parts), signal)) {
      if (signal.aborted) break
      const last = batch.at(-1)
      if (!last) continue
      evict(caches, options.keep)
      for (const cache of caches) {
        const failed = await foldInto(cache, batch, ++batches, options)
        failures.push(...failed.map((failure) => ({ cache, failure })))
      }
      position = { commit: last.position, prepare: last.preparePosition }
      onProgress(batch.length, position)
      if (caches.reduce((sum, { changedWeight }) => sum + changedWeight, 0) >= flushAt) await flush()
    }
    await flush()
  } finally {
    await flushing
  }
}

const earliest = (parts: readonly Part[]): Position | undefined =>
  parts.map(({ at }) => at).reduce((a, b) => (!a || !b ? undefined : a.commit < b.commit ? a : b))

/** Which part a stream belongs to: the same for ever, for a build may be resumed by another release. FNV-1a. */
export const partOf = (streamId: string, parts: number): number => {
  if (parts === 1) return 0
  let hash = 0x811c9dc5
  for (let i = 0; i < streamId.length; i++) hash = Math.imul(hash ^ streamId.charCodeAt(i), 0x01000193)
  return (hash >>> 0) % parts
}

const foldInto = async (
  cache: Cache,
  batch: readonly SourceEvent[],
  number: number,
  { source, reader }: FillOptions,
): Promise<readonly Failure[]> => {
  const { entries, parked, isOwn } = cache
  const { table, part, parts, at } = cache.part
  const after = at?.commit ?? -1n
  const own = batch.filter(
    ({ streamId, position }) => isOwn(streamId) && position > after && partOf(streamId, parts) === part && !parked.has(streamId),
  )
  const missing = new Set<string>()
  for (const { streamId, revision } of own)
    if (revision > 0 && !entries.has(streamId) && isStorable(streamId)) missing.add(streamId)
  for (const [streamId, folded] of await readRows(reader, table, [...missing])) {
    const weight = weigh(folded)
    entries.set(streamId, { folded, taken: folded, written: folded, inTable: true, touched: number, weight })
    cache.weight += weight
  }
  const failures: Failure[] = []
  for (const event of own) {
    const failure = parked.has(event.streamId) ? undefined : foldEvent(cache, source.open, event, number)
    if (failure) failures.push(failure)
  }
  return failures
}

/** What a row and its place in the memory take beside its contents, and what an event adds whose size isn't known. */
const overhead = 400
const usualSize = 150

const weigh = ({ row }: Folded): number => overhead + 2 * jsonText(row ?? null).length

const foldEvent = (cache: Cache, open: Source['open'], raw: SourceEvent, number: number): Failure | undefined => {
  const { streamId, revision } = raw
  const entry = cache.entries.get(streamId)
  if (entry && revision <= entry.folded.revision) return undefined
  const event = open(raw)
  try {
    if (!entry) assertStorable(streamId)
    const folded = evolved(cache.part.table.projection.evolve, entry?.folded, event)
    const added = (event.size ?? usualSize) + (entry ? 0 : overhead)
    if (!entry) {
      const fresh = { folded, taken: undefined, written: undefined, inTable: false, touched: number, weight: added }
      cache.entries.set(streamId, fresh)
      cache.changed.push(fresh)
      cache.changedWeight += added
    } else {
      if (entry.folded === entry.taken) {
        cache.changed.push(entry)
        cache.changedWeight += entry.weight
      }
      entry.folded = folded
      entry.touched = number
      entry.weight += added
      cache.changedWeight += added
    }
    cache.weight += added
    return undefined
  } catch (error) {
    cache.parked.add(streamId)
    return { streamId, event, error: describe(error) }
  }
}

const write = async (
  options: FillOptions,
  caches: readonly Cache[],
  position: Position,
  failures: readonly { readonly cache: Cache; readonly failure: Failure }[],
): Promise<void> => {
  const { writer, check } = options
  const taken = caches.map((cache) => {
    const snapshot = cache.changed.map((entry) => ({ entry, folded: entry.folded }))
    cache.changed = []
    cache.changedWeight = 0
    for (const { entry, folded } of snapshot) entry.taken = folded
    return { cache, snapshot }
  })
  const writeAll = (how: typeof writePart) =>
    transaction(writer, async () => {
      await check(writer)
      for (const { cache, snapshot } of taken) {
        const { table, part } = cache.part
        const own = failures.filter((each) => each.cache === cache).map(({ failure }) => failure)
        const refused = await how(options, table, snapshot)
        for (const { streamId } of refused) cache.parked.add(streamId)
        await park(writer, table.projection.name, table.generation, [...own, ...refused])
        await stand(writer, table, part, cache.part.at && cache.part.at.commit > position.commit ? cache.part.at : position)
      }
    })
  await writeAll(writePart).catch((error: unknown) => {
    if (!isRefusedRow(error)) throw error
    return writeAll(writePartCarefully)
  })
  for (const { cache, snapshot } of taken) settle(cache, snapshot)
}

type Snapshot = readonly { readonly entry: Entry; readonly folded: Folded }[]

// Rows of one statement, which travel as one text.
const atOnce = 1_000

const writePart = async ({ writer }: FillOptions, table: Table, snapshot: Snapshot): Promise<readonly Failure[]> => {
  const fresh = snapshot.filter(({ entry, folded }) => !entry.inTable && folded.row !== undefined).map(({ folded }) => folded)
  const known = snapshot.filter(({ entry }) => entry.inTable).map(({ folded }) => folded)
  if (fresh.length > 0) await copyRows(writer, table, fresh)
  for (let i = 0; i < known.length; i += atOnce) await writeRows(writer, table, known.slice(i, i + atOnce))
  return []
}

/** A row was refused: which, and by which of its stream's events, is found by folding that stream again, event by event. */
const writePartCarefully = async (
  { writer, source }: FillOptions,
  table: Table,
  snapshot: Snapshot,
): Promise<readonly Failure[]> =>
  refusedIn(
    writer,
    table,
    snapshot.map(({ folded }) => folded),
    async (folded) => {
      const written = snapshot.find((each) => each.folded === folded)!.entry.written
      const events = await source.readStream(folded.streamId, (written?.revision ?? -1) + 1)
      return {
        stored: new Map(written ? [[folded.streamId, written]] : []),
        events: events.filter(({ revision }) => revision <= folded.revision),
      }
    },
  )

const settle = (cache: Cache, snapshot: Snapshot): void => {
  const { entries, parked } = cache
  for (const { entry, folded } of snapshot) {
    if (parked.has(folded.streamId) && entries.delete(folded.streamId)) cache.weight -= entry.weight
    entry.written = folded
    entry.inTable ||= folded.row !== undefined
    // What changes a number again and again adds nothing to its row.
    if (entry.weight > 4 * overhead && entry.folded === folded) {
      const weight = weigh(folded)
      cache.weight += weight - entry.weight
      entry.weight = weight
    }
  }
}

/**
 * What is written may leave the memory, the longest untouched first. Not while a batch is being folded, which has looked already what
 * it must read.
 */
const evict = (caches: readonly Cache[], keep: number): void => {
  const total = caches.reduce((sum, { weight }) => sum + weight, 0)
  if (total <= keep) return
  const clean = caches.flatMap((cache) => [...cache.entries.values()].map((entry) => ({ cache, entry }))).filter(isClean)
  clean.sort((a, b) => a.entry.touched - b.entry.touched)
  let surplus = total - keep * 0.7
  for (const { cache, entry } of clean) {
    if (surplus <= 0) return
    cache.entries.delete(entry.folded.streamId)
    cache.weight -= entry.weight
    surplus -= entry.weight
  }
}

const isClean = ({ entry }: { entry: Entry }): boolean => entry.written === entry.folded

const stand = async (client: pg.ClientBase, { projection, generation }: Table, part: number, at: Position): Promise<void> => {
  await client.query(
    `update tillroll.generation_part set commit_position = $4, prepare_position = $5
     where projection = $1 and generation = $2 and part = $3`,
    [projection.name, generation, part, at.commit.toString(), at.prepare.toString()],
  )
}
