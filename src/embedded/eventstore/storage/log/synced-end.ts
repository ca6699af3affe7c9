import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { type File, type Files, isDiskFull } from '../files.js'
import { UnknownVersion } from './errors.js'

/**
 * How far the log was synced when somebody was last told so. It is written after each sync and synced itself only when the store is
 * opened and closed: after a power cut it may be old, never too new. So a log that ends before it has lost something. It is kept
 * twice, so that what was cut off is noticed although one of the two went with it.
 */
export type SyncedEnd = {
  readonly synced: number
  /** Set when the store was closed in order: then the index on disk is the one whose size and checksum are given. */
  readonly closed: boolean
  readonly indexSize: number
  readonly indexSum: number
  /** Of a store that was closed in order: the chain at its end. Absent from what a release without the chain has noted. */
  readonly chain?: Buffer
}

const fileNames = ['mark', 'mark-copy'] as const
export const isSyncedEndName = (name: string): boolean => (fileNames as readonly string[]).includes(name)
/** The first of the two, for messages. */
export const syncedEndName = fileNames[0]

const sizes: Readonly<Record<number, number>> = { 1: 48, 2: 80 }
const version = 2
const size = sizes[version]!
const magic = 'trollmrk'
/** Milliseconds. Each note is two turns of the thread pool, which a lone caller's appends have to share with it. */
const noteAfter = 20

const encode = (end: SyncedEnd): Buffer => {
  const bytes = Buffer.alloc(size)
  bytes.write(magic, 0, 'latin1')
  bytes.writeUInt32LE(version, 8)
  bytes.writeUInt32LE(end.closed ? 1 : 0, 12)
  bytes.writeDoubleLE(end.synced, 16)
  bytes.writeDoubleLE(end.indexSize, 24)
  bytes.writeUInt32LE(end.indexSum, 32)
  end.chain?.copy(bytes, 40)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, size - 4)), size - 4)
  return bytes
}

const decode = (bytes: Buffer, path: string): SyncedEnd | undefined => {
  if (bytes.length < 12 || bytes.toString('latin1', 0, 8) !== magic) return undefined
  const found = bytes.readUInt32LE(8)
  const sizeThen = sizes[found] ?? bytes.length
  if (bytes.length !== sizeThen || crc32(bytes.subarray(0, sizeThen - 4)) !== bytes.readUInt32LE(sizeThen - 4)) return undefined
  if (!(found in sizes)) throw new UnknownVersion(`${path} has version ${found}, known are 1 and ${version}`)
  return {
    closed: bytes.readUInt32LE(12) === 1,
    synced: bytes.readDoubleLE(16),
    indexSize: bytes.readDoubleLE(24),
    indexSum: bytes.readUInt32LE(32),
    ...(found > 1 && { chain: Buffer.from(bytes.subarray(40, 72)) }),
  }
}

const readOne = async (files: Files, path: string): Promise<SyncedEnd | undefined> => {
  const file = await files.open(path, 'read')
  try {
    const bytes = Buffer.alloc(size)
    return decode(bytes.subarray(0, await file.read(bytes, 0)), path)
  } finally {
    await file.close()
  }
}

/**
 * What the two files say together: the farther end, and closed in order only where neither says otherwise. `undefined` where there
 * is none that can be read (a power cut may tear both, and never removes them). Throws `UnknownVersion`.
 */
export const readSyncedEnd = async (files: Files, folder: string): Promise<SyncedEnd | undefined> => {
  const there = await files.list(folder)
  const found: SyncedEnd[] = []
  for (const name of fileNames) {
    const one = there.includes(name) ? await readOne(files, join(folder, name)) : undefined
    if (one) found.push(one)
  }
  const [first] = found
  if (!first) return undefined
  const agreed = found.every(({ closed, synced }) => closed && synced === first.synced)
  return { ...first, synced: Math.max(...found.map(({ synced }) => synced)), closed: agreed }
}

export type SyncedEndFiles = {
  /** Without a sync, soon, and not waited for. Throws what went wrong with an earlier one. */
  readonly note: (synced: number) => void
  readonly close: (end: SyncedEnd | undefined) => Promise<void>
}

/** Writes durably that the store is open, before anything else may change. */
export const openSyncedEnd = async (files: Files, folder: string, synced: number): Promise<SyncedEndFiles> => {
  const there = await files.list(folder)
  const open = (position: number): Buffer => encode({ synced: position, closed: false, indexSize: 0, indexSum: 0 })
  const targets: File[] = []
  for (const name of fileNames) {
    const file = await files.open(join(folder, name), there.includes(name) ? 'write' : 'create')
    await file.write(open(synced), 0)
    await file.truncate(size)
    await file.sync()
    targets.push(file)
  }
  if (fileNames.some((name) => !there.includes(name))) await files.syncFolder(folder)
  const writeBoth = (bytes: Buffer): Promise<unknown> => Promise.all(targets.map((file) => file.write(bytes, 0)))
  let latest = synced
  let timer: NodeJS.Timeout | undefined
  let writing: Promise<unknown> = Promise.resolve()
  let failure: unknown
  const write = (): void => {
    timer = undefined
    writing = writeBoth(open(latest)).catch((error: unknown) => {
      // An older end is still a true one, and the next note comes with the next group.
      if (!isDiskFull(error)) failure = error
    })
  }
  return {
    note: (position) => {
      if (failure !== undefined) throw failure
      latest = position
      timer ??= setTimeout(write, noteAfter)
    },
    close: async (end) => {
      clearTimeout(timer)
      await writing
      if (end) {
        await writeBoth(encode(end))
        for (const file of targets) await file.sync()
      }
      for (const file of targets) await file.close()
    },
  }
}
