import { fieldSize, writeVarint } from '../platform/protobuf.js'
import { type NewEvent, noStream } from './store.js'

// A `BatchAppendReq`, written by hand.

const uuidSize = 38

/** The tag and the length of a field of wire type 2. */
const writeHead = (out: Buffer, at: number, field: number, size: number): number => {
  out[at] = field * 8 + 2
  return writeVarint(out, at + 1, size)
}

const writeBytes = (out: Buffer, at: number, field: number, bytes: Uint8Array): number => {
  const begin = writeHead(out, at, field, bytes.length)
  out.set(bytes, begin)
  return begin + bytes.length
}

/** Field 1, a UUID as text. */
const writeUuid = (out: Buffer, at: number, uuid: string): number => {
  const begin = writeHead(out, writeHead(out, at, 1, uuidSize), 2, uuid.length)
  return begin + out.write(uuid, begin, 'latin1')
}

/** An entry of the map that says what an event is. */
const pair = (key: string, value: string): Buffer => {
  const [name, text] = [Buffer.from(key), Buffer.from(value)]
  const size = fieldSize(name.length) + fieldSize(text.length)
  const out = Buffer.allocUnsafe(fieldSize(size))
  writeBytes(out, writeBytes(out, writeHead(out, 0, 2, size), 1, name), 2, text)
  return out
}

const contentType = pair('content-type', 'application/json')

type Measured = {
  readonly id: string
  readonly type: Buffer
  readonly metadata: string
  readonly metadataSize: number
  readonly data: string
  readonly dataSize: number
  readonly size: number
}

/** One message of the call, with gRPC's prefix of five bytes. `deadline`: milliseconds since 1970. */
export const encodeAppend = (
  correlation: string,
  streamId: string,
  events: readonly NewEvent[],
  expectedRevision: number,
  deadline: number,
): Buffer => {
  const measured = events.map(measure)
  const options = encodeOptions(streamId, expectedRevision, deadline)
  const proposed = measured.reduce((sum, { size }) => sum + fieldSize(size), 0)
  const size = fieldSize(uuidSize) + fieldSize(options.length) + proposed + 2
  const out = Buffer.allocUnsafe(5 + size)
  out[0] = 0
  out.writeUInt32BE(size, 1)
  let at = writeUuid(out, 5, correlation)
  at = writeBytes(out, at, 2, options)
  for (const event of measured) at = writeEvent(out, at, event)
  out[at] = 0x20
  out[at + 1] = 1
  return out
}

const measure = ({ id, type, data, metadata }: NewEvent): Measured => {
  const named = pair('type', type)
  const [dataText, metadataText] = [JSON.stringify(data), JSON.stringify(metadata)]
  const [dataSize, metadataSize] = [Buffer.byteLength(dataText), Buffer.byteLength(metadataText)]
  const size = fieldSize(uuidSize) + named.length + contentType.length + fieldSize(metadataSize) + fieldSize(dataSize)
  return { id, type: named, metadata: metadataText, metadataSize, data: dataText, dataSize, size }
}

const writeEvent = (out: Buffer, from: number, event: Measured): number => {
  let at = writeUuid(out, writeHead(out, from, 3, event.size), event.id)
  at += event.type.copy(out, at)
  at += contentType.copy(out, at)
  at = writeHead(out, at, 3, event.metadataSize)
  at += out.write(event.metadata, at)
  at = writeHead(out, at, 4, event.dataSize)
  return at + out.write(event.data, at)
}

const encodeOptions = (streamId: string, expectedRevision: number, deadline: number): Buffer => {
  const name = Buffer.from(streamId)
  const time = Buffer.allocUnsafe(20)
  const seconds = Math.floor(deadline / 1_000)
  time[0] = 0x08
  let timeEnd = writeVarint(time, 1, seconds)
  time[timeEnd] = 0x10
  timeEnd = writeVarint(time, timeEnd + 1, Math.floor(deadline - seconds * 1_000) * 1_000_000)
  const out = Buffer.allocUnsafe(fieldSize(fieldSize(name.length)) + 11 + fieldSize(timeEnd))
  let at = writeBytes(out, writeHead(out, 0, 1, fieldSize(name.length)), 3, name)
  if (expectedRevision === noStream) at = writeHead(out, at, 3, 0)
  else {
    out[at] = 0x10
    at = writeVarint(out, at + 1, expectedRevision)
  }
  return out.subarray(0, writeBytes(out, at, 6, time.subarray(0, timeEnd)))
}
