import { diskFiles, type File, type Files } from '../../../src/embedded/eventstore/storage/files.js'

/** The disk, with a gate before each sync of the log, and a count of what was read. */
export type WatchedFiles = {
  readonly files: Files
  /** Holds every sync up until the answered function is called. */
  readonly hold: () => () => void
  /** How many syncs are being held up. */
  readonly held: () => number
  /** Lets every sync fail from now on. */
  readonly breakSync: () => void
  readonly syncs: () => number
  readonly bytesRead: () => number
}

export const watchedFiles = (): WatchedFiles => {
  let gate: Promise<void> = Promise.resolve()
  let broken = false
  let syncs = 0
  let bytesRead = 0
  let held = 0
  const sync = async (file: File, path: string): Promise<void> => {
    held++
    await gate
    held--
    if (broken) throw Object.assign(new Error('EIO: the disk is broken'), { code: 'EIO' })
    await file.sync()
    if (path.includes('log-')) syncs++
  }
  const watched = (file: File, path: string): File => ({
    ...file,
    read: async (target, position) => {
      const count = await file.read(target, position)
      bytesRead += count
      return count
    },
    writeDurably: async (bytes, position) => {
      await file.write(bytes, position)
      await sync(file, path)
    },
    sync: () => sync(file, path),
  })
  return {
    files: { ...diskFiles, open: async (path, mode) => watched(await diskFiles.open(path, mode), path) },
    hold: () => {
      let release = (): void => undefined
      gate = new Promise((resolve) => {
        release = resolve
      })
      return release
    },
    held: () => held,
    breakSync: () => {
      broken = true
    },
    syncs: () => syncs,
    bytesRead: () => bytesRead,
  }
}

/** The disk with a room of so many bytes, which writes at a file's end use up: what doesn't fit is written in part, and fails. */
export const diskWithRoom = (): { readonly files: Files; readonly leave: (bytes: number) => void } => {
  let room = Number.POSITIVE_INFINITY
  const limited = async (file: File): Promise<File> => {
    const take = async (bytes: Uint8Array, position: number, write: (part: Uint8Array) => Promise<void>): Promise<void> => {
      const grows = Math.max(0, position + bytes.length - (await file.size()))
      if (grows > room) {
        await write(bytes.subarray(0, bytes.length - grows + room))
        room = 0
        throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
      }
      room -= grows
      await write(bytes)
    }
    return {
      ...file,
      write: (bytes, position) => take(bytes, position, (part) => file.write(part, position)),
      writeDurably: (bytes, position) => take(bytes, position, (part) => file.writeDurably(part, position)),
      truncate: async (size) => {
        const before = await file.size()
        await file.truncate(size)
        room += Math.max(0, before - size)
      },
    }
  }
  return {
    files: { ...diskFiles, open: async (path, mode) => limited(await diskFiles.open(path, mode)), freeBytes: () => room },
    leave: (bytes) => {
      room = bytes
    },
  }
}
