import type { Chunk } from './chunk.js'
import { kinds, recordSize } from './record.js'

type Group = { readonly position: number; readonly bytes: Buffer }

export type Tail = {
  readonly add: (position: number, bytes: Buffer) => void
  /** The events of the group at or after an aligned position; `undefined` where it is no longer kept. */
  readonly from: (position: number) => Chunk | undefined
  readonly record: (position: number, size: number) => Buffer | undefined
  readonly clear: () => void
}

const gone: Group = { position: 0, bytes: Buffer.alloc(0) }

/** The newest groups, kept in memory for those who follow the log closely; at most `limit` bytes. */
export const createTail = (limit = 16 * 1024 * 1024): Tail => {
  let groups: Group[] = []
  let first = 0
  let bytes = 0

  const find = (position: number): Group | undefined => {
    if (first >= groups.length || groups[first]!.position > position) return undefined
    let low = first
    let high = groups.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (groups[middle]!.position <= position) low = middle + 1
      else high = middle
    }
    const group = groups[low - 1]!
    return position < group.position + group.bytes.length ? group : undefined
  }

  return {
    add: (position, group) => {
      groups.push({ position, bytes: exact(group) })
      bytes += group.length
      while (bytes > limit && first < groups.length) {
        bytes -= groups[first]!.bytes.length
        // The list is shortened now and then only, and must not hold what has left.
        groups[first++] = gone
      }
      if (first > 1024 && first * 2 > groups.length) {
        groups = groups.slice(first)
        first = 0
      }
    },
    from: (position) => {
      const group = find(position)
      return group && events(group, position)
    },
    record: (position, size) => {
      const group = find(position)
      return group?.bytes.subarray(position - group.position, position - group.position + size)
    },
    clear: () => {
      groups = []
      first = 0
      bytes = 0
    },
  }
}

/** A group was built in a buffer with room to grow, which would be kept with it. */
const exact = (group: Buffer): Buffer => {
  if (group.buffer.byteLength === group.length) return group
  const copy = Buffer.allocUnsafeSlow(group.length)
  group.copy(copy)
  return copy
}

const events = ({ position: base, bytes }: Group, from: number): Chunk => {
  const chunk: Chunk = {
    buffer: bytes,
    offsets: [],
    sizes: [],
    positions: [],
    heads: [],
    shared: true,
    next: base + bytes.length,
  }
  let at = from - base
  while (at < bytes.length) {
    const size = recordSize(bytes, at)
    if (bytes[at + 4] === kinds.event) {
      chunk.offsets.push(at)
      chunk.sizes.push(size)
      chunk.positions.push(base + at)
    }
    at += size
  }
  return chunk
}
