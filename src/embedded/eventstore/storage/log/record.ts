import { crc32 } from 'node:zlib'

/**
 * The log is a chain of records:
 *
 *     0   checksum (CRC-32) of what follows up to the trailing size; it also covers the record's position and the store's salt
 *     4   kind
 *     5   0, then the payload's length, big-endian: gRPC's five bytes, so that an event is sent as it is stored
 *     10  payload
 *     ..  size of the whole record, so that the log can be read backwards
 */
export const overhead = 14
/** Where the payload begins in a record. */
export const payloadAt = 10
/** Where the bytes begin that gRPC sends. */
export const messageAt = 5

/** Stored numbers: they never change. */
export const kinds = {
  /** An encoded `ReadResp` that holds one event. */
  event: 1,
  /** Begins what one sync made durable; its payload is the length of the rest of the group. */
  group: 2,
  /** What a scavenge leaves of a stream whose last event went: its name and last revision. */
  head: 3,
  /** What a scavenge leaves of a removed record, for the chain: the number of the run, and the record's hash. */
  removed: 4,
  /** What a scavenge removed from one segment, written before it does. */
  receipt: 5,
} as const

/** The larger of a payload's limits: what an append may hold, and what its events' metadata may add. */
export const maxPayload = 17 * 1024 * 1024

/** A record that is moved to another place, or into another store, does not pass for whole. */
const seed = (position: number, salt: number): number =>
  (salt ^ (position >>> 0) ^ Math.imul(Math.floor(position / 0x1_0000_0000), 0x9e3779b1)) >>> 0

/** Closes the record whose payload of `length` bytes stands at `at + payloadAt`; answers the record's size. */
export const sealRecord = (target: Buffer, at: number, kind: number, length: number, position: number, salt: number): number => {
  const size = length + overhead
  target[at + 4] = kind
  target[at + 5] = 0
  target.writeUInt32BE(length, at + 6)
  target.writeUInt32LE(crc32(target.subarray(at + 4, at + payloadAt + length), seed(position, salt)), at)
  target.writeUInt32LE(size, at + size - 4)
  return size
}

/** The size of the whole record that begins at `at`, or 0 where none can begin: not yet checked. */
export const recordSize = (source: Buffer, at: number): number => {
  if (at + payloadAt > source.length || source[at + 5] !== 0) return 0
  const length = source.readUInt32BE(at + 6)
  return length > maxPayload ? 0 : length + overhead
}

/** Whether the record of this size at `at` is the one that was written at this position of this store. */
export const isWhole = (source: Buffer, at: number, size: number, position: number, salt: number): boolean =>
  at + size <= source.length &&
  source.readUInt32LE(at + size - 4) === size &&
  crc32(source.subarray(at + 4, at + size - 4), seed(position, salt)) === source.readUInt32LE(at)

/** The size of a group's first record, by the version of its segment; the chain begins with version 2. */
export const groupSizeOf = (version: number): number => overhead + 4 + (version === 1 ? 0 : 32)
export const groupSize = groupSizeOf(2)

/** Closes the group whose first record is left free: its payload is the length of the rest, and the chain after it. */
export const sealGroup = (target: Buffer, position: number, salt: number, link: Uint8Array): void => {
  target.writeUInt32LE(target.length - groupSize, payloadAt)
  target.set(link, payloadAt + 4)
  sealRecord(target, 0, kinds.group, groupSize - overhead, position, salt)
}

/** The chain after the group whose first record stands at `at`. */
export const linkAt = (bytes: Buffer, at: number): Buffer => bytes.subarray(at + payloadAt + 4, at + groupSize - 4)

/** A group of one record. */
export const groupOf = (kind: number, payload: Uint8Array, position: number, salt: number): Buffer => {
  const group = Buffer.alloc(groupSize + payload.length + overhead)
  group.set(payload, groupSize + payloadAt)
  sealRecord(group, groupSize, kind, payload.length, position + groupSize, salt)
  return group
}

/** What a scavenge leaves in a removed record's place. */
export type Removed = { readonly run: number; readonly hash: Uint8Array }
const removedPayload = 36

/** A record of its own; the position is that of the record it stands for. */
export const encodeRemoved = ({ run, hash }: Removed, position: number, salt: number): Buffer => {
  const record = Buffer.alloc(overhead + removedPayload)
  record.writeUInt32LE(run, payloadAt)
  record.set(hash, payloadAt + 4)
  sealRecord(record, 0, kinds.removed, removedPayload, position, salt)
  return record
}

export const decodeRemoved = (bytes: Buffer, at: number): Removed => ({
  run: bytes.readUInt32LE(at + payloadAt),
  hash: bytes.subarray(at + payloadAt + 4, at + payloadAt + 36),
})

/** What is left of a stream whose last event is gone. */
export type Head = { readonly name: string; readonly last: number }

/** A record of its own; the position is where it stands. */
export const encodeHead = ({ name, last }: Head, position: number, salt: number): Buffer => {
  const text = Buffer.from(name, 'utf8')
  const record = Buffer.alloc(overhead + 6 + text.length)
  record.writeUIntLE(last, payloadAt, 6)
  text.copy(record, payloadAt + 6)
  sealRecord(record, 0, kinds.head, 6 + text.length, position, salt)
  return record
}

export const decodeHead = (bytes: Buffer, at: number): Head => {
  const end = at + recordSize(bytes, at) - 4
  return { last: bytes.readUIntLE(at + payloadAt, 6), name: bytes.toString('utf8', at + payloadAt + 6, end) }
}
