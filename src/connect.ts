import { joinEmbedded, type Parts, startEmbedded } from './embedded/index.js'
import { assertAddress } from './eventstore/address.js'
import { connectStore } from './eventstore/client.js'
import { type StoreIdentity, storeIdentity } from './eventstore/identity.js'
import { type Store, StoreUnavailable } from './eventstore/store.js'
import { withTlsGuess } from './eventstore/tls-guess.js'
import { backoff, orAborted } from './platform/async.js'
import type { Config } from './platform/config.js'
import { connectDatabase, type Database, migrate } from './platform/database.js'
import { codeOf, messageOf } from './platform/errors.js'
import { assertWritable } from './platform/files.js'
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

export type ConnectOptions = {
  /** An instance that runs on the data folder is joined, where one runs; else one is refused with `FolderInUse`. */
  readonly join: boolean
  readonly log: Log
  /** Ends whatever is waited for. */
  readonly signal?: AbortSignal
}

/** A store that is not here yet, or a setting that does not lead to it; the message names the setting. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable'
}

/** Milliseconds that a part which is being started has to come up, so that it can be stopped in order: else it ends with this process. */
const grace = 1_500

/**
 * Parts that are neither running nor given by the environment are started. Throws what prevents the start, or the signal's reason, with
 * nothing left running.
 */
export const connect = async (config: Config, options: ConnectOptions): Promise<Connections> => {
  const { log, signal = new AbortController().signal } = options
  if (config.eventstoreUrl !== undefined) await assertAddress(config.eventstoreUrl)
  if (needsFolder(config)) await assertWritable(config.data, 'TILLROLL_DATA')
  const parts = await orAborted(findParts(config, options), signal, grace)
  const { eventstoreUrl, databaseUrl } = parts
  const store = connectStore(eventstoreUrl, { through: config.eventstoreAppends })
  const database = connectDatabase(databaseUrl, { onWarning: (message) => log.warn({ part: 'Postgres' }, message) })
  const close = async () => {
    await Promise.all([store.close(), database.close()])
    await parts.stop()
  }
  try {
    signal.throwIfAborted()
    const secrets = await readSecrets(config)
    const [{ storeId }] = await Promise.all([
      eventually(nameOf('the event store', 'EVENTSTORE_URL', config.eventstoreUrl), log, signal, () =>
        identityOf(store, eventstoreUrl, secrets.emailKey),
      ),
      eventually(nameOf('Postgres', 'DATABASE_URL', config.databaseUrl), log, signal, () => migrate(databaseUrl)),
    ])
    return { store, database, secrets, storeId, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Asks for all the rights that the shop needs, so that the start says which are missing, and not a feed later on. */
const identityOf = async (store: Store, url: string, emailKey: string): Promise<StoreIdentity> => {
  try {
    await store.last()
    return await storeIdentity(store, emailKey)
  } catch (error) {
    throw await withTlsGuess(url, error)
  }
}

const needsFolder = ({ eventstoreUrl, databaseUrl, jwtSecrets, emailKey }: Config): boolean =>
  !(eventstoreUrl && databaseUrl && jwtSecrets && emailKey)

const findParts = async (config: Config, { join, log, signal }: ConnectOptions): Promise<Parts> =>
  (join && (await joinEmbedded(config))) || startEmbedded(config, log, signal)

/** With the setting that leads there and its host, which may be mistyped; without the password that an address may hold. */
const nameOf = (what: string, setting: string, url: string | undefined): string => {
  const host = url && /^[a-z+]+:\/\/(?:[^@/]*@)?([^/?]*)/.exec(url)?.[1]
  return host ? `${what} at ${host} (${setting})` : what
}

/** Milliseconds. Where everything is started at once, by a composition or after a power cut, the stores may come up later than we do. */
const patience = 60_000

const eventually = async <T>(what: string, log: Log, signal: AbortSignal, work: () => Promise<T>): Promise<T> => {
  const began = performance.now()
  const pause = backoff(signal, { first: 100, most: 2_000 })
  for (;;) {
    try {
      return await orAborted(work(), signal)
    } catch (error) {
      signal.throwIfAborted()
      const [message, code = ''] = [messageOf(error), codeOf(error)]
      if (refused.test(code)) throw new Unreachable(`${what} refuses: ${message}`, { cause: error })
      if (error instanceof StoreUnavailable && error.missing !== undefined)
        throw new Unreachable(`${what} can't be used: ${error.missing}`, { cause: error })
      if (!isAway(error)) throw error
      const waited = Math.round((performance.now() - began) / 1_000)
      if (performance.now() - began > patience)
        throw new Unreachable(`${what} has not answered for ${waited} s: ${message}. Start it, or correct its address`, {
          cause: error,
        })
      log.warn({ err: error, waited }, `${what} does not answer yet: ${message}`)
      await pause()
    }
  }
}

// A wrong user, password or name of the database: waiting helps with none of them.
const refused = /^(28P01|28000|3D000)$/

const away = new Set(['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT', 'EHOSTUNREACH', '57P03'])

const isAway = (error: unknown): boolean => error instanceof StoreUnavailable || away.has(codeOf(error) ?? '')
