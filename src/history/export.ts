import { readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Position } from '../eventstore/store.js'
import { isFull, syncFolder } from '../platform/files.js'
import { type EventTable, eventTables } from './engine/columns.js'
import { type DuckLimits, openDuck, quotedName, quotedText } from './engine/duckdb.js'
import type { HistoryEvent } from './engine/event.js'
import { CannotExport, type Format, type Target, targetOf } from './engine/export-target.js'
import { checkFilter, type HistoryFilter } from './engine/filter.js'
import { csvHeader, csvLine, flatLine, historyLine } from './engine/lines.js'
import { openPartial, type Partial } from './engine/partial.js'
import { type Place, placeAsJson, placeOfJson } from './engine/range.js'
import { type HistorySource, readHistory } from './engine/read.js'

export type ExportOptions = {
  readonly format: Format
  readonly filter: HistoryFilter
  readonly personal: boolean
  /** A file, or a folder for a file of each event type. */
  readonly out: string
  /** What was asked for, in words: an interrupted export is only ever gone on with by the same. */
  readonly work: string
  /** Of writing Parquet. */
  readonly limits: DuckLimits
  readonly signal: AbortSignal
  readonly onProgress: (progress: ExportProgress) => void
}

/** `events`: those in the files so far; `position`: up to where the history is read. `share`: how much of the writing is done, from 0 to 1. */
export type ExportProgress =
  | { readonly phase: 'reading'; readonly events: number; readonly position: bigint }
  | { readonly phase: 'writing'; readonly events: number; readonly share: number }

/** `complete`: whether all of it is there; else it was interrupted, and the same export goes on after `position`. */
export type Exported = { readonly complete: boolean; readonly events: number; readonly position: bigint | undefined }

/**
 * Writes the history to files that are whole or not there: they are made in `<out>.partial`, from where an interrupted export goes on.
 * Throws `CannotExport`, `OtherPartial`, `UnknownName`, `StoreUnavailable`, and what the disk says.
 */
export const exportHistory = async (source: HistorySource, options: ExportOptions): Promise<Exported> => {
  const { format, filter, out, work } = options
  checkFilter(filter)
  const target = await targetOf(out, format, filter.types)
  const partial = await openPartial(`${target.path}.partial`, work, storedRange(filter))
  try {
    return await fill(source, options, partial, target)
  } catch (error) {
    await partial.abandon()
    throw explained(error)
  }
}

const fill = async (source: HistorySource, options: ExportOptions, partial: Partial, target: Target): Promise<Exported> => {
  const { format, filter, personal, signal, onProgress } = options
  const writer = writerOf(format, partial, personal)
  const range = rangeOf(partial.settings)
  let reached = partial.after
  const onRead = ({ position }: { readonly position: Position }): void => {
    reached = position
    onProgress({ phase: 'reading', events: partial.events(), position: position.commit })
  }
  for await (const events of readHistory(source, {
    ...filter,
    ...range,
    personal,
    texts: format === 'ndjson',
    signal,
    after: partial.after,
    onProgress: onRead,
  })) {
    // What was given out before has been taken: the last batch is whole.
    if (reached) await partial.reached(reached)
    writer.write(events)
  }
  if (!signal.aborted) writer.complete(filter.types ?? [])
  if (reached) await partial.reached(reached)
  await partial.close()
  const result = { events: partial.events(), position: reached?.commit }
  if (signal.aborted) return { ...result, complete: false }
  const files = format === 'parquet' ? await toParquet(partial, options) : partial.files()
  if (!files) return { ...result, complete: false }
  await publish(files, target)
  return { ...result, complete: true }
}

/** Gives each event of the filter, as a line of the format, to `write`. For formats of lines, with at most one event type where that is CSV. */
export const streamHistory = async (
  source: HistorySource,
  {
    format,
    filter,
    personal,
    signal,
  }: Pick<ExportOptions, 'filter' | 'personal' | 'signal'> & { readonly format: 'ndjson' | 'csv' },
  write: (text: string) => Promise<void>,
): Promise<void> => {
  checkFilter(filter)
  const table = format === 'csv' ? eventTables(personal).find(({ type }) => type === filter.types?.[0]) : undefined
  if (table) await write(csvHeader(table))
  for await (const events of readHistory(source, { ...filter, personal, texts: !table, signal })) {
    await write(events.map((event) => (table ? csvLine(table, event) : historyLine(event))).join(''))
  }
}

const explained = (error: unknown): unknown =>
  isFull(error)
    ? new CannotExport('the disk is full; with more room on it, the same export goes on from where it is', { cause: error })
    : error

const writerOf = (format: Format, partial: Partial, personal: boolean) => {
  const tables = new Map(eventTables(personal).map((table) => [table.type, table]))
  const begun = new Set(partial.files())
  const fileOf = (table: EventTable): string => {
    const file = `${table.name}.${format === 'parquet' ? 'flat' : 'csv'}`
    if (begun.has(file)) return file
    begun.add(file)
    partial.write(file, format === 'csv' ? csvHeader(table) : '', 0)
    return file
  }
  const write = (events: readonly HistoryEvent[]): void => {
    if (format === 'ndjson') partial.write('events.ndjson', events.map(historyLine).join(''), events.length)
    else
      for (const event of events) {
        const table = tables.get(event.type)
        // A type of a newer release has no columns that this one knows.
        if (table) partial.write(fileOf(table), (format === 'csv' ? csvLine : flatLine)(table, event), 1)
      }
  }
  return {
    write,
    /** What was asked for by name gets a file, though it be without events. */
    complete: (types: readonly string[]): void => {
      if (format === 'ndjson') partial.write('events.ndjson', '', 0)
      else for (const type of types) fileOf(tables.get(type)!)
    },
  }
}

/** The names of the files; `undefined` where it was interrupted. */
const toParquet = async (partial: Partial, options: ExportOptions): Promise<readonly string[] | undefined> => {
  const { personal, limits, signal, onProgress } = options
  const files: string[] = []
  const duck = await openDuck(limits, partial.pathOf('spill'))
  const connection = await duck.connect()
  const stop = (): void => connection.interrupt()
  signal.addEventListener('abort', stop, { once: true })
  try {
    const tables = eventTables(personal).filter(({ name }) => partial.files().includes(`${name}.flat`))
    for (const [i, table] of tables.entries()) {
      if (signal.aborted) return undefined
      onProgress({ phase: 'writing', events: partial.events(), share: i / tables.length })
      files.push(`${table.name}.parquet`)
      await connection.run(parquetOf(table, partial.pathOf(`${table.name}.flat`), partial.pathOf(`${table.name}.parquet`)))
    }
    return files
  } catch (error) {
    if (signal.aborted) return undefined
    throw error
  } finally {
    signal.removeEventListener('abort', stop)
    connection.closeSync()
    duck.close()
  }
}

/** A list is JSON, so that the schema is flat. */
const parquetOf = ({ columns }: EventTable, from: string, to: string): string => {
  const types = columns.map(({ name, type, of }) => `${quotedName(name)}: ${quotedText(of ? 'JSON' : type)}`).join(', ')
  const read = `read_json(${quotedText(from)}, format = 'newline_delimited', columns = {${types}}, maximum_object_size = 4194304)`
  return `copy (select * from ${read}) to ${quotedText(to)} (format parquet, compression snappy)`
}

/** Moves what was made to its place in one step. */
const publish = async (files: readonly string[], { path, kind }: Target): Promise<void> => {
  const folder = `${path}.partial`
  for (const name of await readdir(folder)) {
    if (!files.includes(name)) await rm(join(folder, name), { recursive: true })
  }
  if (kind === 'folder') await rename(folder, path)
  else {
    await rename(join(folder, files[0]!), path)
    await rm(folder, { recursive: true })
  }
  await syncFolder(dirname(path))
}

const storedRange = ({ from, to }: HistoryFilter) => ({ from: placeAsJson(from), to: placeAsJson(to) })

const rangeOf = (settings: unknown): { readonly from: Place | undefined; readonly to: Place | undefined } => {
  const { from, to } = settings as ReturnType<typeof storedRange>
  return { from: placeOfJson(from), to: placeOfJson(to) }
}
