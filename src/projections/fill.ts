import type pg from 'pg'
import type { Position } from '../eventstore/store.js'
import { refusedIn, transaction } from './batch.js'
import { copyRows } from './copy.js'
import { describe, evolved, type Failure, type Folded } from './fold.js'
import { categoryOf } from './projection.js'
import { park, parkedStreams } from './quarantine.js'
import type { Source, SourceEvent } from './source.js'
import { isRefusedRow } from './sqlstate.js'
import { readRows, type Table, writeRows } from './tables.js'

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
  /** Rows that are kept in memory. */
  readonly keep: number
  /** Changed rows that are written at once. */
  readonly flushAt: number
  readonly onProgress: (events: number, position: Position) => void
}

type Entry = { folded: Folded; written: Folded | undefined; inTable: boolean }

/** The rows of one part in memory: the changed ones, and of the others those that were touched last. */
type Cache = {
  readonly part: Part
  readonly entries: Map<string, Entry>
  readonly changed: Set<string>
  readonly parked: Set<string>
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
    entries: new Map<string, Entry>(),
    changed: new Set<string>(),
    parked: new Set(parked.get(`${part.table.projection.name}_${part.table.generation}`)),
  }))
  let flushing = Promise.resolve()
  let failures: { readonly cache: Cache; readonly failure: Failure }[] = []
  let position: Position | undefined

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
      for (const cache of caches) {
        evict(cache, Math.ceil(options.keep / caches.length))
        const failed = await foldInto(cache, batch, options)
        failures.push(...failed.map((failure) => ({ cache, failure })))
      }
      position = { commit: last.position, prepare: last.preparePosition }
      onProgress(batch.length, position)
      if (caches.reduce((sum, { changed }) => sum + changed.size, 0) >= flushAt) await flush()
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
  { source, reader }: FillOptions,
): Promise<readonly Failure[]> => {
  const { entries, parked } = cache
  const { table, part, parts, at } = cache.part
  const { category, evolve } = table.projection
  const own = batch.filter(
    (event) =>
      event.position > (at?.commit ?? -1n) &&
      categoryOf(event.streamId) === category &&
      partOf(event.streamId, parts) === part &&
      !parked.has(event.streamId),
  )
  const missing = new Set<string>()
  for (const { streamId, revision } of own) if (revision > 0 && !entries.has(streamId)) missing.add(streamId)
  const failures: Failure[] = []
  const found = await readRows(reader, table, [...missing])
  for (const [streamId, folded] of found) entries.set(streamId, { folded, written: folded, inTable: true })
  for (const raw of own) {
    const { streamId } = raw
    if (parked.has(streamId)) continue
    const entry = entries.get(streamId)
    if (entry && raw.revision <= entry.folded.revision) continue
    const event = source.open(raw)
    try {
      const folded = evolved(evolve, entry?.folded, event)
      // Set anew, it is the youngest again.
      entries.delete(streamId)
      entries.set(streamId, { folded, written: entry?.written, inTable: entry?.inTable ?? false })
      cache.changed.add(streamId)
    } catch (error) {
      parked.add(streamId)
      failures.push({ streamId, event, error: describe(error) })
    }
  }
  return failures
}

const write = async (
  options: FillOptions,
  caches: readonly Cache[],
  position: Position,
  failures: readonly { readonly cache: Cache; readonly failure: Failure }[],
): Promise<void> => {
  const { writer, check } = options
  const taken = caches.map((cache) => {
    const changed = [...cache.changed].map((streamId) => cache.entries.get(streamId)!)
    cache.changed.clear()
    return { cache, snapshot: changed.map((entry) => ({ entry, folded: entry.folded })) }
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

const writePart = async ({ writer }: FillOptions, table: Table, snapshot: Snapshot): Promise<readonly Failure[]> => {
  const fresh = snapshot.filter(({ entry, folded }) => !entry.inTable && folded.row !== undefined).map(({ folded }) => folded)
  const known = snapshot.filter(({ entry }) => entry.inTable).map(({ folded }) => folded)
  if (fresh.length > 0) await copyRows(writer, table, fresh)
  await writeRows(writer, table, known)
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

const settle = ({ entries, parked }: Cache, snapshot: Snapshot): void => {
  for (const { entry, folded } of snapshot) {
    const current = entries.get(folded.streamId)
    if (parked.has(folded.streamId)) entries.delete(folded.streamId)
    else if (current) Object.assign(current, { written: folded, inTable: entry.inTable || folded.row !== undefined })
  }
}

/**
 * What is written may leave the memory, the longest untouched first. Not while a batch is being folded, which has looked already what
 * it must read.
 */
const evict = ({ entries }: Cache, keep: number): void => {
  if (entries.size <= keep * 1.1) return
  for (const [streamId, { folded, written }] of entries) {
    if (entries.size <= keep) return
    if (written === folded) entries.delete(streamId)
  }
}

const stand = async (client: pg.ClientBase, { projection, generation }: Table, part: number, at: Position): Promise<void> => {
  await client.query(
    `update tillroll.generation_part set commit_position = $4, prepare_position = $5
     where projection = $1 and generation = $2 and part = $3`,
    [projection.name, generation, part, at.commit.toString(), at.prepare.toString()],
  )
}
