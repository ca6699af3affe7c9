import { close, constants, fdatasync, fstat, ftruncate, open, read, readSync, statfsSync, write } from 'node:fs'
import { mkdir, open as openHandle, readdir, rename, rm } from 'node:fs/promises'
import { promisify } from 'node:util'
import { codeOf } from '../../../platform/errors.js'

/**
 * What the store asks of a disk, and nothing else, so that a test can put a disk of its own underneath that loses power.
 * `sync` is fdatasync; names (created, renamed, removed) are durable only after `syncFolder`.
 */
export type Files = {
  readonly open: (path: string, mode: 'read' | 'write' | 'create') => Promise<File>
  /** The names in a folder; none where there is no such folder. */
  readonly list: (folder: string) => Promise<readonly string[]>
  readonly makeFolder: (folder: string) => Promise<void>
  readonly rename: (from: string, to: string) => Promise<void>
  readonly remove: (path: string) => Promise<void>
  readonly syncFolder: (folder: string) => Promise<void>
  /** Bytes that may still be written to the disk that holds the folder. */
  readonly freeBytes: (folder: string) => number
}

export type File = {
  /** Answers the number of bytes read: fewer than asked for only at the end of the file. */
  readonly read: (target: Buffer, position: number) => Promise<number>
  readonly readNow: (target: Buffer, position: number) => number
  readonly write: (bytes: Uint8Array, position: number) => Promise<void>
  /** `write` and `sync` in one, which is fewer turns where the system can do it. */
  readonly writeDurably: (bytes: Uint8Array, position: number) => Promise<void>
  readonly sync: () => Promise<void>
  readonly size: () => Promise<number>
  readonly truncate: (size: number) => Promise<void>
  readonly close: () => Promise<void>
}

/** There is no space to work in. Nothing was changed. */
export class DiskFull extends Error {
  override readonly name = 'DiskFull'
  readonly code = 'ENOSPC'
}

/** Bytes that a user without privileges may still write to the disk that holds the folder. */
export const freeBytes = (folder: string): number => {
  const { bavail, bsize } = statfsSync(folder)
  return bavail * bsize
}

/** Whether a write failed for want of space, on the disk or in a quota: what was there before is as it was. */
export const isDiskFull = (error: unknown): boolean => ['ENOSPC', 'EDQUOT'].includes(codeOf(error) ?? '')

const flags = { read: 'r', write: 'r+', create: constants.O_CREAT | constants.O_TRUNC | constants.O_RDWR } as const
const call = {
  open: promisify(open),
  sync: promisify(fdatasync),
  stat: promisify(fstat),
  truncate: promisify(ftruncate),
  close: promisify(close),
}

/** The files of this machine. */
export const diskFiles: Files = {
  open: async (path, mode) => {
    const descriptor = await call.open(path, flags[mode], 0o600)
    // Only Linux promises of O_DSYNC what fdatasync does.
    const durable =
      mode === 'write' && process.platform === 'linux' ? await call.open(path, constants.O_RDWR | constants.O_DSYNC) : undefined
    return file(descriptor, durable)
  },
  list: async (folder) => {
    try {
      return await readdir(folder)
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return []
      throw error
    }
  },
  makeFolder: async (folder) => {
    await mkdir(folder, { recursive: true, mode: 0o700 })
  },
  rename,
  remove: (path) => rm(path, { force: true }),
  syncFolder: async (folder) => {
    // Windows cannot open a folder; there, NTFS's journal keeps names in order.
    if (process.platform === 'win32') return
    const handle = await openHandle(folder, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  },
  freeBytes,
}

const file = (descriptor: number, durable: number | undefined): File => ({
  read: (target, position) => readAll(descriptor, target, position),
  readNow: (target, position) => {
    let done = 0
    while (done < target.length) {
      const count = readSync(descriptor, target, done, target.length - done, position + done)
      if (count === 0) break
      done += count
    }
    return done
  },
  write: (bytes, position) => writeAll(descriptor, bytes, position),
  writeDurably: async (bytes, position) => {
    await writeAll(durable ?? descriptor, bytes, position)
    if (durable === undefined) await call.sync(descriptor)
  },
  sync: () => call.sync(descriptor),
  size: async () => (await call.stat(descriptor)).size,
  truncate: (size) => call.truncate(descriptor, size),
  close: async () => {
    await call.close(descriptor)
    if (durable !== undefined) await call.close(durable)
  },
})

const readAll = (descriptor: number, target: Buffer, position: number): Promise<number> =>
  new Promise((resolve, reject) => {
    const next = (done: number): void =>
      read(descriptor, target, done, target.length - done, position + done, (error, count) => {
        if (error) reject(error)
        else if (count === 0 || done + count === target.length) resolve(done + count)
        else next(done + count)
      })
    if (target.length === 0) resolve(0)
    else next(0)
  })

const writeAll = (descriptor: number, bytes: Uint8Array, position: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const next = (done: number): void =>
      write(descriptor, bytes, done, bytes.length - done, position + done, (error, count) => {
        if (error) reject(error)
        else if (done + count === bytes.length) resolve()
        else next(done + count)
      })
    next(0)
  })
