import { Damaged } from './errors.js'
import { groupSizeOf, isWhole, kinds, linkAt, overhead, payloadAt, recordSize } from './record.js'
import type { Segment } from './segment.js'

export type EndOfGroups = {
  /** Bytes of whole groups in the segment. */
  readonly bytes: number
  /** The chain after the last of them. */
  readonly chain: Buffer
}

/**
 * Where the whole groups of the last segment end. One group at a time is on its way to the disk, so only the last one can be torn, and
 * nothing in the file can lie behind a torn one. What else is not whole was lost or changed after it was synced: throws `Damaged`.
 * `synced` is a position up to which the log is known to have been synced.
 */
export const endOfGroups = async (segment: Segment, synced: number): Promise<EndOfGroups> => {
  const bytes = Buffer.allocUnsafe(segment.bytes)
  await segment.file.read(bytes, segment.start)
  let at = 0
  let chain = segment.chain
  while (at < bytes.length) {
    const next = groupEnd(bytes, at, segment)
    if (next === undefined) {
      if (!isTorn(bytes, at, segment, synced)) throw new Damaged(segment.path, segment.start + at, 'a synced group is not whole')
      break
    }
    if (segment.version > 1) chain = Buffer.from(linkAt(bytes, at))
    at = next
  }
  if (segment.base + at < synced) {
    throw new Damaged(segment.path, segment.start + at, `the log ends here and was synced up to position ${synced}`)
  }
  return { bytes: at, chain }
}

const headerEnd = (bytes: Buffer, at: number, { base, salt, version }: Segment): number | undefined => {
  const groupSize = groupSizeOf(version)
  if (at + groupSize > bytes.length || bytes[at + 4] !== kinds.group || recordSize(bytes, at) !== groupSize) return undefined
  if (!isWhole(bytes, at, groupSize, base + at, salt)) return undefined
  return at + groupSize + bytes.readUInt32LE(at + payloadAt)
}

/** Where the whole group at `at` ends; `undefined` where it is not whole. */
const groupEnd = (bytes: Buffer, at: number, segment: Segment): number | undefined => {
  const end = headerEnd(bytes, at, segment)
  if (end === undefined || end > bytes.length) return undefined
  let record = at + groupSizeOf(segment.version)
  while (record < end) {
    const size = recordSize(bytes, record)
    if (size === 0 || record + size > end || !isWhole(bytes, record, size, segment.base + record, segment.salt)) return undefined
    record += size
  }
  return end
}

const isTorn = (bytes: Buffer, at: number, segment: Segment, synced: number): boolean => {
  if (segment.base + at < synced) return false
  const end = headerEnd(bytes, at, segment)
  if (end !== undefined) return bytes.length <= end
  // Its beginning is gone, so its length is unknown: it is the last one unless a whole beginning stands behind it.
  const beginning = Buffer.from([kinds.group, 0, 0, 0, 0, groupSizeOf(segment.version) - overhead])
  for (let found = bytes.indexOf(beginning, at + 1); found >= 0; found = bytes.indexOf(beginning, found + 1)) {
    if (found >= at + 5 && headerEnd(bytes, found - 4, segment) !== undefined) return false
  }
  return true
}
