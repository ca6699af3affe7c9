import type pg from 'pg'
import type { Logger } from 'pino'
import type { Feed } from '../eventstore/feed.js'
import type { Store } from '../eventstore/store.js'
import { backoff, sleep } from '../platform/async.js'
import type { Database } from '../platform/database.js'
import { keepLease, type Lease, LeaseLost } from '../platform/lease.js'
import { applyBatch, learner, transaction } from './engine/batch.js'
import { assertStandsIn, Fenced, readCheckpoint, WrongStore } from './engine/checkpoint.js'
import { beginCheckpoint, fedOf, openFed, Superseded, takeOver } from './engine/generations.js'
import type { BatchMeasures } from './operations/metrics.js'
import type { AnyProjection } from './projection.js'
import { Busy, rebuild } from './rebuild/rebuild.js'

export type RunnerOptions = {
  readonly database: Database
  readonly store: Pick<Store, 'url' | 'eventAt' | 'last' | 'read' | 'readAll'>
  readonly feed: Pick<Feed, 'follow'>
  readonly projections: readonly AnyProjection[]
  readonly storeId: string
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>
  /** Who this is, for people to read. */
  readonly holder: string
  /** Milliseconds after which another takes over from a holder that is not heard of. */
  readonly leaseTtl: number
  readonly signal: AbortSignal
  /** The rows are at this commit position: told after the commit. */
  readonly onPosition?: (position: bigint) => void
  readonly onBatch?: (batch: BatchMeasures) => void
}

/**
 * Folds what the feed brings into the read models, while it holds the lease; else stands by. Waits out both stores' failures. Resolves
 * when `signal` aborts; throws `WrongStore` where the checkpoint and the store don't belong together.
 */
export const runProjections = async (options: RunnerOptions): Promise<void> => {
  const { database, log, holder, leaseTtl } = options
  const failed = new AbortController()
  const signal = AbortSignal.any([options.signal, failed.signal])
  const building = buildMissing({ ...options, signal })
  let said: string | undefined
  try {
    await keepLease({
      database,
      name: 'projections',
      holder,
      ttl: leaseTtl,
      signal,
      onError: (error) => log.warn({ err: error }, 'the lease of the projections could not be renewed or asked for'),
      onAcquired: async (lease) => {
        said = await hold(options, lease, said)
      },
    })
  } finally {
    failed.abort()
    await building
  }
}

/**
 * Builds what no table of this release's version is live for: after an upgrade, for a new projection, on an empty database. An older
 * release may project and serve meanwhile, until the swap.
 */
const buildMissing = async (options: RunnerOptions): Promise<void> => {
  const { database, projections, signal, log } = options
  let upgraded = false
  while (!signal.aborted) {
    try {
      const checkpoint = await readCheckpoint(database.pool)
      const missing = projections.filter((projection) => {
        const live = checkpoint && fedOf(checkpoint, projection).live
        // Later than at the start, another version means that another release has come, and taken over.
        return checkpoint && (live ? !upgraded && live.version < projection.version : true)
      })
      if (missing.length > 0) {
        log.info(`building ${missing.map(({ name }) => name).join(', ')}`)
        // This process may be serving meanwhile.
        await rebuild({ ...options, projections: missing, processes: true })
        log.info(`built ${missing.map(({ name }) => name).join(', ')}`)
      }
      upgraded ||= checkpoint !== undefined
    } catch (error) {
      // Another, a person's or another process's, does the same.
      if (!signal.aborted && !(error instanceof Busy)) log.warn({ err: error }, 'building read models broke off; trying again')
    }
    await sleep(1_000, signal)
  }
}

/** Answers why this release has to stand by, if it has; `said` is what it answered the last time. */
const hold = async (options: RunnerOptions, lease: Lease, said: string | undefined): Promise<string | undefined> => {
  const { log } = options
  if (said === undefined) log.info({ epoch: lease.epoch }, 'projecting')
  const pause = backoff(lease.signal)
  while (!lease.signal.aborted) {
    try {
      await session(options, lease, pause.reset)
    } catch (error) {
      if (error instanceof WrongStore) throw error
      if (error instanceof Fenced) throw new LeaseLost(error.message, { cause: error })
      if (error instanceof Superseded) {
        // The lease is given up at once, and asked for again later: its rightful holder gets it in between.
        if (said !== error.message) log.warn(`${error.message}: standing by`)
        return error.message
      }
      if (lease.signal.aborted) return undefined
      log.error({ err: error }, 'projecting broke off; going on from the checkpoint')
      await pause()
    }
  }
  return undefined
}

/** Milliseconds. A transaction costs the same for one event as for thirty, and at a thousand commands a second there are thirty in this. */
const restAfterSeveral = 10

/** One connection's work: from the checkpoint on, until something fails. Whatever was under way is done again from the checkpoint then. */
const session = async (options: RunnerOptions, { epoch, signal }: Lease, onProgress: () => void): Promise<void> => {
  const { database, feed, projections, leaseTtl, onPosition, onBatch } = options
  const client = await connect(database.pool, signal)
  try {
    // A holder that is stopped in the middle of a transaction must not keep the checkpoint's row from its successor.
    // A slow statement is waited for as long as the lease can be kept.
    await client.query(`set idle_in_transaction_session_timeout = ${Math.ceil(leaseTtl)}; set statement_timeout = 0`)
    await assertSameStore(options, client)
    const checkpoint = await transaction(client, () => takeOver(client, projections, epoch))
    if (checkpoint.at) onPosition?.(checkpoint.at.commit)
    const learn = learner((current) => openFed(client, projections, current), client)
    await feed.follow({
      after: checkpoint.at,
      signal,
      restAfterSeveral,
      onBatch: async (events) => {
        const began = performance.now()
        const { at } = await applyBatch({ client, epoch, learn, events })
        onProgress()
        if (at) onPosition?.(at.commit)
        const lag = Math.max(0, Date.now() - events.at(-1)!.created.getTime()) / 1_000
        onBatch?.({ events: events.length, seconds: (performance.now() - began) / 1_000, lag })
      },
    })
  } finally {
    client.close()
  }
}

/** A client of the pool that is thrown away after use, also in the middle of a query that isn't answered. */
const connect = async (pool: pg.Pool, signal: AbortSignal): Promise<pg.PoolClient & { close: () => void }> => {
  const client = await pool.connect()
  // The query under way fails too, and it is that one's error which is told.
  client.on('error', () => undefined)
  let open = true
  const close = () => {
    signal.removeEventListener('abort', close)
    if (open) client.release(true)
    open = false
  }
  signal.addEventListener('abort', close, { once: true })
  return Object.assign(client, { close })
}

/** How many events an empty database may be behind before its tables are built in bulk. */
const bulkFrom = 2_000

/** Makes the first checkpoint where there is none. Throws `WrongStore`. */
const assertSameStore = async ({ store, projections, storeId }: RunnerOptions, client: pg.ClientBase): Promise<void> => {
  const checkpoint = await readCheckpoint(client)
  if (checkpoint) return assertStandsIn(store, storeId, checkpoint)
  const last = (await holdsMoreThan(store, bulkFrom)) ? await store.last() : undefined
  await transaction(client, () => beginCheckpoint(client, projections, storeId, last))
}

const holdsMoreThan = async (store: Pick<Store, 'readAll'>, count: number): Promise<boolean> => {
  let seen = 0
  for await (const _ of store.readAll()) if (++seen > count) return true
  return false
}
