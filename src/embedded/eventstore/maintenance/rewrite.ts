import { join } from 'node:path'
import {
  createdOf,
  dataOf,
  eventSize,
  idOf,
  type NewEvent,
  openEvent,
  type Recording,
  type StoredEvent,
  streamOf,
  typeOf,
  writeEvent,
} from '../storage/event.js'
import { diskFiles, type Files } from '../storage/files.js'
import type { EventLog } from '../storage/log/log.js'
import { openLog } from '../storage/log/open.js'
import { decodeHead, encodeHead, groupSize, kinds, maxPayload, overhead, payloadAt, sealRecord } from '../storage/log/record.js'
import { eachRecord } from '../storage/log/scan.js'
import { isSegmentName, openSegment } from '../storage/log/segment.js'
import { alone } from './cut.js'

/** What of an event may become another; its id, type, revision and time stay. */
export type Rewritable = {
  readonly stream: string
  readonly type: string
  readonly json: boolean
  readonly data: Uint8Array
  readonly customMetadata: Uint8Array
}

export type Rewrite = {
  readonly event: (event: Rewritable) => Pick<Rewritable, 'stream' | 'data' | 'customMetadata'>
  /** The name of a stream of which nothing is left but how far it went. */
  readonly stream: (name: string) => string
}

export type RewriteOptions = {
  readonly source: string
  readonly target: string
  readonly rewrite: Rewrite
  readonly files?: Files
  readonly signal?: AbortSignal
  /** Positions of the source. */
  readonly onProgress?: (done: number, total: number) => void
}

/** About the bytes of a group. One sync each: a log of many small groups would take one for each event. */
const groupBytes = 1024 * 1024

/**
 * Writes the events of a log that nobody has open into another folder, in their order, each as `rewrite` makes it. Their positions are new;
 * the chain begins anew, so nothing tells what a scavenge had removed. Throws `Damaged`.
 */
export const rewriteLog = async (options: RewriteOptions): Promise<void> => {
  const { source, target, rewrite, files = diskFiles, signal, onProgress } = options
  const { log } = await openLog(files, target)
  try {
    const groups = groupsInto(log)
    const names = (await files.list(source)).filter(isSegmentName).sort()
    const total = Number.parseInt(names.at(-1)?.slice(4) ?? '0', 16)
    for (const name of names) {
      const segment = await openSegment(files, join(source, name), 'read')
      try {
        onProgress?.(segment.base, total)
        for await (const { kind, bytes, at } of eachRecord(alone, segment)) {
          if (kind === 'event') await groups.add(...rewritten(openEvent(bytes, at), rewrite))
          else if (kind === 'head') {
            const { name: stream, last } = decodeHead(bytes, at)
            await groups.addHead(rewrite.stream(stream), last)
          }
          signal?.throwIfAborted()
        }
      } finally {
        await segment.file.close()
      }
    }
    await groups.end()
  } finally {
    await log.close()
  }
}

const rewritten = (event: StoredEvent, rewrite: Rewrite): [NewEvent, Omit<Recording, 'position'>] => {
  const [stream, type, data, json] = [streamOf(event), typeOf(event), dataOf(event), event.json]
  const customMetadata = event.bytes.subarray(event.metadataAt, event.metadataEnd)
  const after = rewrite.event({ stream, type, json, data, customMetadata })
  return [
    { id: idOf(event), type, json, data: after.data, customMetadata: after.customMetadata },
    { stream: Buffer.from(after.stream, 'utf8'), revision: event.revision, created: createdOf(event) },
  ]
}

const groupsInto = (log: EventLog) => {
  let buffer = Buffer.allocUnsafe(2 * groupBytes)
  let length = groupSize

  const end = async (): Promise<void> => {
    if (length === groupSize) return
    await log.commit(buffer.subarray(0, length))
    // The log keeps it for its readers.
    buffer = Buffer.allocUnsafe(2 * groupBytes)
    length = groupSize
  }

  const reserve = async (size: number): Promise<void> => {
    if (length >= groupBytes || length + size > buffer.length) await end()
    // A group stands in one segment.
    if (length === groupSize) await log.makeRoom()
    if (length + size > buffer.length) buffer = Buffer.allocUnsafe(length + size)
  }

  return {
    add: async (event: NewEvent, recording: Omit<Recording, 'position'>): Promise<void> => {
      // Twice, because the size depends on the position, which may be in a group that is yet to begin.
      await reserve(eventSize(event, { ...recording, position: log.next() + length }) + overhead + 8)
      const at = { ...recording, position: log.next() + length }
      const size = eventSize(event, at)
      if (size > maxPayload) throw new RangeError(`an event of ${size} bytes is too large`)
      writeEvent(buffer, length + payloadAt, event, at)
      length += sealRecord(buffer, length, kinds.event, size, at.position, log.salt())
    },
    addHead: async (name: string, last: number): Promise<void> => {
      const size = encodeHead({ name, last }, 0, 0).length
      await reserve(size)
      length += encodeHead({ name, last }, log.next() + length, log.salt()).copy(buffer, length)
    },
    end,
  }
}
