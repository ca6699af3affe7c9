import { type Chunk, parseBackward, parseForward } from './chunk.js'
import { Damaged } from './errors.js'
import { isWhole, payloadAt, recordSize } from './record.js'
import { offsetOf, positionOf, type Segment } from './segment.js'
import type { Tail } from './tail.js'

export type Reading = {
  /** The first place at or after a position where a record begins. */
  readonly align: (position: number) => Promise<number>
  /** About `bytes` of the records from an aligned position on; `undefined` at the end. Throws `Damaged`. */
  readonly forward: (position: number, bytes?: number) => Promise<Chunk | undefined>
  /** The records before an aligned position, the latest first; `undefined` at the beginning. Throws `Damaged`. */
  readonly backward: (position: number, bytes?: number) => Promise<Chunk | undefined>
  /** One record, whose size is known. Throws `Damaged`. */
  readonly record: (position: number, size: number) => Buffer
  /** Keeps a segment's file open while `use` runs, even if it is replaced meanwhile. */
  readonly reading: <T>(segment: Segment, use: () => Promise<T>) => Promise<T>
}

const chunkBytes = 256 * 1024
/** Who is this close to the end reads from memory; farther away, many small groups are one read of the file. */
const closeBehind = 64 * 1024

/** Reads a log's segments, of which the array may grow and change: the newest records from memory, the rest from the files. */
export const createReading = (segments: readonly Segment[], tail: Pick<Tail, 'from' | 'record'>): Reading => {
  const end = (): number => segments.at(-1)!.end

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

  const reading: Reading['reading'] = async (segment, use) => {
    segment.readers++
    try {
      return await use()
    } finally {
      segment.readers--
      if (segment.retired && segment.readers === 0) await segment.file.close()
    }
  }

  const forward: Reading['forward'] = async (position, bytes = chunkBytes) => {
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

  const backward: Reading['backward'] = async (position, bytes = chunkBytes) => {
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

  const record: Reading['record'] = (position, size) => {
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

  const align: Reading['align'] = async (position) => {
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

  return { align, forward, backward, record, reading }
}
