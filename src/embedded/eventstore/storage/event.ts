import { lengthDelimited, readVarint, skipVarint, varintSize, writeVarint } from '../../../platform/protobuf.js'
import { payloadAt } from './log/record.js'

/**
 * Events in the form of the wire: a `ReadResp` that holds one `ReadEvent` with one `RecordedEvent`. They are written once, with their
 * fields in this order, and sent as they are.
 */
export type NewEvent = {
  /** Lower-case UUID text. */
  readonly id: string
  readonly type: string
  readonly json: boolean
  readonly data: Uint8Array
  readonly customMetadata: Uint8Array
}

export type Recording = {
  readonly stream: Uint8Array
  readonly revision: number
  readonly position: number
  /** Milliseconds since 1970. */
  readonly created: number
}

/** Stands for the revision 2^63−1, which no JavaScript number holds: the revision of a `$streamDeleted`. */
export const tombstoneRevision = 2 ** 48 - 1
const tombstoneBytes = Uint8Array.from([255, 255, 255, 255, 255, 255, 255, 255, 127])
const idSize = 40

const text = (value: string): Buffer => Buffer.from(value, 'utf8')
const mapEntry = (key: string, value: Uint8Array): Buffer =>
  lengthDelimited(6, Buffer.concat([lengthDelimited(1, text(key)), lengthDelimited(2, value)]))
const jsonEntry = mapEntry('content-type', text('application/json'))
const binaryEntry = mapEntry('content-type', text('application/octet-stream'))
const typeKey = lengthDelimited(1, text('type'))
const createdKey = lengthDelimited(1, text('created'))
// 100-nanosecond ticks since 1970: 17 digits from 1973 to 2286.
const createdDigits = 17
const createdEntrySize = createdKey.length + 2 + createdDigits

const delimited = (size: number): number => 1 + varintSize(size) + size

type Sizes = { stream: number; name: number; type: number; typeEntry: number; recorded: number; readEvent: number; total: number }

const sizesOf = (event: NewEvent, at: Recording): Sizes => {
  const name = delimited(at.stream.length)
  const type = Buffer.byteLength(event.type)
  const typeEntry = typeKey.length + delimited(type)
  const position = varintSize(at.position)
  const revision = at.revision === tombstoneRevision ? tombstoneBytes.length : varintSize(at.revision)
  const recorded =
    idSize +
    delimited(name) +
    (1 + revision) +
    2 * (1 + position) +
    delimited(typeEntry) +
    (event.json ? jsonEntry : binaryEntry).length +
    delimited(createdEntrySize) +
    (event.customMetadata.length > 0 ? delimited(event.customMetadata.length) : 0) +
    delimited(event.data.length)
  const readEvent = delimited(recorded) + 1 + position
  return { stream: at.stream.length, name, type, typeEntry, recorded, readEvent, total: delimited(readEvent) }
}

/** The size of the encoded event, in bytes. */
export const eventSize = (event: NewEvent, at: Recording): number => sizesOf(event, at).total

const head = (target: Buffer, at: number, field: number, size: number): number => {
  target[at] = field * 8 + 2
  return writeVarint(target, at + 1, size)
}

const put = (target: Buffer, at: number, bytes: Uint8Array): number => {
  target.set(bytes, at)
  return at + bytes.length
}

const integer = (target: Buffer, at: number, field: number, value: number): number => {
  target[at] = field * 8
  return writeVarint(target, at + 1, value)
}

/** Writes the event at an offset of a buffer that is large enough; answers the offset after it. */
export const writeEvent = (target: Buffer, offset: number, event: NewEvent, recording: Recording): number => {
  const sizes = sizesOf(event, recording)
  let at = head(target, offset, 1, sizes.readEvent)
  at = head(target, at, 1, sizes.recorded)
  at = head(target, at, 1, idSize - 2)
  at = head(target, at, 2, 36)
  at += target.write(event.id, at, 'latin1')
  at = head(target, at, 2, sizes.name)
  at = put(target, head(target, at, 3, sizes.stream), recording.stream)
  if (recording.revision === tombstoneRevision) {
    target[at] = 3 * 8
    at = put(target, at + 1, tombstoneBytes)
  } else at = integer(target, at, 3, recording.revision)
  at = integer(target, at, 4, recording.position)
  at = integer(target, at, 5, recording.position)
  at = put(target, head(target, at, 6, sizes.typeEntry), typeKey)
  at = head(target, at, 2, sizes.type)
  at += target.write(event.type, at, 'utf8')
  at = put(target, at, event.json ? jsonEntry : binaryEntry)
  at = put(target, head(target, at, 6, createdEntrySize), createdKey)
  at = head(target, at, 2, createdDigits)
  at += target.write(`${recording.created}0000`, at, 'latin1')
  if (event.customMetadata.length > 0) at = put(target, head(target, at, 7, event.customMetadata.length), event.customMetadata)
  at = put(target, head(target, at, 8, event.data.length), event.data)
  return integer(target, at, 3, recording.position)
}

/** A stored event, opened where it lies: offsets into its record. */
export type StoredEvent = {
  readonly bytes: Buffer
  /** The `RecordedEvent` without its tag and length. */
  readonly recordedAt: number
  readonly recordedEnd: number
  readonly idAt: number
  readonly streamAt: number
  readonly streamEnd: number
  readonly revision: number
  readonly position: number
  readonly typeAt: number
  readonly typeEnd: number
  readonly json: boolean
  readonly createdAt: number
  readonly metadataAt: number
  readonly metadataEnd: number
  readonly dataAt: number
  readonly dataEnd: number
}

/** Opens the event in the record that begins at an offset. */
export const openEvent = (bytes: Buffer, record = 0): StoredEvent => {
  let at = skipVarint(bytes, record + payloadAt + 1)
  const recordedSize = readVarint(bytes, at + 1)
  const recordedAt = skipVarint(bytes, at + 1)
  const recordedEnd = recordedAt + recordedSize
  const idAt = recordedAt + 4
  at = recordedAt + idSize
  at = skipVarint(bytes, at + 1)
  const streamSize = readVarint(bytes, at + 1)
  const streamAt = skipVarint(bytes, at + 1)
  const streamEnd = streamAt + streamSize
  const stored = readVarint(bytes, streamEnd + 1)
  at = skipVarint(bytes, streamEnd + 1)
  const position = readVarint(bytes, at + 1)
  at = skipVarint(bytes, at + 1)
  at = skipVarint(bytes, at + 1)
  at = skipVarint(bytes, at + 1) + typeKey.length
  const typeSize = readVarint(bytes, at + 1)
  const typeAt = skipVarint(bytes, at + 1)
  const typeEnd = typeAt + typeSize
  const json = bytes[typeEnd + 1] === jsonEntry[1]
  const createdAt = typeEnd + (json ? jsonEntry : binaryEntry).length + 2 + createdKey.length + 2
  at = createdAt + createdDigits
  let metadataAt = at
  let metadataEnd = at
  if (bytes[at] === 7 * 8 + 2) {
    const size = readVarint(bytes, at + 1)
    metadataAt = skipVarint(bytes, at + 1)
    metadataEnd = metadataAt + size
    at = metadataEnd
  }
  const dataSize = readVarint(bytes, at + 1)
  const dataAt = skipVarint(bytes, at + 1)
  return {
    bytes,
    recordedAt,
    recordedEnd,
    idAt,
    streamAt,
    streamEnd,
    revision: stored >= 2 ** 62 ? tombstoneRevision : stored,
    position,
    typeAt,
    typeEnd,
    json,
    createdAt,
    metadataAt,
    metadataEnd,
    dataAt,
    dataEnd: dataAt + dataSize,
  }
}

/** Lower-case UUID text. */
export const idOf = (event: StoredEvent): string => event.bytes.toString('latin1', event.idAt, event.idAt + 36)
/** The id as 16 bytes: for millions of events, without text in between. */
export const idBytesOf = ({ bytes, idAt }: StoredEvent): Buffer => {
  const id = Buffer.allocUnsafe(16)
  let at = idAt
  for (let i = 0; i < 16; i++) {
    if (bytes[at] === hyphen) at++
    id[i] = hexValue[bytes[at]!]! * 16 + hexValue[bytes[at + 1]!]!
    at += 2
  }
  return id
}
const hyphen = 0x2d
const hexValue = Uint8Array.from({ length: 128 }, (_, code) => Math.max(0, '0123456789abcdef'.indexOf(String.fromCharCode(code))))

export const streamOf = (event: StoredEvent): string => event.bytes.toString('utf8', event.streamAt, event.streamEnd)
export const typeOf = (event: StoredEvent): string => event.bytes.toString('utf8', event.typeAt, event.typeEnd)
/** The data where it lies: a view, not a copy. */
export const dataOf = (event: StoredEvent): Buffer => event.bytes.subarray(event.dataAt, event.dataEnd)
/** Milliseconds since 1970. */
export const createdOf = (event: StoredEvent): number =>
  Number(event.bytes.toString('latin1', event.createdAt, event.createdAt + createdDigits - 4))
