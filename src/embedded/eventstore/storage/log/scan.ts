import { Damaged } from './errors.js'
import { isWhole, kinds, payloadAt, recordSize } from './record.js'
import { positionOf, type Segment } from './segment.js'

export type ScannedRecord = {
  readonly kind: 'event' | 'group' | 'head' | 'removed' | 'receipt'
  /** Where the record stands: in these bytes, as a position, and in the segment, counted from its first record. */
  readonly bytes: Buffer
  readonly at: number
  readonly position: number
  readonly offset: number
  readonly size: number
}

const chunkBytes = 1024 * 1024
const names: Readonly<Record<number, ScannedRecord['kind']>> = {
  [kinds.event]: 'event',
  [kinds.group]: 'group',
  [kinds.head]: 'head',
  [kinds.removed]: 'removed',
  [kinds.receipt]: 'receipt',
}

type Reading = { readonly reading: <T>(segment: Segment, use: () => Promise<T>) => Promise<T> }

/** All the records of a segment as it is now, or up to `limit` bytes of them, each checked. Throws `Damaged`. */
export async function* eachRecord(log: Reading, segment: Segment, limit = segment.bytes): AsyncIterable<ScannedRecord> {
  let offset = 0
  let wanted = chunkBytes
  while (offset < limit) {
    const bytes = Buffer.allocUnsafe(Math.min(wanted, limit - offset))
    await log.reading(segment, () => segment.file.read(bytes, segment.start + offset))
    let at = 0
    while (at + payloadAt <= bytes.length) {
      const position = positionOf(segment, offset + at)
      const size = recordSize(bytes, at)
      if (size > 0 && at + size > bytes.length && offset + at + size <= limit) break
      const kind = names[bytes[at + 4]!]
      if (size === 0 || !kind || !isWhole(bytes, at, size, position, segment.salt)) {
        throw new Damaged(
          segment.path,
          segment.start + offset + at,
          `the record of position ${position} does not match its checksum`,
        )
      }
      yield { kind, bytes, at, position, offset: offset + at, size }
      at += size
    }
    if (at === 0 && bytes.length === limit - offset)
      throw new Damaged(segment.path, segment.start + offset, 'a record is cut short')
    wanted = at === 0 ? Math.max(chunkBytes, recordSize(bytes, 0)) : chunkBytes
    offset += at
  }
}

/** The bytes of a segment's records in their order, each record checked before it is passed on. Throws `Damaged`. */
export async function* checkedChunks(log: Reading, segment: Segment, limit = segment.bytes): AsyncIterable<Buffer> {
  let chunk: Buffer | undefined
  let end = 0
  for await (const { bytes, at, size } of eachRecord(log, segment, limit)) {
    if (chunk && chunk !== bytes) yield chunk.subarray(0, end)
    chunk = bytes
    end = at + size
  }
  if (chunk) yield chunk.subarray(0, end)
}
