import { join } from 'node:path'
import { openEvent, streamOf, tombstoneRevision } from '../storage/event.js'
import { diskFiles, type Files } from '../storage/files.js'
import type { StreamIndex } from '../storage/index/stream-index.js'
import { Damaged } from '../storage/log/errors.js'
import { endUnknown } from '../storage/log/open.js'
import { decodeHead } from '../storage/log/record.js'
import { endOfGroups } from '../storage/log/recover.js'
import { eachRecord } from '../storage/log/scan.js'
import { isSegmentName, openSegment, type Segment } from '../storage/log/segment.js'
import { isSyncedEndName, readSyncedEnd } from '../storage/log/synced-end.js'
import type { Store } from '../storage/store.js'
import type { OnProgress } from './scavenge.js'
import { type ChainHead, type ChainReport, followChain } from './verify-chain.js'

export type VerifyReport = {
  readonly segments: number
  readonly events: number
  readonly streams: number
  readonly bytes: number
  /** A group that a crash has torn; it was never acknowledged, and is cut off when the store is opened. */
  readonly tornBytes: number
  /** What is wrong, by file and place. Empty: the store is whole. */
  readonly problems: readonly string[]
  readonly chain: ChainReport
}

type Findings = {
  segments: number
  events: number
  bytes: number
  tornBytes: number
  problems: string[]
  last: Map<string, number>
  chain: ReturnType<typeof followChain>
}

const findings = (sealed?: ChainHead): Findings => {
  const problems: string[] = []
  const chain = followChain((text) => problems.push(text), sealed)
  return { segments: 0, events: 0, bytes: 0, tornBytes: 0, problems, last: new Map(), chain }
}
const reportOf = ({ last, chain, ...rest }: Findings): VerifyReport => ({ chain: chain.end(), ...rest, streams: last.size })
const reading = { reading: <T>(_: Segment, use: () => Promise<T>): Promise<T> => use() }

/** Reads all of a running store, checks every sum, the chain, and the index against the log. `sealed`: a head that its chain must hold. */
export const verifyStore = async (store: Store, onProgress?: OnProgress, sealed?: ChainHead): Promise<VerifyReport> => {
  const found = findings(sealed)
  const total = store.log.end()
  for (const segment of [...store.log.segments()]) {
    await verifySegment(found, store.log, segment, store.index)
    onProgress?.(segment.end, total)
  }
  return reportOf(found)
}

export type VerifyOptions = {
  readonly onProgress?: OnProgress
  /** Whether a store that doesn't say where its log must end is no problem. */
  readonly endMayBeUnknown?: boolean
  readonly sealed?: ChainHead | undefined
  readonly files?: Files
}

/** The same of a store that is not open, changing nothing. Throws `UnknownVersion`. */
export const verifyFolder = async (
  folder: string,
  { onProgress, endMayBeUnknown = false, sealed, files = diskFiles }: VerifyOptions = {},
): Promise<VerifyReport> => {
  const found = findings(sealed)
  const noted = await readSyncedEnd(files, folder)
  const there = await files.list(folder)
  const names = there.filter(isSegmentName).sort()
  if (names.length === 0) found.problems.push(`${folder} holds no log`)
  let end = 0
  for (const [index, name] of names.entries()) {
    const segment = await note(found, () => openSegment(files, join(folder, name), 'read'))
    if (!segment) continue
    try {
      if (segment.base !== end)
        found.problems.push(`${segment.path} begins at position ${segment.base}, the one before ends at ${end}`)
      const last = index === names.length - 1
      const whole = last && !segment.runs ? await note(found, () => endOfGroups(segment, noted?.synced ?? 0)) : undefined
      if (whole !== undefined) {
        found.tornBytes = segment.bytes - whole.bytes
        segment.bytes = whole.bytes
        segment.end = segment.base + whole.bytes
      }
      await verifySegment(found, reading, segment)
      end = segment.end
      if (last && segment.runs && !endMayBeUnknown && !(noted?.closed && noted.synced === end)) {
        found.problems.push(`${segment.path} is the last one, and what follows it is missing`)
        // With its receipts.
        found.chain.lose()
      }
      onProgress?.(index + 1, names.length)
    } finally {
      await segment.file.close()
    }
  }
  if (end > 0 && !endMayBeUnknown && !there.some(isSyncedEndName)) found.problems.push(endUnknown(folder).message)
  return reportOf(found)
}

const note = async <T>(found: Findings, work: () => Promise<T>): Promise<T | undefined> => {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof Damaged)) throw error
    found.chain.lose()
    if (!found.problems.includes(error.message)) found.problems.push(error.message)
    return undefined
  }
}

const verifySegment = (found: Findings, log: typeof reading, segment: Segment, index?: StreamIndex): Promise<void> =>
  note(found, async () => {
    found.segments++
    found.bytes += segment.bytes
    let before = -1
    found.chain.begin(segment)
    for await (const record of eachRecord(log, segment)) {
      const { kind, bytes, at, position, offset, size } = record
      found.chain.take(segment, record)
      if (position <= before) found.problems.push(`${segment.path}: position ${position} follows ${before}`)
      before = position
      if (kind === 'head') {
        const { name, last } = decodeHead(bytes, at)
        found.last.set(name, Math.max(last, found.last.get(name) ?? -1))
      }
      if (kind !== 'event') continue
      found.events++
      const event = openEvent(bytes, at)
      const name = streamOf(event)
      const where = `${segment.path} at byte ${segment.start + offset}`
      if (event.position !== position)
        found.problems.push(`${where}: the event says position ${event.position}, it is ${position}`)
      if (event.revision !== tombstoneRevision) {
        const last = found.last.get(name) ?? -1
        if (event.revision <= last) found.problems.push(`${where}: revision ${event.revision} of ${name} follows ${last}`)
        found.last.set(name, event.revision)
      }
      if (index) verifyIndex(found, index, name, event.revision, { position, size }, where)
    }
    found.chain.finish(segment)
  }).then(() => undefined)

const verifyIndex = (
  found: Findings,
  index: StreamIndex,
  name: string,
  revision: number,
  expected: { position: number; size: number },
  where: string,
): void => {
  const entry = index.stream(name)
  const place = entry && index.place(entry.id, revision)
  if (place?.position === expected.position && place.size === expected.size) return
  found.problems.push(`${where}: the index has revision ${revision} of ${name} at ${place?.position ?? 'no'} position`)
}
