import { setTimeout as sleep } from 'node:timers/promises'
import { joinEmbedded, type Parts, startEmbedded } from './embedded/index.js'
import { storeIdentity } from './eventstore/identity.js'
import { connectStore, type Store, StoreUnavailable } from './eventstore/store.js'
import type { Config } from './platform/config.js'
import { connectDatabase, type Database, migrate } from './platform/database.js'
import type { Log } from './platform/log.js'
import { readSecrets, type Secrets } from './platform/secrets.js'

/** Both stores, reachable and up to date, embedded or not: what everything else is made of. */
export type Connections = {
  readonly store: Store
  readonly database: Database
  readonly secrets: Secrets
  /** The event store's identity. */
  readonly storeId: string
  /** Closes the connections, and stops the embedded parts that were started here. */
  readonly close: () => Promise<void>
}

/**
 * `join`: an instance that runs on the data folder is joined, where one runs; else one is refused with `Held`. Parts that are neither
 * running nor given by the environment are started. Throws what prevents the start, with nothing left running.
 */
export const connect = async (config: Config, { join, log }: { join: boolean; log: Log }): Promise<Connections> => {
  const parts: Parts = (join && (await joinEmbedded(config))) || (await startEmbedded(config, log))
  const { eventstoreUrl, databaseUrl } = parts
  const store = connectStore(eventstoreUrl)
  const database = connectDatabase(databaseUrl, { onWarning: (message) => log.warn({ part: 'Postgres' }, message) })
  const close = async () => {
    await Promise.all([store.close(), database.close()])
    await parts.stop()
  }
  try {
    const secrets = await readSecrets(config)
    const [{ storeId }] = await Promise.all([
      eventually('the event store', () => storeIdentity(store, secrets.emailKey), log),
      eventually('Postgres', () => migrate(databaseUrl), log),
    ])
    return { store, database, secrets, storeId, close }
  } catch (error) {
    await close()
    throw error
  }
}

const patience = 60_000

/** Where everything is started at once, by a composition or after a power cut, the stores may come up later than we do. */
const eventually = async <T>(what: string, work: () => Promise<T>, log: Log): Promise<T> => {
  const began = performance.now()
  for (let pause = 100; ; pause = Math.min(2 * pause, 2_000)) {
    try {
      return await work()
    } catch (error) {
      if (!isAway(error) || performance.now() - began > patience) throw error
      log.warn({ reason: (error as Error).message }, `${what} does not answer yet`)
      await sleep(pause)
    }
  }
}

const away = new Set(['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT', 'EHOSTUNREACH', '57P03'])

const isAway = (error: unknown): boolean =>
  error instanceof StoreUnavailable || away.has((error as NodeJS.ErrnoException | undefined)?.code ?? '')
