import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import type { File, Files } from '../files.js'
import { UnknownVersion } from './errors.js'

/**
 * How far the log was synced when somebody was last told so. It is written after each sync and synced itself only when the store is
 * opened and closed: after a power cut it may be old, never too new. So a log that ends before it has lost something.
 */
export type Mark = {
  readonly synced: number
  /** Set when the store was closed in order: then the index on disk is the one whose size and checksum are given. */
  readonly closed: boolean
  readonly indexSize: number
  readonly indexSum: number
}

export const markName = 'mark'
const size = 48
const magic = 'trollmrk'
const version = 1
/** Milliseconds. */
const noteAfter = 5

const encode = (mark: Mark): Buffer => {
  const bytes = Buffer.alloc(size)
  bytes.write(magic, 0, 'latin1')
  bytes.writeUInt32LE(version, 8)
  bytes.writeUInt32LE(mark.closed ? 1 : 0, 12)
  bytes.writeDoubleLE(mark.synced, 16)
  bytes.writeDoubleLE(mark.indexSize, 24)
  bytes.writeUInt32LE(mark.indexSum, 32)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 44)), 44)
  return bytes
}

const decode = (bytes: Buffer, path: string): Mark | undefined => {
  const whole = bytes.length === size && crc32(bytes.subarray(0, 44)) === bytes.readUInt32LE(44)
  if (!whole || bytes.toString('latin1', 0, 8) !== magic) return undefined
  if (bytes.readUInt32LE(8) !== version)
    throw new UnknownVersion(`${path} has version ${bytes.readUInt32LE(8)}, known is ${version}`)
  return {
    closed: bytes.readUInt32LE(12) === 1,
    synced: bytes.readDoubleLE(16),
    indexSize: bytes.readDoubleLE(24),
    indexSum: bytes.readUInt32LE(32),
  }
}

/** The mark, or `undefined` where there is none or a torn one. Throws `UnknownVersion`. */
export const readMark = async (files: Files, folder: string): Promise<Mark | undefined> => {
  if (!(await files.list(folder)).includes(markName)) return undefined
  const path = join(folder, markName)
  const file = await files.open(path, 'read')
  try {
    const bytes = Buffer.alloc(size)
    return decode(bytes.subarray(0, await file.read(bytes, 0)), path)
  } finally {
    await file.close()
  }
}

export type MarkFile = {
  /** Without a sync, soon, and not waited for. Throws what went wrong with an earlier one. */
  readonly note: (synced: number) => void
  readonly close: (mark: Mark | undefined) => Promise<void>
}

/** Writes durably that the store is open, before anything else may change. */
export const openMark = async (files: Files, folder: string, synced: number): Promise<MarkFile> => {
  const known = (await files.list(folder)).includes(markName)
  const file: File = await files.open(join(folder, markName), known ? 'write' : 'create')
  const open = (position: number): Buffer => encode({ synced: position, closed: false, indexSize: 0, indexSum: 0 })
  await file.write(open(synced), 0)
  await file.truncate(size)
  await file.sync()
  if (!known) await files.syncFolder(folder)
  let latest = synced
  let timer: NodeJS.Timeout | undefined
  let writing: Promise<void> = Promise.resolve()
  let failure: unknown
  const write = (): void => {
    timer = undefined
    writing = file.write(open(latest), 0).catch((error: unknown) => {
      failure = error
    })
  }
  return {
    note: (position) => {
      if (failure !== undefined) throw failure
      latest = position
      timer ??= setTimeout(write, noteAfter)
    },
    close: async (mark) => {
      clearTimeout(timer)
      await writing
      if (mark) {
        await file.write(encode(mark), 0)
        await file.sync()
      }
      await file.close()
    },
  }
}
