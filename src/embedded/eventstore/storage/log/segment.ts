import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import type { File, Files } from '../files.js'
import { chainStart } from './chain.js'
import { Damaged, UnknownVersion } from './errors.js'

/**
 * A file of the log. A position is a place in the log as it was written: a segment holds those from `base` up to the next one's. A
 * scavenged one is shorter than that, and its runs say where the records that are left stand.
 */
export type Segment = {
  readonly path: string
  readonly base: number
  readonly salt: number
  /** Of its format; version 1 has no chain. */
  readonly version: number
  /** The chain before its first group. */
  readonly chain: Buffer
  readonly file: File
  /** Where the records begin in the file. */
  readonly start: number
  /** Bytes of records in the file, and the position after the last; both grow while the segment is written. */
  bytes: number
  end: number
  readonly runs: Runs | undefined
  /** Readers that are at it: it is closed when the last has gone. */
  readers: number
  retired: boolean
}

/** Records that stand without a gap, both as positions and in the file (from the segment's `start`). Sorted. */
export type Runs = { readonly positions: Float64Array; readonly offsets: Float64Array }

const magic = 'tillroll'
/** What this release writes; version 1, which has no hash chain, is read. */
export const formatVersion = 2
const headerSizeOf = (version: number): number => (version === 1 ? 64 : 96)
const largestHeader = headerSizeOf(formatVersion)

type Header = { version: number; base: number; salt: number; end: number; bytes: number; runs: number; chain: Buffer }

const encodeHeader = ({ version, base, salt, end, bytes, runs, chain }: Header): Buffer => {
  const size = headerSizeOf(version)
  const out = Buffer.alloc(size)
  out.write(magic, 0, 'latin1')
  out.writeUInt32LE(version, 8)
  out.writeUInt32LE(size, 12)
  out.writeDoubleLE(base, 16)
  out.writeDoubleLE(end, 24)
  out.writeDoubleLE(bytes, 32)
  out.writeUInt32LE(runs, 40)
  out.writeUInt32LE(salt, 44)
  if (version > 1) chain.copy(out, 48)
  out.writeUInt32LE(crc32(out.subarray(0, size - 4)), size - 4)
  return out
}

const decodeHeader = (bytes: Buffer, path: string): Header => {
  if (bytes.length < 12) throw new Damaged(path, bytes.length, 'the file ends inside its header')
  if (bytes.toString('latin1', 0, 8) !== magic) throw new Damaged(path, 0, 'it is no segment of a log')
  const version = bytes.readUInt32LE(8)
  // The version comes before the checksum: another version's header may end elsewhere.
  if (version !== 1 && version !== formatVersion)
    throw new UnknownVersion(`${path} has format version ${version}, known are 1 and ${formatVersion}`)
  const size = headerSizeOf(version)
  if (bytes.length < size) throw new Damaged(path, bytes.length, 'the file ends inside its header')
  if (crc32(bytes.subarray(0, size - 4)) !== bytes.readUInt32LE(size - 4))
    throw new Damaged(path, size - 4, 'the header does not match its checksum')
  return {
    version,
    chain: version === 1 ? chainStart : Buffer.from(bytes.subarray(48, 80)),
    base: bytes.readDoubleLE(16),
    end: bytes.readDoubleLE(24),
    bytes: bytes.readDoubleLE(32),
    runs: bytes.readUInt32LE(40),
    salt: bytes.readUInt32LE(44),
  }
}

/** The file of the segment that begins at a position. */
export const segmentName = (base: number): string => `log-${base.toString(16).padStart(14, '0')}`
export const isSegmentName = (name: string): boolean => /^log-[0-9a-f]{14}$/.test(name)
/** A segment that was being made when the process ended. */
export const isUnfinished = (name: string): boolean => name.endsWith('.new') && isSegmentName(name.slice(0, -4))

const segment = (path: string, file: File, header: Header, start: number, bytes: number, runs?: Runs): Segment => ({
  path,
  file,
  base: header.base,
  salt: header.salt,
  version: header.version,
  chain: header.chain,
  start,
  bytes,
  end: runs ? header.end : header.base + bytes,
  runs,
  readers: 0,
  retired: false,
})

/** Throws `Damaged` and `UnknownVersion`; changes nothing. */
export const openSegment = async (files: Files, path: string, mode: 'read' | 'write'): Promise<Segment> => {
  const file = await files.open(path, mode)
  try {
    const size = await file.size()
    const bytes = Buffer.alloc(Math.min(largestHeader, size))
    await file.read(bytes, 0)
    const header = decodeHeader(bytes, path)
    if (!path.endsWith(segmentName(header.base))) throw new Damaged(path, 16, 'it has the name of another segment')
    const headerSize = headerSizeOf(header.version)
    if (header.end === 0) return segment(path, file, header, headerSize, size - headerSize)
    const runs = await readRuns(file, path, header)
    const start = headerSize + header.runs * 16 + 4
    if (size !== start + header.bytes) throw new Damaged(path, size, `it should have ${start + header.bytes} bytes`)
    return segment(path, file, header, start, header.bytes, runs)
  } catch (error) {
    await file.close()
    throw error
  }
}

/** The bytes before a segment's records, read anew and checked. Throws `Damaged`. */
export const readStart = async ({ file, path, start, base, runs, chain }: Segment): Promise<Buffer> => {
  const bytes = Buffer.alloc(start)
  if ((await file.read(bytes, 0)) < start) throw new Damaged(path, 0, 'the file ends before its records begin')
  const header = decodeHeader(bytes.subarray(0, largestHeader), path)
  if (header.base !== base || header.runs !== (runs?.positions.length ?? 0) || !header.chain.equals(chain))
    throw new Damaged(path, 0, 'its header is not the one it was opened with')
  if (runs) await readRuns(file, path, header)
  return bytes
}

const readRuns = async (file: File, path: string, { version, runs: count }: Header): Promise<Runs> => {
  const headerSize = headerSizeOf(version)
  const table = Buffer.alloc(count * 16 + 4)
  if ((await file.read(table, headerSize)) < table.length) throw new Damaged(path, headerSize, 'the file ends inside its table')
  if (crc32(table.subarray(0, count * 16)) !== table.readUInt32LE(count * 16)) {
    throw new Damaged(path, headerSize, 'the table does not match its checksum')
  }
  const positions = new Float64Array(count)
  const offsets = new Float64Array(count)
  for (let i = 0; i < count; i++) {
    positions[i] = table.readDoubleLE(i * 16)
    offsets[i] = table.readDoubleLE(i * 16 + 8)
  }
  return { positions, offsets }
}

/** Makes a segment under a name of its own first: the one that counts is there only when it is whole and durable. */
const finish = async (files: Files, folder: string, base: number, fill: (file: File) => Promise<void>): Promise<string> => {
  const path = join(folder, segmentName(base))
  const unfinished = await files.open(`${path}.new`, 'create')
  try {
    await fill(unfinished)
    await unfinished.sync()
  } catch (error) {
    await unfinished.close()
    // On a full disk it would be in its own way.
    await files.remove(`${path}.new`)
    throw error
  }
  await unfinished.close()
  await files.rename(`${path}.new`, path)
  await files.syncFolder(folder)
  return path
}

/** An empty segment, durable, to be written from `base` on, behind what has this chain. */
export const createSegment = async (files: Files, folder: string, base: number, chain: Buffer): Promise<Segment> => {
  const header = { version: formatVersion, chain, base, salt: randomBytes(4).readUInt32LE(0), end: 0, bytes: 0, runs: 0 }
  return openSegment(files, await finish(files, folder, base, (file) => file.write(encodeHeader(header), 0)), 'write')
}

export type Kept = { readonly runs: Runs; readonly bytes: number; readonly chunks: AsyncIterable<Uint8Array> }

/** Replaces a segment by what is kept of it, durably. The records keep their positions, and so their checksums. */
export const replaceSegment = async (files: Files, folder: string, old: Segment, kept: Kept): Promise<Segment> => {
  const { positions, offsets } = kept.runs
  const { version, chain } = old
  const headerSize = headerSizeOf(version)
  const header = { version, chain, base: old.base, salt: old.salt, end: old.end, bytes: kept.bytes, runs: positions.length }
  const table = Buffer.alloc(positions.length * 16 + 4)
  for (let i = 0; i < positions.length; i++) {
    table.writeDoubleLE(positions[i]!, i * 16)
    table.writeDoubleLE(offsets[i]!, i * 16 + 8)
  }
  table.writeUInt32LE(crc32(table.subarray(0, positions.length * 16)), positions.length * 16)
  const path = await finish(files, folder, old.base, async (file) => {
    await file.write(encodeHeader(header), 0)
    await file.write(table, headerSize)
    let at = headerSize + table.length
    for await (const chunk of kept.chunks) {
      await file.write(chunk, at)
      at += chunk.length
    }
  })
  return openSegment(files, path, 'read')
}

/** The index of the last run that begins at or before the value; −1 where none does. */
export const runBefore = (sorted: Float64Array, value: number): number => {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (sorted[middle]! <= value) low = middle + 1
    else high = middle
  }
  return low - 1
}

/** Where the first record at or after a position stands in the file, from the segment's `start`; its `bytes` where none does. */
export const offsetOf = (segment: Segment, position: number): number => {
  if (!segment.runs) return Math.min(position - segment.base, segment.bytes)
  const { positions, offsets } = segment.runs
  const run = runBefore(positions, position)
  if (run < 0) return 0
  const next = run + 1 < offsets.length ? offsets[run + 1]! : segment.bytes
  return Math.min(offsets[run]! + position - positions[run]!, next)
}

/** The position of the record that begins at an offset. At the end of the records: the segment's end. */
export const positionOf = (segment: Segment, offset: number): number => {
  if (!segment.runs) return segment.base + offset
  if (offset >= segment.bytes) return segment.end
  const { positions, offsets } = segment.runs
  const run = runBefore(offsets, offset)
  return positions[run]! + offset - offsets[run]!
}
