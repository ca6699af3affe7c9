import { hash } from 'node:crypto'
import { kinds, recordSize } from './record.js'

/**
 * A hash chain over the log, as Haber and Stornetta's linked time-stamps: each group's first record holds the SHA-256 of the chain before
 * it, its own place, and the hash of each of its records. So a changed, added or missing record breaks the chain, however its checksum
 * was mended. Of a record that a scavenge removes its hash stays, so that the chain goes on.
 */
export const linkSize = 32
/** What stands before the chain's first group. */
export const chainStart = Buffer.alloc(linkSize)

export const hashOf = (record: Uint8Array): Buffer => hash('sha256', record, 'buffer')

/** The chain after a group: `length` bytes of records follow its first one, at `position`. */
export const linkOf = (before: Uint8Array, position: number, length: number, hashes: readonly Uint8Array[]): Buffer => {
  const place = Buffer.alloc(12)
  place.writeUIntLE(position, 0, 6)
  place.writeUInt32LE(length, 8)
  return hashOf(Buffer.concat([before, place, ...hashes]))
}

/** The hashes of the records that stand in these bytes, without notes of last revisions: a scavenge puts them between what is linked. */
export const hashesIn = (records: Buffer): Buffer[] => {
  const hashes: Buffer[] = []
  for (let at = 0; at < records.length; ) {
    const size = recordSize(records, at)
    if (records[at + 4] !== kinds.head) hashes.push(hashOf(records.subarray(at, at + size)))
    at += size
  }
  return hashes
}
