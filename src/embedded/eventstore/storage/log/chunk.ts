import { Damaged } from './errors.js'
import { isWhole, kinds, overhead, payloadAt, recordSize } from './record.js'
import { positionOf, type Segment } from './segment.js'

/** Some of the log's events, in the order they were asked for. */
export type Chunk = {
  readonly buffer: Buffer
  /** Where each record begins in the buffer, its size and its position. */
  readonly offsets: number[]
  readonly sizes: number[]
  readonly positions: number[]
  /** Where the records begin that a scavenge left in place of a stream's last event. */
  readonly heads: number[]
  /** Others read this buffer too. */
  readonly shared: boolean
  /** The place to go on from, in the same direction. */
  next: number
}

type Parsed = { readonly chunk: Chunk; readonly missing: number }

const emptyChunk = (buffer: Buffer, next: number): Chunk => ({
  buffer,
  offsets: [],
  sizes: [],
  positions: [],
  heads: [],
  shared: false,
  next,
})

/** `missing`: the bytes that the first record needs, where not even that one is all there. */
export const parseForward = (segment: Segment, buffer: Buffer, offset: number): Parsed => {
  const chunk = emptyChunk(buffer, 0)
  let at = 0
  while (at < buffer.length) {
    if (at + payloadAt > buffer.length) break
    const size = recordSize(buffer, at)
    const position = positionOf(segment, offset + at)
    if (size === 0) throw notWhole(segment, offset + at, position)
    if (at + size > buffer.length) break
    if (!isWhole(buffer, at, size, position, segment.salt)) throw notWhole(segment, offset + at, position)
    if (buffer[at + 4] === kinds.event) add(chunk, at, size, position)
    else if (buffer[at + 4] === kinds.head) chunk.heads.push(at)
    at += size
  }
  if (at === 0) return { chunk, missing: Math.max(payloadAt, recordSize(buffer, 0)) }
  chunk.next = positionOf(segment, offset + at)
  return { chunk, missing: 0 }
}

/** The same of a buffer whose end is the end of a record, the latest record first. */
export const parseBackward = (segment: Segment, buffer: Buffer, offset: number): Parsed => {
  const chunk = emptyChunk(buffer, 0)
  let at = buffer.length
  while (at >= overhead) {
    const size = buffer.readUInt32LE(at - 4)
    if (size < overhead) throw notWhole(segment, offset + at - 4, positionOf(segment, offset + at))
    if (size > at) break
    const position = positionOf(segment, offset + at - size)
    if (recordSize(buffer, at - size) !== size || !isWhole(buffer, at - size, size, position, segment.salt)) {
      throw notWhole(segment, offset + at - size, position)
    }
    at -= size
    if (buffer[at + 4] === kinds.event) add(chunk, at, size, position)
  }
  if (at === buffer.length) return { chunk, missing: buffer.readUInt32LE(at - 4) }
  chunk.next = positionOf(segment, offset + at)
  return { chunk, missing: 0 }
}

const add = (chunk: Chunk, at: number, size: number, position: number): void => {
  chunk.offsets.push(at)
  chunk.sizes.push(size)
  chunk.positions.push(position)
}

/** The error for a record that is not what was written; `offset` counts from the segment's first record. */
export const notWhole = (segment: Segment, offset: number, position: number): Damaged =>
  new Damaged(segment.path, segment.start + offset, `the record of position ${position} does not match its checksum`)
