import { createHash, type Hash, randomBytes } from 'node:crypto'
import { isYoung } from '../protocol/links.js'
import { idOf, openEvent, type StoredEvent, streamOf, tombstoneRevision } from '../storage/event.js'
import { hashOf } from '../storage/log/chain.js'
import { decodeHead, encodeHead, encodeRemoved, kinds } from '../storage/log/record.js'
import { eachRecord } from '../storage/log/scan.js'
import type { Kept, Runs, Segment } from '../storage/log/segment.js'
import { firstVisible } from '../storage/metadata.js'
import type { Store, Stream } from '../storage/store.js'
import { encodeReceipt, type Receipt } from './receipt.js'

export type ScavengeReport = {
  readonly events: number
  readonly removed: number
  readonly bytesBefore: number
  readonly bytesAfter: number
}

export type OnProgress = (done: number, total: number) => void

/**
 * Rewrites the segments without what metadata, deletes and tombstones have made unreachable, while the store goes on: what was
 * removed is gone from the disk. Positions and revisions stay. Throws `Damaged`.
 */
export const scavenge = async (store: Store, now: number, onProgress?: OnProgress): Promise<ScavengeReport> => {
  const { log } = store
  // What was written just now shall be looked at too, and the segment that is written to is not rewritten.
  await store.roll()
  const sealed = log.segments().filter((segment) => segment !== log.segments().at(-1))
  const total = sealed.reduce((sum, segment) => sum + segment.bytes, 0)
  const report = { events: 0, removed: 0, bytesBefore: total, bytesAfter: 0 }
  const run = randomBytes(4).readUInt32LE(0)
  let done = 0
  for (const segment of sealed) {
    const plan = await planFor(store, segment, { now, run })
    report.events += plan.events
    report.removed += plan.removed.length
    const changes = plan.removed.length > 0 || plan.headsRemoved > 0
    if (changes) {
      // First, so that nothing is ever missing without it.
      if (segment.version > 1) await store.note(kinds.receipt, encodeReceipt(receiptOf(plan, segment, { now, run })))
      await forget(store, plan.removed)
      await log.replace(segment, keep(store, segment, plan))
    }
    report.bytesAfter += changes ? plan.bytes : segment.bytes
    done += segment.bytes
    onProgress?.(done, total)
  }
  return report
}

type Run = {
  /** Milliseconds since 1970. */
  readonly now: number
  /** A number of this run's own, which what it leaves refers to. */
  readonly run: number
}

const receiptOf = ({ removed, digest }: Plan, { base }: Segment, { now, run }: Run): Receipt => ({
  run,
  at: new Date(now).toISOString(),
  base,
  removed: removed.length,
  digest: digest.digest('hex'),
})

/** What a new segment is made of: pieces of the old one, and heads. Offsets count from the segment's first record. */
type Piece =
  | { readonly position: number; readonly from: number; to: number }
  | { readonly position: number; readonly left: Buffer }
type Removed = { readonly stream: number; readonly revision: number; readonly id: string }
type Plan = { pieces: Piece[]; removed: Removed[]; headsRemoved: number; events: number; bytes: number; digest: Hash }

const planFor = async (store: Store, segment: Segment, { now, run }: Run): Promise<Plan> => {
  const plan: Plan = { pieces: [], removed: [], headsRemoved: 0, events: 0, bytes: 0, digest: createHash('sha256') }
  const keepRecord = (position: number, offset: number, size: number): void => {
    const last = plan.pieces.at(-1)
    if (last && 'to' in last && last.to === offset && position - last.position === offset - last.from) last.to = offset + size
    else plan.pieces.push({ position, from: offset, to: offset + size })
    plan.bytes += size
  }
  for await (const { kind, bytes, at, position, offset, size } of eachRecord(store.log, segment)) {
    if (kind === 'head') {
      const head = decodeHead(bytes, at)
      // Where there is a chain its receipt covers it.
      if (segment.version > 1 || store.stream(head.name).last === head.last) keepRecord(position, offset, size)
      else plan.headsRemoved++
    } else if (kind !== 'event') {
      if (segment.version > 1) keepRecord(position, offset, size)
    } else if (kind === 'event') {
      plan.events++
      const event = openEvent(bytes, at)
      const stream = store.stream(streamOf(event))
      if (isReachable(stream, event, now)) {
        keepRecord(position, offset, size)
        continue
      }
      plan.removed.push({ stream: stream.id, revision: event.revision, id: idOf(event) })
      const left: Buffer[] = []
      if (segment.version > 1)
        left.push(encodeRemoved({ run, hash: hashOf(bytes.subarray(at, at + size)) }, position, segment.salt))
      // Its revisions go on after the last one, if it ever lives again. Both are shorter than any event of the stream.
      if (event.revision === stream.last && !stream.tombstoned)
        left.push(encodeHead({ name: stream.name, last: stream.last }, position + (left[0]?.length ?? 0), segment.salt))
      for (const record of left) plan.digest.update(record)
      const piece = Buffer.concat(left)
      if (piece.length === 0) continue
      plan.pieces.push({ position, left: piece })
      plan.bytes += piece.length
    }
  }
  return plan
}

const isReachable = (stream: Stream, event: StoredEvent, now: number): boolean => {
  if (event.revision === tombstoneRevision) return true
  if (stream.tombstoned || stream.bounds.deleted) return false
  return event.revision >= firstVisible(stream.bounds, stream.last) && isYoung(event, stream.bounds.maxAge, now)
}

const batch = 2_000

/** Before the segment is replaced: nobody reads these events, but nobody may look for them in the new segment either. */
const forget = async (store: Store, removed: readonly Removed[]): Promise<void> => {
  for (let i = 0; i < removed.length; i += batch) {
    store.index.flush()
    for (const { stream, revision, id } of removed.slice(i, i + batch)) store.index.removeEvent(stream, revision, id)
    store.index.flush()
    await new Promise(setImmediate)
  }
}

const keep = (store: Store, segment: Segment, { pieces, bytes }: Plan): Kept => {
  const runs: Runs = { positions: new Float64Array(pieces.length), offsets: new Float64Array(pieces.length) }
  let offset = 0
  for (const [index, piece] of pieces.entries()) {
    runs.positions[index] = piece.position
    runs.offsets[index] = offset
    offset += 'left' in piece ? piece.left.length : piece.to - piece.from
  }
  return { runs, bytes, chunks: chunksOf(store, segment, pieces) }
}

const writeSize = 1024 * 1024

async function* chunksOf(store: Store, segment: Segment, pieces: readonly Piece[]): AsyncIterable<Uint8Array> {
  let parts: Buffer[] = []
  let held = 0
  const add = (part: Buffer): boolean => {
    parts.push(part)
    held += part.length
    return held >= writeSize
  }
  const take = (): Buffer => {
    const whole = Buffer.concat(parts, held)
    parts = []
    held = 0
    return whole
  }
  for (const piece of pieces) {
    if ('left' in piece) {
      if (add(piece.left)) yield take()
      continue
    }
    for (let from = piece.from; from < piece.to; from += writeSize) {
      const part = Buffer.allocUnsafe(Math.min(writeSize, piece.to - from))
      await store.log.reading(segment, () => segment.file.read(part, segment.start + from))
      if (add(part)) yield take()
    }
  }
  if (held > 0) yield take()
}
