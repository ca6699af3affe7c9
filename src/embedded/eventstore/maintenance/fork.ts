import { copyFile, constants as fsConstants, link, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf } from '../../../platform/errors.js'
import { openEvent, type StoredEvent } from '../storage/event.js'
import { diskFiles, type Files } from '../storage/files.js'
import { NoStore } from '../storage/log/errors.js'
import { endOfGroups } from '../storage/log/recover.js'
import { eachRecord } from '../storage/log/scan.js'
import { isSegmentName, openSegment, type Segment } from '../storage/log/segment.js'
import { openSyncedEnd, readSyncedEnd } from '../storage/log/synced-end.js'
import { alone, cutOf, writeCut } from './cut.js'
import { decodeReceipt, type Receipt } from './receipt.js'

/** How far a fork goes: as far as the log does; to an event's position (inclusive); or before the first event that `isPast` names. */
export type Until = 'now' | { readonly position: number } | { readonly isPast: (event: StoredEvent) => boolean }

export type ForkOptions = {
  readonly source: string
  /** A folder that is there and empty. */
  readonly target: string
  readonly until: Until
  /** The position up to which the log is synced; see `endOfLog` for a store that is not running. */
  readonly end: number
  readonly files?: Files
  readonly signal?: AbortSignal
  /** Positions. */
  readonly onProgress?: (done: number, total: number) => void
}

export type Forked = {
  /** Where the fork's own log goes on. */
  readonly position: number
  /** Segments that both share on the disk, and segments that could not be linked and were copied. */
  readonly linked: number
  readonly copied: number
  /** To be noted in the fork, for its chain: they cover what scavenges removed, and stand behind its end in the log that it comes from. */
  readonly receipts: readonly Receipt[]
}

/**
 * Makes a log of its own of the beginning of another, which is only read, and may be written meanwhile. Segments before the cut are the same
 * files, linked where the file system allows (nobody ever writes into a segment that has another behind it: a scavenge puts a new file
 * in its place); the one in which the cut falls is written anew. The last segment is the fork's own, and empty. Throws `Damaged` and `NoStore`.
 */
export const forkLog = async ({
  source,
  target,
  end,
  until,
  files = diskFiles,
  signal,
  onProgress,
}: ForkOptions): Promise<Forked> => {
  const names = await segmentsBefore(files, source, end)
  const counts = { linked: 0, copied: 0 }
  let scavenged = false
  for (const [i, name] of names.entries()) {
    signal?.throwIfAborted()
    const next = names[i + 1]
    counts[await linkOrCopy(join(source, name), join(target, name))]++
    const segment = await openSegment(files, join(target, name), 'read')
    try {
      onProgress?.(segment.base, end)
      scavenged ||= segment.runs !== undefined && segment.version > 1
      if (next !== undefined && isBefore(until, baseOf(next))) continue
      const limit = segment.runs ? segment.bytes : Math.min(segment.bytes, end - segment.base)
      const cut = await cutOf(segment, limit, isPastOf(until))
      if (!cut.isPast && next !== undefined) continue
      // It is written anew, in its place.
      await rm(join(target, name))
      counts.linked--
      const own = await writeCut(files, target, segment, cut)
      const receipts = [...(scavenged ? await laterReceipts(files, source, segment.base, cut.position) : []), ...own]
      await (await openSyncedEnd(files, target, cut.position)).close(undefined)
      await files.syncFolder(target)
      return { position: cut.position, linked: counts.linked, copied: counts.copied, receipts }
    } finally {
      await segment.file.close()
    }
  }
  throw new NoStore(`${source} holds no log`)
}

const baseOf = (name: string): number => Number.parseInt(name.slice(4), 16)

const segmentsBefore = async (files: Files, folder: string, end: number): Promise<string[]> => {
  const names = (await files.list(folder)).filter(isSegmentName).sort()
  return names.filter((name, i) => i === 0 || baseOf(name) < end)
}

/** Whether all that stands before this position is before the cut, so that nothing of it need be looked at. */
const isBefore = (until: Until, position: number): boolean =>
  until === 'now' || ('position' in until && position <= until.position)

const isPastOf = (until: Until): ((event: StoredEvent) => boolean) => {
  if (until === 'now') return () => false
  return 'isPast' in until ? until.isPast : (event) => event.position > until.position
}

/** What a file system that has no links, or another one, answers. */
const cannotLink = new Set(['EXDEV', 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EACCES'])

const linkOrCopy = async (from: string, to: string): Promise<'linked' | 'copied'> => {
  try {
    await link(from, to)
    return 'linked'
  } catch (error) {
    if (!cannotLink.has(codeOf(error) ?? '')) throw error
    await copyFile(from, to, fsConstants.COPYFILE_FICLONE | fsConstants.COPYFILE_EXCL)
    return 'copied'
  }
}

/** Receipts that stand behind the cut for segments before the one that was cut. */
const laterReceipts = async (files: Files, source: string, base: number, cut: number): Promise<Receipt[]> => {
  const receipts: Receipt[] = []
  const names = (await files.list(source)).filter(isSegmentName).sort()
  for (const [i, name] of names.entries()) {
    const next = names[i + 1]
    if (next !== undefined && baseOf(next) <= cut) continue
    const segment = await openSegment(files, join(source, name), 'read')
    try {
      // Of the last one, what is being written now is no concern of the fork's.
      const limit = next === undefined && !segment.runs ? (await endOfGroups(segment, 0)).bytes : segment.bytes
      for await (const { kind, bytes, at, position } of eachRecord(alone, segment, limit)) {
        const receipt = kind === 'receipt' && position >= cut ? decodeReceipt(bytes, at) : undefined
        if (receipt && receipt.base < base) receipts.push(receipt)
      }
    } finally {
      await segment.file.close()
    }
  }
  return receipts
}

/** Where the log of a store ends that is not running: behind its last whole group. Changes nothing. Throws `Damaged` and `NoStore`. */
export const endOfLog = async (folder: string, files: Files = diskFiles): Promise<number> => {
  const last = (await files.list(folder)).filter(isSegmentName).sort().at(-1)
  if (last === undefined) throw new NoStore(`${folder} holds no log`)
  const noted = await readSyncedEnd(files, folder)
  const segment: Segment = await openSegment(files, join(folder, last), 'read')
  try {
    return segment.runs ? segment.end : segment.base + (await endOfGroups(segment, noted?.synced ?? 0)).bytes
  } finally {
    await segment.file.close()
  }
}

/** The first event of a log that is wanted, where there is one. Throws `Damaged`. */
export const firstEvent = async (
  folder: string,
  isWanted: (event: StoredEvent) => boolean,
  files: Files = diskFiles,
): Promise<StoredEvent | undefined> => {
  for (const name of (await files.list(folder)).filter(isSegmentName).sort()) {
    const segment = await openSegment(files, join(folder, name), 'read')
    try {
      for await (const { kind, bytes, at } of eachRecord(alone, segment)) {
        const event = kind === 'event' ? openEvent(bytes, at) : undefined
        if (event && isWanted(event)) return event
      }
    } finally {
      await segment.file.close()
    }
  }
  return undefined
}
