import type { Files } from '../files.js'
import { hashesIn, linkOf } from './chain.js'
import { createReading, type Reading } from './reading.js'
import { groupSize, sealGroup } from './record.js'
import { endOfGroups } from './recover.js'
import { createSegment, type Kept, replaceSegment, type Segment } from './segment.js'
import type { SyncedEnd, SyncedEndFiles } from './synced-end.js'
import { createTail } from './tail.js'

export type EventLog = Reading & {
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
  readonly segments: () => readonly Segment[]
  readonly replace: (segment: Segment, kept: Kept) => Promise<void>
  /** `index`: its size and checksum, as it was closed. Without it: as if the log had not been closed. */
  readonly close: (index?: Pick<SyncedEnd, 'indexSize' | 'indexSum'>) => Promise<void>
}

/** Of a log that was opened (`open.ts`). */
export type LogParts = { readonly syncedEnd: SyncedEndFiles; readonly chain: Buffer; readonly segmentBytes: number }

export const createEventLog = (
  files: Files,
  folder: string,
  segments: Segment[],
  { syncedEnd, segmentBytes, ...parts }: LogParts,
): EventLog => {
  let { chain } = parts
  const tail = createTail()
  const active = (): Segment => segments.at(-1)!
  const end = (): number => active().end

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
    ...createReading(segments, tail),
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
