import { createReadStream } from 'node:fs'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { crc32 } from 'node:zlib'
import { diskFiles } from '../storage/files.js'
import { Damaged, UnknownVersion } from '../storage/log/errors.js'
import { checkedChunks } from '../storage/log/scan.js'
import { isSegmentName, readStart } from '../storage/log/segment.js'
import { openSyncedEnd } from '../storage/log/synced-end.js'
import type { Store } from '../storage/store.js'

/**
 * A backup is one file: its beginning, then each segment (name, size, bytes), the position up to which it was synced, and a checksum
 * of everything before it.
 */
const magic = 'trollbak'
const version = 1
const headSize = 16
const entrySize = 32
const endSize = 16
const chunkBytes = 1024 * 1024

/** A backup of a store as it is now, while it goes on. Throws `Damaged` where the store is: no backup is made of that. */
export async function* backupOf(store: Store): AsyncIterable<Buffer> {
  const segments = store.log.segments().map((segment) => ({ segment, bytes: segment.bytes }))
  const end = store.log.end()
  let sum = 0
  const counted = (bytes: Buffer): Buffer => {
    sum = crc32(bytes, sum)
    return bytes
  }
  // All are held before the first is read, so that none is closed under way.
  for (const { segment } of segments) segment.readers++
  try {
    yield counted(headOf(segments.length))
    for (const { segment, bytes } of segments) {
      const size = segment.start + bytes
      yield counted(entryOf(basename(segment.path), size))
      yield counted(await readStart(segment))
      for await (const chunk of checkedChunks(store.log, segment, bytes)) yield counted(chunk)
    }
    const last = Buffer.alloc(endSize)
    last.writeDoubleLE(end, 0)
    last.writeUInt32LE(crc32(last.subarray(0, 8), sum), 8)
    yield last
  } finally {
    for (const { segment } of segments) {
      segment.readers--
      if (segment.retired && segment.readers === 0) await segment.file.close()
    }
  }
}

const headOf = (count: number): Buffer => {
  const head = Buffer.alloc(headSize)
  head.write(magic, 0, 'latin1')
  head.writeUInt32LE(version, 8)
  head.writeUInt32LE(count, 12)
  return head
}

const entryOf = (name: string, size: number): Buffer => {
  const entry = Buffer.alloc(entrySize)
  entry.write(name, 0, 'latin1')
  entry.writeDoubleLE(size, 24)
  return entry
}

/** Writes a backup to a file: under another name first, so that what has the name is whole and durable. Answers its size. */
export const writeBackup = async (chunks: AsyncIterable<Uint8Array>, path: string): Promise<number> => {
  const unfinished = `${path}.new`
  const file = await open(unfinished, 'w', 0o600)
  let size = 0
  try {
    try {
      for await (const chunk of chunks) {
        await file.writeFile(chunk)
        size += chunk.length
      }
      await file.sync()
    } finally {
      await file.close()
    }
    await readBackup(unfinished, async () => undefined)
    await rename(unfinished, path)
    await diskFiles.syncFolder(dirname(path))
    return size
  } catch (error) {
    await rm(unfinished, { force: true })
    throw error
  }
}

/**
 * Makes a store from a backup, in a folder that is empty or not there: all of it or nothing. Its index is made when it is opened.
 * Throws `Damaged` and `UnknownVersion`.
 */
export const restore = async (path: string, folder: string): Promise<void> => {
  const there = await diskFiles.list(folder)
  if (there.length > 0) throw new Error(`${folder} is not empty`)
  const unfinished = `${folder}.restoring`
  await rm(unfinished, { recursive: true, force: true })
  await mkdir(unfinished, { recursive: true, mode: 0o700 })
  try {
    const end = await readBackup(path, (name) => open(join(unfinished, name), 'wx', 0o600))
    const syncedEnd = await openSyncedEnd(diskFiles, unfinished, end)
    await syncedEnd.close(undefined)
    await diskFiles.syncFolder(unfinished)
    await rm(folder, { recursive: true, force: true })
    await rename(unfinished, folder)
    await diskFiles.syncFolder(dirname(folder))
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true })
    throw error
  }
}

type Target = Awaited<ReturnType<typeof open>> | undefined

/** Reads a backup through, checks it, and writes its segments to what `create` answers. Answers the position it reaches. */
const readBackup = async (path: string, create: (name: string) => Promise<Target>): Promise<number> => {
  const source = takeFrom(path)
  try {
    const head = await source.take(headSize)
    if (head.toString('latin1', 0, 8) !== magic) throw new Damaged(path, 0, 'it is no backup')
    const found = head.readUInt32LE(8)
    if (found !== version) throw new UnknownVersion(`${path} has version ${found}, known is ${version}`)
    const count = head.readUInt32LE(12)
    for (let i = 0; i < count; i++) {
      const entry = await source.take(entrySize)
      const name = entry.toString('latin1', 0, 24).replaceAll('\0', '')
      if (!isSegmentName(name)) throw new Damaged(path, source.at() - entrySize, 'no segment begins here')
      await copy(source, entry.readDoubleLE(24), await create(name))
    }
    const last = await source.take(8)
    const sum = source.sum()
    if ((await source.take(endSize - 8)).readUInt32LE(0) !== sum)
      throw new Damaged(path, source.at(), 'it does not match its checksum')
    if (await source.more()) throw new Damaged(path, source.at(), 'it goes on after its end')
    return last.readDoubleLE(0)
  } finally {
    source.close()
  }
}

const copy = async (source: Source, size: number, target: Target): Promise<void> => {
  try {
    for (let left = size; left > 0; ) {
      const chunk = await source.take(Math.min(left, chunkBytes))
      // Not `write`, which may write a part and say so.
      await target?.writeFile(chunk)
      left -= chunk.length
    }
    await target?.sync()
  } finally {
    await target?.close()
  }
}

type Source = ReturnType<typeof takeFrom>

const takeFrom = (path: string) => {
  const stream = createReadStream(path, { highWaterMark: chunkBytes })
  const chunks = stream[Symbol.asyncIterator]()
  let held: Buffer = Buffer.alloc(0)
  let at = 0
  let sum = 0
  const fill = async (size: number): Promise<boolean> => {
    while (held.length < size) {
      const next = await chunks.next()
      if (next.done) return false
      held = Buffer.concat([held, next.value as Buffer])
    }
    return true
  }
  return {
    take: async (size: number): Promise<Buffer> => {
      if (!(size >= 0) || !(await fill(size))) throw new Damaged(path, at + held.length, 'it is cut short')
      const taken = held.subarray(0, size)
      held = held.subarray(size)
      at += size
      sum = crc32(taken, sum)
      return taken
    },
    more: () => fill(1),
    at: () => at,
    sum: () => sum,
    close: () => stream.destroy(),
  }
}
