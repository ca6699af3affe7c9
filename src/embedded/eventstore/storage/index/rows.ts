import { hash } from 'node:crypto'

export type StreamEntry = { readonly name: string; readonly id: number; last: number; tombstoned: boolean }
export type Place = { readonly position: number; readonly size: number }

/** The index's keys and rows. A stream's events and ids stand side by side under its number. */
export const nameKey = (name: string): Buffer => {
  const key = Buffer.allocUnsafe(17)
  key[0] = 1
  hash('sha256', name, 'buffer').copy(key, 1, 0, 16)
  return key
}

/** Of the row that says where an event stands. */
export const eventKey = (stream: number, revision: number): Buffer => {
  const key = Buffer.allocUnsafe(12)
  key[0] = 2
  key.writeUInt32BE(stream, 1)
  key[5] = 0
  key.writeUIntBE(revision, 6, 6)
  return key
}

/** `eventId` as 16 bytes. */
export const idKey = (stream: number, eventId: Uint8Array): Buffer => {
  const key = Buffer.allocUnsafe(22)
  key[0] = 2
  key.writeUInt32BE(stream, 1)
  key[5] = 1
  key.set(eventId, 6)
  return key
}

/** The 16 bytes of a UUID's text. */
export const uuidBytes = (text: string): Buffer => Buffer.from(text.replaceAll('-', ''), 'hex')

/** Of the row that holds how many streams there are: the next one's number. */
export const countKey = Buffer.from([0])

/** The least id: an `idKey` of it ends a range of a stream's `eventKey`s. */
export const zeroId = Buffer.alloc(16)
/** The revision in an `eventKey`. */
export const revisionIn = (key: Buffer): number => key.readUIntBE(6, 6)

export const streamRow = (entry: StreamEntry): Buffer => {
  const row = Buffer.alloc(11)
  row.writeUInt32LE(entry.id, 0)
  row.writeIntLE(entry.last, 4, 6)
  row[10] = entry.tombstoned ? 1 : 0
  return row
}

export const placeRow = ({ position, size }: Place): Buffer => {
  const row = Buffer.allocUnsafe(10)
  row.writeUIntLE(position, 0, 6)
  row.writeUInt32LE(size, 6)
  return row
}

export const revisionRow = (revision: number): Buffer => {
  const row = Buffer.allocUnsafe(6)
  row.writeUIntLE(revision, 0, 6)
  return row
}
