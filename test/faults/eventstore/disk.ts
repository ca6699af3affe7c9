import { basename, dirname } from 'node:path'
import type { File, Files } from '../../../src/embedded/eventstore/storage/files.js'

/** Random numbers that a seed repeats: mulberry32. */
export type Random = { readonly below: (limit: number) => number; readonly chance: (probability: number) => boolean }

export const randomFrom = (seed: number): Random => {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  return { below: (limit) => Math.floor(next() * limit), chance: (probability) => next() < probability }
}

type Change = { readonly at: number; readonly bytes: Buffer } | { readonly size: number }
type Inode = { bytes: Buffer; durable: Buffer; pending: Change[] }
type Names = Map<string, Inode>
type NameChange = (names: Names) => void

/** A disk in memory that remembers what was synced and what was only written. */
export type Disk = {
  readonly files: Files
  /** Disk operations so far. */
  readonly operations: () => number
  /** From this operation on nothing happens any more, and nobody is answered. */
  readonly freezeAt: (operation: number) => void
  readonly frozen: Promise<void>
  /** What may be found after the power went: of what was not synced any part, torn or in another order. */
  readonly afterPowerCut: (random: Random) => Disk
}

const sector = 512

export const createDisk = (synced: Names = new Map()): Disk => {
  const names: Names = new Map([...synced].map(([name, { durable }]) => [name, fresh(durable)]))
  const durableNames: Names = new Map(names)
  const pendingNames: NameChange[] = []
  let operations = 0
  let freezeAt = Number.POSITIVE_INFINITY
  let freeze = (): void => undefined
  const frozen = new Promise<void>((resolve) => {
    freeze = resolve
  })

  const isFrozen = (): boolean => {
    if (operations >= freezeAt) freeze()
    return operations++ >= freezeAt
  }
  const step = async (): Promise<void> => {
    if (isFrozen()) await new Promise<never>(() => undefined)
    await Promise.resolve()
  }
  const change = (apply: NameChange): void => {
    apply(names)
    pendingNames.push(apply)
  }

  const fileOf = (inode: Inode): File => {
    const write = (bytes: Uint8Array, at: number): void => {
      const copy = Buffer.from(bytes)
      inode.pending.push({ at, bytes: copy })
      inode.bytes = written(inode.bytes, at, copy)
    }
    const read = (target: Buffer, position: number): number => inode.bytes.copy(target, 0, position, position + target.length)
    return {
      read: async (target, position) => {
        await step()
        return read(target, position)
      },
      readNow: read,
      write: async (bytes, position) => {
        await step()
        write(bytes, position)
      },
      writeDurably: async (bytes, position) => {
        await step()
        write(bytes, position)
        await step()
        inode.durable = inode.bytes
        inode.pending = []
      },
      sync: async () => {
        await step()
        inode.durable = inode.bytes
        inode.pending = []
      },
      size: async () => inode.bytes.length,
      truncate: async (size) => {
        await step()
        inode.pending.push({ size })
        inode.bytes = resized(inode.bytes, size)
      },
      close: async () => undefined,
    }
  }

  const open: Files['open'] = async (path, mode) => {
    await step()
    const known = names.get(path)
    if (!known) {
      if (mode !== 'create') throw Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' })
      const made = fresh(Buffer.alloc(0))
      change((all) => all.set(path, made))
      return fileOf(made)
    }
    if (mode === 'create') {
      known.pending.push({ size: 0 })
      known.bytes = Buffer.alloc(0)
    }
    return fileOf(known)
  }

  return {
    files: {
      open,
      list: async (folder) => [...names.keys()].filter((path) => dirname(path) === folder).map((path) => basename(path)),
      makeFolder: async () => undefined,
      freeBytes: () => Number.POSITIVE_INFINITY,
      rename: async (from, to) => {
        await step()
        change((all) => {
          const inode = all.get(from)
          if (!inode) return
          all.delete(from)
          all.set(to, inode)
        })
      },
      remove: async (path) => {
        await step()
        change((all) => all.delete(path))
      },
      syncFolder: async (folder) => {
        await step()
        for (const apply of pendingNames.splice(0)) apply(durableNames)
        void folder
      },
    },
    operations: () => operations,
    freezeAt: (operation) => {
      freezeAt = operation
    },
    frozen,
    afterPowerCut: (random) => {
      const left: Names = new Map(durableNames)
      // A file system keeps its names in order, and loses the latest.
      for (const apply of pendingNames.slice(0, random.below(pendingNames.length + 1))) apply(left)
      const found: Names = new Map()
      for (const [name, inode] of left) found.set(name, fresh(survived(inode, random)))
      return createDisk(found)
    },
  }
}

const fresh = (bytes: Buffer): Inode => ({ bytes, durable: bytes, pending: [] })

const resized = (bytes: Buffer, size: number): Buffer =>
  size <= bytes.length ? bytes.subarray(0, size) : Buffer.concat([bytes, Buffer.alloc(size - bytes.length)])

const written = (bytes: Buffer, at: number, added: Buffer): Buffer => {
  const out = Buffer.from(resized(bytes, Math.max(bytes.length, at + added.length)))
  added.copy(out, at)
  return out
}

/** Each sector of each write is kept or lost by itself; one may be torn; the size may be kept without what lies in it. */
const survived = (inode: Inode, random: Random): Buffer => {
  let bytes = inode.durable
  const mood = random.below(4)
  const keep = (): boolean => (mood === 0 ? false : mood === 1 ? true : random.chance(0.5))
  const parts: { at: number; bytes: Buffer }[] = []
  for (const change of inode.pending) {
    if ('size' in change) {
      if (keep()) bytes = resized(bytes, change.size)
      continue
    }
    for (let at = 0; at < change.bytes.length; ) {
      const size = Math.min(sector - ((change.at + at) % sector), change.bytes.length - at)
      const torn = random.chance(0.05) ? random.below(size) : size
      if (keep()) parts.push({ at: change.at + at, bytes: change.bytes.subarray(at, at + torn) })
      at += size
    }
    if (random.chance(0.2)) bytes = resized(bytes, Math.max(bytes.length, change.at + change.bytes.length))
  }
  // Of two writes to one place either may be the one that is found.
  if (random.chance(0.5)) parts.sort(() => (random.chance(0.5) ? 1 : -1))
  for (const part of parts) bytes = written(bytes, part.at, part.bytes)
  return bytes
}
