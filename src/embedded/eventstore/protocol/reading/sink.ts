import type { StoredEvent } from '../../storage/event.js'
import type { Chunk } from '../../storage/log/chunk.js'
import { messageAt } from '../../storage/log/record.js'
import type { Call } from '../call.js'
import { type Encoding, encodeForReader } from '../links.js'

const writeSize = 64 * 1024

/** Collects what goes to a reader into writes of some size. At most one of them is in memory: `flush` waits for the reader. */
export type Sink = {
  readonly add: (message: Buffer) => void
  readonly event: (event: StoredEvent, record: number, size: number) => void
  readonly isFull: () => boolean
  /** `false` when nobody listens any more. */
  readonly flush: () => Promise<boolean>
}

export const createSink = (call: Call, encoding: Encoding): Sink => {
  let parts: Buffer[] = []
  let bytes = 0
  const add = (message: Buffer): void => {
    parts.push(message)
    bytes += message.length
  }
  return {
    add,
    event: (event, record, size) =>
      add(encodeForReader(event, event.bytes.subarray(record + messageAt, record + size - 4), encoding)),
    isFull: () => bytes >= writeSize,
    flush: async () => {
      if (parts.length === 0) return !call.isOver()
      const whole = parts.length === 1 ? parts[0]! : Buffer.concat(parts, bytes)
      parts = []
      bytes = 0
      return call.write(whole)
    },
  }
}

/** The messages of a chunk's first events side by side; in the chunk's own memory, where it is nobody else's. */
export const pack = (chunk: Chunk, count: number): Buffer => {
  const { buffer, offsets, sizes } = chunk
  let total = 0
  for (let i = 0; i < count; i++) total += sizes[i]! - messageAt - 4
  const target = chunk.shared ? Buffer.allocUnsafe(total) : buffer
  let at = 0
  for (let i = 0; i < count; i++) at += buffer.copy(target, at, offsets[i]! + messageAt, offsets[i]! + sizes[i]! - 4)
  return target.subarray(0, total)
}
