import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { sleep } from '../platform/async.js'
import { writeWhole } from '../platform/files.js'
import { holderOf } from '../platform/folder-lock.js'

const shape = z.object({
  /** Of the process that holds the folder. */
  pid: z.number().int(),
  eventstoreUrl: z.string(),
  /** With its password. */
  databaseUrl: z.string(),
  /** Those of embedded parts: the next start takes them again if it can, for the sake of clients that have stayed. */
  ports: z.object({ eventstore: z.number().int().optional(), postgres: z.number().int().optional() }),
})

/** What a running instance tells those who join it. The file stays when the instance ends; whether that runs is told by its lock. */
export type Instance = z.infer<typeof shape>

/** An instance that is starting, or ending, or was killed in between, can't be joined. */
export class NotJoinable extends Error {
  override readonly name = 'NotJoinable'
}

const path = (data: string): string => join(data, 'instance.json')

/** Tells those who join where the parts are. */
export const writeInstance = (data: string, instance: Instance): Promise<void> =>
  writeWhole(path(data), `${JSON.stringify(instance, null, 2)}\n`, 0o600)

/** The last instance's, running or not. A file that says nothing usable counts as none: it is only ever a note of the last start. */
export const readInstance = async (data: string): Promise<Instance | undefined> => {
  const text = await readFile(path(data), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (text === undefined) return undefined
  try {
    return shape.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}

/** The instance that runs on the folder; `undefined`: none does. Waits for one that is starting. Throws `NotJoinable` after `patience` milliseconds. */
export const runningInstance = async (data: string, patience = 10_000): Promise<Instance | undefined> => {
  for (const began = performance.now(); performance.now() - began < patience; await sleep(50)) {
    const holder = await holderOf(data)
    if (!holder) return undefined
    const instance = await readInstance(data)
    if (instance && (holder.pid === undefined || holder.pid === instance.pid)) return instance
  }
  throw new NotJoinable(`an instance holds ${data}, but does not say where it can be reached: it may be starting, or hang`)
}
