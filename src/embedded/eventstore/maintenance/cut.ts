import { createHash, type Hash } from 'node:crypto'
import { openEvent, type StoredEvent, streamOf } from '../storage/event.js'
import type { Files } from '../storage/files.js'
import { chainStart, hashOf, linkOf } from '../storage/log/chain.js'
import { decodeRemoved, groupSizeOf, kinds, linkAt, overhead, payloadAt, sealRecord } from '../storage/log/record.js'
import { checkedChunks, eachRecord, type ScannedRecord } from '../storage/log/scan.js'
import { createSegment, type Runs, replaceSegment, runBefore, type Segment } from '../storage/log/segment.js'
import type { Receipt } from './receipt.js'

/** Where a segment is cut, always between two appends. */
export type Cut = {
  /** The position where the log goes on, and the place in the segment, counted from its first record. */
  readonly position: number
  readonly offset: number
  /** The chain of what is left. */
  readonly chain: Buffer
  /** The first record of the last group, of which not all is left. */
  readonly shortened?: { readonly offset: number; readonly record: Buffer }
  /** Whether an event was met that is past the moment. */
  readonly isPast: boolean
}

/** For segments that nobody writes to. */
export const alone = { reading: <T>(_: Segment, use: () => Promise<T>): Promise<T> => use() }

type Group = { readonly offset: number; readonly position: number; readonly link: Buffer; readonly records: ScannedRecord[] }
/** One append, as far as a log tells: the events of one stream that follow each other in a group. */
type Unit = { readonly stream: string | undefined; readonly offset: number; readonly position: number; readonly before: number }

/**
 * Where the segment is cut so that nothing past the moment is left, nor a part of an append: before the append that holds the first event
 * which `isPast` names; else at `limit` bytes, where a group ends. Throws `Damaged`.
 */
export const cutOf = async (segment: Segment, limit: number, isPast: (event: StoredEvent) => boolean): Promise<Cut> => {
  let chain = segment.version === 1 ? chainStart : segment.chain
  let group: Group | undefined
  let unit: Unit | undefined
  let end = segment.base
  for await (const record of eachRecord(alone, segment, limit)) {
    const { kind, bytes, at, offset, position, size } = record
    end = position + size
    if (kind === 'group') {
      if (group) chain = group.link
      const link = segment.version === 1 ? chainStart : Buffer.from(linkAt(bytes, at))
      group = { offset, position, link, records: [] }
      unit = undefined
      continue
    }
    const event = kind === 'event' ? openEvent(bytes, at) : undefined
    const stream = event && streamOf(event).replace(/^\$\$/, '')
    // What an old scavenge has left has no groups, and nobody can tell its appends apart.
    if (!unit || !group || stream === undefined || unit.stream !== stream)
      unit = { stream, offset, position, before: group?.records.length ?? 0 }
    if (event && isPast(event)) return { ...cutAt(segment, chain, group, unit), isPast: true }
    group?.records.push(record)
  }
  return { position: segment.runs ? segment.end : end, offset: limit, chain: group?.link ?? chain, isPast: false }
}

const cutAt = (segment: Segment, chain: Buffer, group: Group | undefined, unit: Unit): Omit<Cut, 'isPast'> => {
  if (!group) return { position: unit.position, offset: unit.offset, chain }
  if (unit.before === 0) return { position: group.position, offset: group.offset, chain }
  const size = groupSizeOf(segment.version)
  const length = unit.position - group.position - size
  const link = segment.version === 1 ? chainStart : linkOf(chain, group.position, length, hashesOf(group.records, unit.before))
  const record = Buffer.alloc(size)
  record.writeUInt32LE(length, payloadAt)
  if (segment.version > 1) record.set(link, payloadAt + 4)
  sealRecord(record, 0, kinds.group, size - overhead, group.position, segment.salt)
  return { position: unit.position, offset: unit.offset, chain: link, shortened: { offset: group.offset, record } }
}

/** Those that the chain links, of the first records of a group. */
const hashesOf = (records: readonly ScannedRecord[], count: number): Uint8Array[] =>
  records
    .slice(0, count)
    .filter(({ kind }) => kind !== 'head')
    .map(({ kind, bytes, at, size }) =>
      kind === 'removed' ? decodeRemoved(bytes, at).hash : hashOf(bytes.subarray(at, at + size)),
    )

/**
 * Writes what is left of the segment into a folder, and behind it an empty segment of a salt of its own, where the log goes on. Answers
 * the receipts that cover what scavenges had removed from what is left. Throws `Damaged`.
 */
export const writeCut = async (files: Files, folder: string, segment: Segment, cut: Cut): Promise<readonly Receipt[]> => {
  const receipts = cut.offset === 0 ? [] : await writeRest(files, folder, segment, cut)
  await (await createSegment(files, folder, cut.position, segment.version === 1 ? chainStart : cut.chain)).file.close()
  return receipts
}

const writeRest = async (files: Files, folder: string, segment: Segment, cut: Cut): Promise<readonly Receipt[]> => {
  const kept = { runs: runsBefore(segment, cut.position), bytes: cut.offset, chunks: chunksOf(segment, cut) }
  const rest = await replaceSegment(files, folder, { ...segment, end: cut.position }, kept)
  try {
    return segment.runs ? await receiptsFor(rest) : []
  } finally {
    await rest.file.close()
  }
}

const runsBefore = ({ base, runs }: Segment, position: number): Runs => {
  if (!runs) return { positions: Float64Array.of(base), offsets: Float64Array.of(0) }
  const count = runBefore(runs.positions, position - 1) + 1
  return { positions: runs.positions.slice(0, count), offsets: runs.offsets.slice(0, count) }
}

async function* chunksOf(segment: Segment, { offset: end, shortened }: Cut): AsyncIterable<Buffer> {
  let offset = 0
  for await (const chunk of checkedChunks(alone, segment, end)) {
    const at = shortened ? shortened.offset - offset : -1
    // A chunk ends where a record does.
    if (shortened && at >= 0 && at < chunk.length) shortened.record.copy(chunk, at)
    yield chunk
    offset += chunk.length
  }
}

/** What `verify` will find to be removed, and wants covered: the scavenge's own receipts are about more than is left. */
const receiptsFor = async (segment: Segment): Promise<readonly Receipt[]> => {
  const runs = new Map<number, { removed: number; readonly digest: Hash }>()
  let run: { removed: number; readonly digest: Hash } | undefined
  for await (const { kind, bytes, at, size } of eachRecord(alone, segment)) {
    const record = bytes.subarray(at, at + size)
    if (kind === 'head') run?.digest.update(record)
    if (kind !== 'removed') continue
    const { run: number } = decodeRemoved(bytes, at)
    run = runs.get(number) ?? { removed: 0, digest: createHash('sha256') }
    runs.set(number, run)
    run.removed++
    run.digest.update(record)
  }
  const at = new Date().toISOString()
  return [...runs].map(([number, { removed, digest }]) => ({
    run: number,
    at,
    base: segment.base,
    removed,
    digest: digest.digest('hex'),
  }))
}
