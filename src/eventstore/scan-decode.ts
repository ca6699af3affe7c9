import { eachField, readVarint, skipVarint } from '../platform/protobuf.js'
import type { EventMetadata, RecordedEvent } from './store.js'

/**
 * Events as they come over the wire, with the few fields that bulk readers need, and the rest left as bytes. By hand: the client's
 * message classes are ten times as slow.
 */
export type ScannedEvent = {
  readonly id: string
  readonly type: string
  readonly streamId: string
  /** Inexact for a tombstone's 2^63−1. */
  readonly revision: number
  readonly position: bigint
  readonly preparePosition: bigint
  /** Milliseconds since 1970. */
  readonly created: number
  readonly isJson: boolean
  readonly data: Buffer
  /** Empty where there is none. */
  readonly metadata: Buffer
}

/** The event as `Store.readAll` answers it: data and metadata parsed where they are JSON, else as they are. */
export const recorded = (event: ScannedEvent): RecordedEvent => ({
  id: event.id,
  type: event.type,
  data: event.isJson ? parsed(event.data, (text) => text) : event.data,
  metadata: (event.metadata.length === 0 ? {} : parsed(event.metadata, () => event.metadata)) as EventMetadata,
  streamId: event.streamId,
  revision: event.revision,
  position: event.position,
  preparePosition: event.preparePosition,
  created: new Date(event.created),
})

/** What is marked as JSON and isn't is given as it is, as the client does. */
const parsed = (bytes: Buffer, otherwise: (text: string) => unknown): unknown => {
  const text = bytes.toString('utf8')
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return otherwise(text)
    throw error
  }
}

const empty = Buffer.alloc(0)

/** The event in a `ReadResp`, the target of a resolved link included; `undefined` for what is no event. Throws `RangeError`. */
export const decodeEvent = (bytes: Buffer, from: number, to: number): ScannedEvent | undefined => {
  let event: ScannedEvent | undefined
  eachField(bytes, from, to, (field, at, end) => {
    if (field !== 1) return
    eachField(bytes, at, end, (inner, recordedAt, recordedEnd) => {
      if (inner === 1) event = decodeRecorded(bytes, recordedAt, recordedEnd)
    })
  })
  return event
}

const decodeRecorded = (bytes: Buffer, from: number, to: number): ScannedEvent => {
  let id = ''
  let type = ''
  let streamId = ''
  let revision = 0
  let position = 0n
  let preparePosition = 0n
  let created = 0
  let isJson = false
  let data: Buffer = empty
  let metadata: Buffer = empty
  eachField(bytes, from, to, (field, at, end) => {
    switch (field) {
      case 1:
        id = decodeId(bytes, at, end)
        break
      case 2:
        streamId = decodeName(bytes, at, end)
        break
      case 3:
        revision = readVarint(bytes, at)
        break
      case 4:
        preparePosition = readPosition(bytes, at)
        break
      case 5:
        position = readPosition(bytes, at)
        break
      case 6:
        eachPair(bytes, at, end, (key, valueAt, valueEnd) => {
          if (key === 'type') type = bytes.toString('utf8', valueAt, valueEnd)
          else if (key === 'content-type') isJson = bytes.toString('latin1', valueAt, valueEnd) === 'application/json'
          // Ticks of 100 nanoseconds: the last four digits are less than a millisecond.
          else if (key === 'created') created = Number(bytes.toString('latin1', valueAt, valueEnd - 4))
        })
        break
      case 7:
        metadata = bytes.subarray(at, end)
        break
      case 8:
        data = bytes.subarray(at, end)
        break
    }
  })
  return { id, type, streamId, revision, position, preparePosition, created, isJson, data, metadata }
}

const decodeName = (bytes: Buffer, from: number, to: number): string => {
  let name = ''
  eachField(bytes, from, to, (field, at, end) => {
    if (field === 3) name = bytes.toString('utf8', at, end)
  })
  return name
}

const decodeId = (bytes: Buffer, from: number, to: number): string => {
  let id = ''
  eachField(bytes, from, to, (field, at, end) => {
    if (field === 2) id = bytes.toString('latin1', at, end)
  })
  return id
}

type PairKey = 'type' | 'content-type' | 'created' | 'other'
// Of the keys that there are, the lengths differ.
const keysByLength: Readonly<Record<number, PairKey>> = { 4: 'type', 12: 'content-type', 7: 'created' }

const eachPair = (bytes: Buffer, from: number, to: number, take: (key: PairKey, at: number, end: number) => void): void => {
  let key: PairKey = 'other'
  eachField(bytes, from, to, (field, at, end) => {
    if (field === 1) key = keysByLength[end - at] ?? 'other'
    else if (field === 2) take(key, at, end)
  })
}

/** A 64-bit number that may be beyond 2^53. */
export const readPosition = (bytes: Buffer, at: number): bigint => {
  const near = readVarint(bytes, at)
  if (near <= Number.MAX_SAFE_INTEGER) return BigInt(near)
  let value = 0n
  const end = skipVarint(bytes, at)
  for (let i = end - 1; i >= at; i--) value = value * 128n + BigInt(bytes[i]! & 127)
  return value
}
