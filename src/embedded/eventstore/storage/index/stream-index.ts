import { createReadStream } from 'node:fs'
import { mkdir, open as openFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { open, type RootDatabase } from 'lmdb'
import { codeOf } from '../../../../platform/errors.js'
import { tombstoneRevision } from '../event.js'
import { DiskFull, freeBytes } from '../files.js'
import {
  countKey,
  eventKey,
  idKey,
  nameKey,
  type Place,
  placeRow,
  revisionIn,
  revisionRow,
  type StreamEntry,
  streamRow,
  uuidBytes,
  zeroId,
} from './rows.js'

/**
 * Where the events of each stream stand in the log, and which ids they have. It is derived from the log: never synced, and made anew
 * where it was not closed in order. What was put is in memory until `flush`, and found there.
 */
export type StreamIndex = {
  readonly stream: (name: string) => StreamEntry | undefined
  /** A stream that is new to the index. */
  readonly makeStream: (name: string) => StreamEntry
  readonly putStream: (stream: StreamEntry) => void
  readonly place: (stream: number, revision: number) => Place | undefined
  /** The first revision at or after the given one whose event is still there. */
  readonly nextRevision: (stream: number, revision: number) => number | undefined
  /** The last one at or before. */
  readonly previousRevision: (stream: number, revision: number) => number | undefined
  readonly revisionOf: (stream: number, eventId: string) => number | undefined
  readonly putEvent: (stream: number, revision: number, place: Place, eventId: string) => void
  /** `putEvent` for a index that is being made: not to be found before the next `flush`. `eventId` as 16 bytes. */
  readonly loadEvent: (stream: number, revision: number, place: Place, eventId: Buffer) => void
  readonly removeEvent: (stream: number, revision: number, eventId: string) => void
  readonly unflushed: () => number
  readonly flush: () => void
  /** Answers the size and checksum of what is on disk then, synced. */
  readonly close: () => Promise<{ indexSize: number; indexSum: number }>
  readonly discard: () => Promise<void>
}

const fileOf = (folder: string): string => join(folder, 'data.mdb')

/** The folder of an index that is as it was closed: then it can be opened. (lmdb dies of a file that is shorter than it should be.) */
export const isIndexWhole = async (folder: string, size: number, sum: number): Promise<boolean> => {
  try {
    return (await stat(fileOf(folder))).size === size && (await sumOf(folder)) === sum
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(codeOf(error) ?? '')) return false
    throw error
  }
}

const sumOf = async (folder: string): Promise<number> => {
  let sum = 0
  for await (const chunk of createReadStream(fileOf(folder), { highWaterMark: 1024 * 1024 })) sum = crc32(chunk as Buffer, sum)
  return sum
}

/** Opens the index in a folder, which must be as it was closed; with `empty` an empty one, whatever is there. */
export const openStreamIndex = async (folder: string, { empty }: { readonly empty: boolean }): Promise<StreamIndex> => {
  if (empty) await rm(folder, { recursive: true, force: true })
  else await rm(join(folder, 'lock.mdb'), { force: true })
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const database = open<Buffer, Buffer>({
    path: folder,
    noSubdir: false,
    keyEncoding: 'binary',
    encoding: 'binary',
    noSync: true,
    overlappingSync: false,
    cache: false,
  })
  return streamIndexOf(folder, database)
}

/**
 * What a flush may need at worst, in bytes: pages are copied before they are changed, and each row may stand on one of its own. lmdb
 * must not meet the end of the space itself: it calls that an input/output error, and was seen to leave its memory in disorder.
 */
const spaceFor = (rows: number): number => Math.min(64 * 1024 + rows * 4096, 32 * 1024 * 1024)

type Known = { readonly key: Buffer; entry: StreamEntry | undefined }
type Put = { readonly stream: number; readonly revision: number; readonly place: Place; readonly eventId: Buffer }
type Row = { readonly revision: number; readonly place: Place }

const streamIndexOf = (folder: string, database: RootDatabase<Buffer, Buffer>): StreamIndex => {
  const known = new Map<string, Known>()
  const streams = new Map<string, Known>()
  const rows = new Map<number, Row[]>()
  const ids = new Map<string, number>()
  let puts: Put[] = []
  const removed: Buffer[] = []
  let count = database.get(countKey)?.readUInt32LE(0) ?? 0

  /** Also that there is no such stream is worth remembering: every append to a new one asks several times. */
  const lookUp = (name: string): Known => {
    const remembered = known.get(name)
    if (remembered) return remembered
    const key = nameKey(name)
    const row = database.get(key)
    const entry = row && { name, id: row.readUInt32LE(0), last: row.readIntLE(4, 6), tombstoned: row[10] === 1 }
    if (known.size >= 50_000) forgetSome()
    const found = { key, entry }
    known.set(name, found)
    return found
  }

  const forgetSome = (): void => {
    let left = 10_000
    for (const name of known.keys()) {
      // What is not saved yet is known here alone.
      if (!streams.has(name)) known.delete(name)
      if (--left === 0) return
    }
  }

  const stream: StreamIndex['stream'] = (name) => lookUp(name).entry

  const unsavedRow = (id: number, revision: number): Row | undefined => {
    const list = rows.get(id)
    const first = list?.[0]
    if (!list || !first || revision < first.revision) return undefined
    // They follow each other, but a tombstone's.
    const row = revision === tombstoneRevision ? list.at(-1) : list[revision - first.revision]
    return row?.revision === revision ? row : undefined
  }

  const place: StreamIndex['place'] = (id, revision) => {
    const unsaved = unsavedRow(id, revision)
    if (unsaved) return unsaved.place
    const row = database.get(eventKey(id, revision))
    return row && { position: row.readUIntLE(0, 6), size: row.readUInt32LE(6) }
  }

  const nextRevision: StreamIndex['nextRevision'] = (id, revision) => {
    if (place(id, revision)) return revision
    for (const key of database.getKeys({ start: eventKey(id, revision), end: idKey(id, zeroId), limit: 1 }))
      return revisionIn(key)
    return rows.get(id)?.find((row) => row.revision >= revision)?.revision
  }

  const previousRevision: StreamIndex['previousRevision'] = (id, revision) => {
    if (place(id, revision)) return revision
    const unsaved = rows.get(id)?.findLast((row) => row.revision <= revision)
    if (unsaved) return unsaved.revision
    const range = { start: eventKey(id, revision), end: eventKey(id, 0), reverse: true, limit: 1 }
    for (const key of database.getKeys(range)) return revisionIn(key)
    return place(id, 0) ? 0 : undefined
  }

  /** Throws `DiskFull` where there is no space; then all is kept in memory, and may be flushed again. */
  const flush = (): void => {
    const changes = 2 * puts.length + streams.size + removed.length
    if (changes === 0) return
    const free = freeBytes(folder)
    if (free < spaceFor(changes)) throw new DiskFull(`the disk has too little space for the index: ${free} bytes are left`)
    // In the order of their keys, neighbours meet on one page.
    puts.sort((a, b) => a.stream - b.stream || a.revision - b.revision)
    database.transactionSync(() => {
      for (const { stream: id, revision, place: at, eventId } of puts) {
        database.putSync(eventKey(id, revision), placeRow(at))
        database.putSync(idKey(id, eventId), revisionRow(revision))
      }
      for (const key of removed) database.removeSync(key)
      for (const { key, entry } of streams.values()) database.putSync(key, streamRow(entry!))
      const total = Buffer.alloc(4)
      total.writeUInt32LE(count)
      database.putSync(countKey, total)
    })
    database.resetReadTxn()
    puts = []
    removed.length = 0
    streams.clear()
    rows.clear()
    ids.clear()
  }

  return {
    stream,
    makeStream: (name) => {
      const found = lookUp(name)
      found.entry = { name, id: count++, last: -1, tombstoned: false }
      streams.set(name, found)
      return found.entry
    },
    putStream: (entry) => {
      const found = lookUp(entry.name)
      found.entry = entry
      streams.set(entry.name, found)
    },
    place,
    nextRevision,
    previousRevision,
    revisionOf: (id, eventId) => ids.get(`${id} ${eventId}`) ?? database.get(idKey(id, uuidBytes(eventId)))?.readUIntLE(0, 6),
    putEvent: (id, revision, at, eventId) => {
      const list = rows.get(id)
      if (list) list.push({ revision, place: at })
      else rows.set(id, [{ revision, place: at }])
      ids.set(`${id} ${eventId}`, revision)
      puts.push({ stream: id, revision, place: at, eventId: uuidBytes(eventId) })
    },
    loadEvent: (id, revision, at, eventId) => {
      puts.push({ stream: id, revision, place: at, eventId })
    },
    removeEvent: (id, revision, eventId) => {
      removed.push(eventKey(id, revision))
      // The same id can stand in the stream again, later.
      const key = idKey(id, uuidBytes(eventId))
      if (database.get(key)?.readUIntLE(0, 6) === revision) removed.push(key)
    },
    unflushed: () => puts.length + removed.length,
    flush,
    close: async () => {
      flush()
      await database.close()
      const file = await openFile(fileOf(folder), 'r+')
      try {
        await file.sync()
        return { indexSize: (await file.stat()).size, indexSum: await sumOf(folder) }
      } finally {
        await file.close()
      }
    },
    discard: () => database.close(),
  }
}
