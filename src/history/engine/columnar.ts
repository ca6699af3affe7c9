import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { catalogue } from '../../domain/catalogue.js'
import type { Position } from '../../eventstore/store.js'
import { schemaOf } from '../../eventstore/upcast.js'
import { sleep } from '../../platform/async.js'
import { writeWhole } from '../../platform/files.js'
import { FolderInUse, holdLock, type Lock } from '../../platform/folder-lock.js'
import { type ColumnFile, openColumnFiles } from './column-files.js'
import type { DuckLimits } from './duckdb.js'
import { type Part, partsOf } from './parts.js'
import type { HistorySource } from './read.js'

const stored = z.object({
  storeId: z.string(),
  /** Changes with the shapes of the events: files of another shape are made anew. */
  shape: z.string(),
  /** The last event that is in the files or was left out of them; null: none yet. */
  after: z.object({ commit: z.string(), prepare: z.string(), id: z.string() }).nullable(),
  files: z.array(z.object({ name: z.string(), rows: z.number().int() })),
  /** What others have taken the place of: queries that are under way may still read it for a while. `since`: milliseconds since 1970. */
  left: z.array(z.object({ name: z.string(), since: z.number() })).default([]),
})

/**
 * The history as columns: Parquet files, in the order of the positions, up to an event, without personal data and secrets. They are derived,
 * like the read models: whoever removes them loses nothing but time.
 */
export type Columnar = z.infer<typeof stored>

export type SyncOptions = {
  readonly limits: DuckLimits
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: { readonly position: bigint; readonly events: number }) => void
}

/** Where the files are. */
export const columnsFolder = ({ folder }: Pick<HistorySource, 'folder'>): string => join(folder, 'columns')

/** Milliseconds for which a file that another took the place of is kept: longer than a query takes. What held something erased goes at once. */
const keptFor = 120_000

/** Events of a file that is left as it is. */
export const fileSize = 100_000

const shape = createHash('sha256')
  .update(JSON.stringify([1, ...[...catalogue].map(([type, described]) => [type, schemaOf(type), described])]))
  .digest('hex')

/**
 * Brings the files up to date with the store, and drops from them what the erasure of a user has ended. Interrupted, it keeps what is done.
 * Of several processes one does it, and the others wait for it. Throws `StoreUnavailable`, and what the disk says.
 */
export const syncColumnar = async (source: HistorySource, options: SyncOptions): Promise<Columnar> => {
  const lock = await waitForLock(columnsFolder(source), options.signal)
  try {
    return await synced(source, options)
  } finally {
    await lock.release()
  }
}

const synced = async (source: HistorySource, { limits, signal, onProgress }: SyncOptions): Promise<Columnar> => {
  let columnar = await stillThere(source, await readColumnar(source))
  const last = await source.store.last()
  if (columnar.after?.id === last?.id) return columnar
  const files = await openColumnFiles(columnsFolder(source), limits)
  const take = async (part: Part): Promise<void> => {
    const kept = await files.add(columnar.files, part, fileSize)
    const left = part.erased.length > 0 ? [] : leftBy(columnar, kept)
    columnar = { ...columnar, after: part.after, files: [...kept], left }
    await writeWhole(noteOf(source), JSON.stringify(columnar), 0o600)
    await files.removeOthers([...kept, ...left])
  }
  try {
    // One part becomes a file while the next one is read.
    let taking: Promise<void> = files.removeOthers([...columnar.files, ...columnar.left])
    const from = columnar.after && { commit: BigInt(columnar.after.commit), prepare: BigInt(columnar.after.prepare) }
    for await (const part of partsOf(source, from ?? undefined, {
      folder: columnsFolder(source),
      size: fileSize,
      signal,
      onProgress,
    })) {
      await taking
      taking = take(part)
      // It is waited for above, or below.
      taking.catch(() => undefined)
    }
    await taking
  } finally {
    files.close()
  }
  return columnar
}

/** The files that others have taken the place of, now or a moment ago. */
const leftBy = ({ files, left }: Columnar, kept: readonly ColumnFile[]): Columnar['left'] => {
  const now = Date.now()
  const dropped = files.filter(({ name }) => !kept.some((one) => one.name === name))
  return [...left.filter(({ since }) => now - since < keptFor), ...dropped.map(({ name }) => ({ name, since: now }))]
}

/** The files as they were last noted. */
export const readColumnar = async (source: HistorySource): Promise<Columnar> => {
  const text = await readFile(noteOf(source), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return 'null'
    throw error
  })
  const parsed = stored.safeParse(jsonOf(text))
  const usable = parsed.success && parsed.data.storeId === source.storeId && parsed.data.shape === shape
  return usable ? parsed.data : { storeId: source.storeId, shape, after: null, files: [], left: [] }
}

export const pathsOf = (source: Pick<HistorySource, 'folder'>, files: readonly ColumnFile[]): readonly string[] =>
  files.map(({ name }) => join(columnsFolder(source), name))

const noteOf = ({ folder }: HistorySource): string => join(folder, 'columns.json')

const jsonOf = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/**
 * Begins anew where a file is missing, or where the store doesn't have the event any more that the files end with: it was put back to an
 * earlier state.
 */
const stillThere = async (source: HistorySource, columnar: Columnar): Promise<Columnar> => {
  if (!columnar.after) return columnar
  const found = new Set(await readdir(columnsFolder(source)))
  if (!columnar.files.every(({ name }) => found.has(name))) return { ...columnar, after: null, files: [] }
  const position: Position = { commit: BigInt(columnar.after.commit), prepare: BigInt(columnar.after.prepare) }
  const event = await source.store.eventAt(position)
  return event?.id === columnar.after.id ? columnar : { ...columnar, after: null, files: [] }
}

const waitForLock = async (folder: string, signal: AbortSignal | undefined): Promise<Lock> => {
  for (;;) {
    try {
      return await holdLock(folder)
    } catch (error) {
      if (!(error instanceof FolderInUse) || signal?.aborted) throw error
      await sleep(50)
    }
  }
}
