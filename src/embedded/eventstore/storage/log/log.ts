import { join } from 'node:path'
import type { Files } from '../files.js'
import { chainStart, hashesIn, linkOf } from './chain.js'
import { type Chunk, parseBackward, parseForward } from './chunk.js'
import { Damaged, NoStore } from './errors.js'
import { groupSize, isWhole, payloadAt, recordSize, sealGroup } from './record.js'
import { endOfGroups } from './recover.js'
import {
  createSegment,
  formatVersion,
  isSegmentName,
  isUnfinished,
  type Kept,
  offsetOf,
  openSegment,
  positionOf,
  replaceSegment,
  type Segment,
} from './segment.js'
import {
  isSyncedEndName,
  openSyncedEnd,
  readSyncedEnd,
  type SyncedEnd,
  type SyncedEndFiles,
  syncedEndName,
} from './synced-end.js'
import { createTail } from './tail.js'

export type EventLog = {
  /** The position after the last synced record. */
  readonly end: () => number
  /** Where the next group would begin. */
  readonly next: () => number
  readonly salt: () => number
  /** The chain after the last synced group. */
  readonly chain: () => Buffer
  /** Begins a new segment where the current one is full. */
  readonly makeRoom: () => Promise<void>
  /** Begins a new segment, unless the current one is empty. */
  readonly roll: () => Promise<void>
  /** Writes and syncs a group that was built for `next()`, its first `groupSize` bytes left free. */
  readonly commit: (group: Buffer) => Promise<void>
  /** After a write that found no space: takes back what came of it, and makes sure that all that was synced is there. Throws `Damaged`. */
  readonly restoreTail: () => Promise<void>
  /** Bytes that the log's disk has left. */
  readonly freeBytes: () => number
  /** The first place at or after a position where a record begins. */
  readonly align: (position: number) => Promise<number>
  /** About `bytes` of the records from an aligned position on; `undefined` at the end. Throws `Damaged`. */
  readonly forward: (position: number, bytes?: number) => Promise<Chunk | undefined>
  /** The records before an aligned position, the latest first; `undefined` at the beginning. Throws `Damaged`. */
  readonly backward: (position: number, bytes?: number) => Promise<Chunk | undefined>
  /** One record, whose size is known. Throws `Damaged`. */
  readonly record: (position: number, size: number) => Buffer
  readonly segments: () => readonly Segment[]
  readonly replace: (segment: Segment, kept: Kept) => Promise<void>
  /** Keeps a segment's file open while `use` runs, even if it is replaced meanwhile. */
  readonly reading: <T>(segment: Segment, use: () => Promise<T>) => Promise<T>
  /** `index`: its size and checksum, as it was closed. Without it: as if the log had not been closed. */
  readonly close: (index?: Pick<SyncedEnd, 'indexSize' | 'indexSum'>) => Promise<void>
}

export type OpenedLog = {
  readonly log: EventLog
  /** What was noted of a store that was closed in order. */
  readonly closed: SyncedEnd | undefined
  /** Bytes of a torn group that were cut off. */
  readonly cut: number
}

const chunkBytes = 256 * 1024
/** Who is this close to the end reads from memory; farther away, many small groups are one read of the file. */
const closeBehind = 64 * 1024

/** Whether these are the names of a store's files. */
export const isStore = (names: readonly string[]): boolean => names.some((name) => isSegmentName(name) || isSyncedEndName(name))

/** What may be where a store begins: what a first start left that did not get far, and what systems put into every folder. */
const mayBeThere = (name: string): boolean => isUnfinished(name) || name.startsWith('.') || ['lock', 'lost+found'].includes(name)

/** Opens the log in a folder, or begins one. Throws `Damaged`, `UnknownVersion` and `NoStore`, having changed nothing. */
export const openLog = async (files: Files, folder: string, { segmentBytes = 64 * 1024 * 1024 } = {}): Promise<OpenedLog> => {
  await files.makeFolder(folder)
  const noted = await readSyncedEnd(files, folder)
  const names = await files.list(folder)
  const foreign = isStore(names) ? undefined : names.find((name) => !mayBeThere(name))
  if (foreign !== undefined)
    throw new NoStore(`${folder} holds no event store, but other things (${foreign}): name a folder of its own`)
  const segments = await openSegments(files, folder, names.filter(isSegmentName).sort())
  try {
    if (segments.length === 0 && noted && noted.synced > 0)
      throw new Damaged(join(folder, syncedEndName), 0, 'the log it belongs to is missing')
    if ((segments.at(-1)?.end ?? 0) > 0 && !names.some(isSyncedEndName)) throw endUnknown(folder)
    const { cut, chain } = await recover(segments, noted)
    for (const name of names.filter(isUnfinished)) await files.remove(join(folder, name))
    await beginChained(files, folder, segments)
    const syncedEnd = await openSyncedEnd(files, folder, segments.at(-1)!.end)
    return {
      log: logOf(files, folder, segments, { syncedEnd, chain, segmentBytes }),
      closed: noted?.closed && cut === 0 ? noted : undefined,
      cut,
    }
  } catch (error) {
    for (const segment of segments) await segment.file.close()
    throw error
  }
}

/** They are there before the first event is, and no crash removes them: without them nobody can say whether the log's end is all there. */
export const endUnknown = (folder: string): Damaged =>
  new Damaged(
    join(folder, syncedEndName),
    0,
    'it and its copy are gone, and they alone know where the log must end: restore a backup, or take the log as it ends now ' +
      'with "tillroll eventstore accept-end"',
  )

const openSegments = async (files: Files, folder: string, names: readonly string[]): Promise<Segment[]> => {
  const segments: Segment[] = []
  try {
    for (const name of names) {
      const path = join(folder, name)
      const segment = await openSegment(files, path, name === names.at(-1) ? 'write' : 'read')
      segments.push(segment)
      const expected = segments.length > 1 ? segments.at(-2)!.end : 0
      if (segment.base === expected) continue
      const before = segments.at(-2)
      throw before
        ? new Damaged(
            before.path,
            before.start + before.bytes,
            `it ends at position ${expected}, and ${path} begins at ${segment.base}`,
          )
        : new Damaged(path, 16, 'the segments before it are missing')
    }
    return segments
  } catch (error) {
    for (const segment of segments) await segment.file.close()
    throw error
  }
}

/** The segment that is written to has a chain: behind a log without one it begins here. */
const beginChained = async (files: Files, folder: string, segments: Segment[]): Promise<void> => {
  const last = segments.at(-1)
  if (last && last.version === formatVersion) return
  if (last?.bytes === 0) {
    segments.pop()
    await last.file.close()
  }
  segments.push(await createSegment(files, folder, last?.end ?? 0, chainStart))
}

const recover = async (segments: readonly Segment[], noted: SyncedEnd | undefined): Promise<{ cut: number; chain: Buffer }> => {
  const last = segments.at(-1)
  if (!last) return { cut: 0, chain: chainStart }
  if (noted?.closed && noted.synced === last.end)
    return { cut: 0, chain: last.bytes === 0 || !noted.chain || last.version === 1 ? last.chain : noted.chain }
  if (last.runs) {
    // It was replaced when another was written to already.
    throw new Damaged(
      last.path,
      last.start + last.bytes,
      `the log ends here, at position ${last.end}, and what follows is missing`,
    )
  }
  const { bytes: whole, chain } = await endOfGroups(last, noted?.synced ?? 0)
  const cut = last.bytes - whole
  if (cut > 0) {
    await last.file.truncate(last.start + whole)
    await last.file.sync()
    last.bytes = whole
    last.end = last.base + whole
  }
  return { cut, chain: last.version === 1 ? chainStart : chain }
}

type LogParts = { readonly syncedEnd: SyncedEndFiles; readonly chain: Buffer; readonly segmentBytes: number }

const logOf = (files: Files, folder: string, segments: Segment[], { syncedEnd, segmentBytes, ...parts }: LogParts): EventLog => {
  let { chain } = parts
  const tail = createTail()
  const active = (): Segment => segments.at(-1)!
  const end = (): number => active().end

  /** The last segment that begins at or before a position. */
  const indexAt = (position: number): number => {
    let low = 0
    let high = segments.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (segments[middle]!.base <= position) low = middle + 1
      else high = middle
    }
    return Math.max(0, low - 1)
  }

  const reading: EventLog['reading'] = async (segment, use) => {
    segment.readers++
    try {
      return await use()
    } finally {
      segment.readers--
      if (segment.retired && segment.readers === 0) await segment.file.close()
    }
  }

  const roll = async (): Promise<void> => {
    if (active().bytes > 0) segments.push(await createSegment(files, folder, end(), chain))
  }

  const commit: EventLog['commit'] = async (group) => {
    const segment = active()
    const link = linkOf(chain, segment.end, group.length - groupSize, hashesIn(group.subarray(groupSize)))
    sealGroup(group, segment.end, segment.salt, link)
    await segment.file.writeDurably(group, segment.start + segment.bytes)
    chain = link
    tail.add(segment.end, group)
    segment.bytes += group.length
    segment.end += group.length
    syncedEnd.note(segment.end)
  }

  const restoreTail = async (): Promise<void> => {
    const segment = active()
    if (segment.runs) return
    await segment.file.truncate(segment.start + segment.bytes)
    await segment.file.sync()
    await endOfGroups(segment, segment.end)
  }

  const forward: EventLog['forward'] = async (position, bytes = chunkBytes) => {
    if (position >= end()) return undefined
    const recent = end() - position <= closeBehind ? tail.from(position) : undefined
    if (recent) return recent
    const index = indexAt(position)
    const segment = segments[index]!
    const offset = offsetOf(segment, position)
    if (offset >= segment.bytes) return index + 1 < segments.length ? forward(segments[index + 1]!.base, bytes) : undefined
    const limit = segment.bytes
    const buffer = Buffer.allocUnsafe(Math.min(bytes, limit - offset))
    await reading(segment, () => segment.file.read(buffer, segment.start + offset))
    const { chunk, missing } = parseForward(segment, buffer, offset)
    if (missing === 0) return chunk
    if (offset + missing > limit) throw new Damaged(segment.path, segment.start + offset, 'a record reaches beyond the end')
    return forward(position, missing)
  }

  const backward: EventLog['backward'] = async (position, bytes = chunkBytes) => {
    let index = indexAt(position)
    let before = offsetOf(segments[index]!, position)
    while (before === 0) {
      if (index === 0) return undefined
      index--
      before = segments[index]!.bytes
    }
    const segment = segments[index]!
    const from = Math.max(0, before - bytes)
    const buffer = Buffer.allocUnsafe(before - from)
    await reading(segment, () => segment.file.read(buffer, segment.start + from))
    const { chunk, missing } = parseBackward(segment, buffer, from)
    if (missing === 0) return chunk
    if (missing > before) throw new Damaged(segment.path, segment.start + before, 'a record reaches beyond the beginning')
    return backward(position, missing)
  }

  const record: EventLog['record'] = (position, size) => {
    const recent = tail.record(position, size)
    if (recent) return recent
    const segment = segments[indexAt(position)]!
    const bytes = Buffer.allocUnsafe(size)
    const offset = offsetOf(segment, position)
    const count = segment.file.readNow(bytes, segment.start + offset)
    if (count < size || recordSize(bytes, 0) !== size || !isWhole(bytes, 0, size, position, segment.salt)) {
      throw new Damaged(segment.path, segment.start + offset, `the record of position ${position} does not match its checksum`)
    }
    return bytes
  }

  const beginsRecord = async (position: number): Promise<boolean> => {
    const segment = segments[indexAt(position)]!
    const offset = offsetOf(segment, position)
    if (positionOf(segment, offset) !== position) return false
    const head = Buffer.alloc(payloadAt)
    await reading(segment, () => segment.file.read(head, segment.start + offset))
    const size = recordSize(head, 0)
    if (size === 0 || offset + size > segment.bytes) return false
    const bytes = Buffer.allocUnsafe(size)
    await reading(segment, () => segment.file.read(bytes, segment.start + offset))
    return isWhole(bytes, 0, size, position, segment.salt)
  }

  const align: EventLog['align'] = async (position) => {
    if (position <= 0) return 0
    if (position >= end()) return end()
    if (await beginsRecord(position)) return position
    let from = segments[indexAt(position)]!.base
    for (let chunk = await forward(from); chunk; chunk = await forward(from)) {
      const found = chunk.positions.find((candidate) => candidate >= position)
      if (found !== undefined) return found
      from = chunk.next
    }
    return end()
  }

  return {
    end,
    next: () => active().end,
    salt: () => active().salt,
    chain: () => chain,
    makeRoom: async () => {
      if (active().bytes >= segmentBytes || active().runs) await roll()
    },
    roll,
    commit,
    restoreTail,
    freeBytes: () => files.freeBytes(folder),
    align,
    forward,
    backward,
    record,
    reading,
    segments: () => segments,
    replace: async (segment, kept) => {
      const replaced = await replaceSegment(files, folder, segment, kept)
      segments[segments.indexOf(segment)] = replaced
      // It may hold what was just removed.
      tail.clear()
      segment.retired = true
      if (segment.readers === 0) await segment.file.close()
    },
    close: async (index) => {
      await syncedEnd.close(index && { ...index, synced: end(), closed: true, chain })
      for (const segment of segments) await segment.file.close()
    },
  }
}
