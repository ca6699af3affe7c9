import { createServer } from 'node:net'
import { join } from 'node:path'
import type { Config } from '../platform/config.js'
import { messageOf } from '../platform/errors.js'
import { FolderUnusable, isFull } from '../platform/files.js'
import { holdLock } from '../platform/folder-lock.js'
import type { Log } from '../platform/log.js'
import type { CheckStatus } from './eventstore/maintenance/check.js'
import { spawnEventStore } from './eventstore/spawn.js'
import { readInstance, runningInstance, writeInstance } from './instance.js'
import { startPostgres } from './postgres/server.js'
import { untilFree, type Waiting } from './predecessor.js'
import { type Supervised, supervise } from './supervise.js'

export type Parts = {
  readonly eventstoreUrl: string
  readonly databaseUrl: string
  /** Stops what was started, the clients of which must be done. */
  readonly stop: () => Promise<void>
}

/**
 * Serves what the environment names no address for: starts the event store and Postgres in the data folder, and holds that. Throws
 * `FolderInUse` where another process holds it, `FolderUnusable` where its disk is full, and the signal's reason where it ends a wait. With both named there is nothing to start, and nothing is held.
 */
export const startEmbedded = async (config: Config, log: Log, signal = new AbortController().signal): Promise<Parts> => {
  const { data, eventstoreUrl, databaseUrl } = config
  if (eventstoreUrl && databaseUrl) return { eventstoreUrl, databaseUrl, stop: async () => undefined }
  const lock = await holdLock(data)
  const last = (await readInstance(data))?.ports ?? {}
  const started = await Promise.allSettled([
    eventstoreUrl ? undefined : startEventStore(data, { log, signal }, await stillFree(last.eventstore)),
    databaseUrl ? undefined : startDatabase(data, log, await stillFree(last.postgres)),
  ])
  const [eventstore, postgres] = started.map((one) => (one.status === 'fulfilled' ? one.value : undefined))
  const stop = async () => {
    await Promise.all([eventstore?.stop(), postgres?.stop()])
    await lock.release()
  }
  try {
    for (const one of started) if (one.status === 'rejected') throw one.reason
    const urls = { eventstoreUrl: eventstoreUrl ?? eventstore!.url, databaseUrl: databaseUrl ?? postgres!.url }
    await writeInstance(data, { pid: process.pid, ...urls, ports: { eventstore: eventstore?.port, postgres: postgres?.port } })
    return { ...urls, stop }
  } catch (error) {
    await stop()
    throw isFull(error)
      ? new FolderUnusable(
          `TILLROLL_DATA: ${data} has no room left (${messageOf(error)}): make space, or choose another folder`,
          {
            cause: error,
          },
        )
      : error
  }
}

/** The parts of the instance that runs on the data folder, which go on without us; `undefined`: none runs. What the environment names comes first. */
export const joinEmbedded = async ({ data, eventstoreUrl, databaseUrl }: Config): Promise<Parts | undefined> => {
  if (eventstoreUrl && databaseUrl) return undefined
  const instance = await runningInstance(data)
  if (!instance) return undefined
  return {
    eventstoreUrl: eventstoreUrl ?? instance.eventstoreUrl,
    databaseUrl: databaseUrl ?? instance.databaseUrl,
    stop: async () => undefined,
  }
}

const startEventStore = (data: string, { log, signal }: Waiting, port?: number): Promise<Supervised> => {
  const folder = join(data, 'eventstore')
  const onProgress = (done: number, total: number) =>
    log.info({ part: 'event store', done, total }, `event store makes its index anew: ${Math.floor((100 * done) / total)} %`)
  const told = { onProgress, onChecked: tellChecked(log), onFull: tellFull(log) }
  return supervise(
    'event store',
    async (at, ending) => {
      await untilFree(folder, { log, signal: AbortSignal.any([signal, ending]) })
      return spawnEventStore({ folder, ...(at && { port: at }), ...told })
    },
    log,
    port,
  )
}

const tellChecked =
  (log: Log) =>
  ({ state, total, problems }: CheckStatus): void => {
    const part = { part: 'event store', bytes: total }
    if (state === 'damaged')
      log.error(
        { ...part, problems },
        `the event store is damaged: ${problems.join('; ')}. Restore a backup; until then, reads of it fail`,
      )
    else if (state === 'whole') log.info(part, 'the event store has checked all its files: they are whole')
  }

const tellFull =
  (log: Log) =>
  (full: boolean): void => {
    const part = { part: 'event store' }
    if (full)
      log.error(part, "the event store's disk is full: it refuses what is to be written and goes on with reads; make space")
    else log.info(part, "the event store's disk has space again: it writes")
  }

const startDatabase = (data: string, log: Log, port?: number): Promise<Supervised> => {
  const part = { part: 'Postgres' }
  const telling = { log: (line: string) => log.info(part, `Postgres ${line}`), onOutput: (line: string) => log.debug(part, line) }
  return supervise(
    'Postgres',
    (at) => startPostgres({ folder: join(data, 'postgres'), ...(at && { port: at }), ...telling }),
    log,
    port,
  )
}

const stillFree = (port: number | undefined): Promise<number | undefined> =>
  new Promise((resolve) => {
    if (port === undefined) return resolve(undefined)
    const server = createServer().once('error', () => resolve(undefined))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(port)))
  })
