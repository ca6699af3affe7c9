import type pg from 'pg'
import type { Logger } from 'pino'
import { type Store, StoreUnavailable } from '../../eventstore/store.js'
import { backoff, sleep } from '../../platform/async.js'
import type { Database } from '../../platform/database.js'
import { checkEpoch, keepLease, type Lease, LeaseLost } from '../../platform/lease.js'
import { isPassing } from '../../platform/sqlstate.js'
import { transaction } from '../engine/batch.js'
import { type Generation, lockCheckpoint, readCheckpoint } from '../engine/checkpoint.js'
import { fedOf, newGeneration, unwanted } from '../engine/generations.js'
import { discard, dropUnwanted, join, renewView, swap, TooFar } from '../engine/swap.js'
import { addIndexes, openTable } from '../engine/tables.js'
import { judge } from '../operations/verify.js'
import type { AnyProjection } from '../projection.js'
import { type Comparison, compare } from './compare.js'
import { rebuildLease, usualMemory, withClients } from './part.js'
import { readParts } from './parts.js'

export type RebuildOptions = {
  readonly database: Database
  readonly store: Pick<Store, 'url' | 'read' | 'readAll' | 'last'>
  readonly projections: readonly AnyProjection[]
  /** Who this is, for people to read. */
  readonly holder: string
  /** Milliseconds after which another may begin where this one is not heard of any more. */
  readonly leaseTtl: number
  readonly log: Pick<Logger, 'info' | 'warn'>
  readonly signal: AbortSignal
  /** Builds and compares, and leaves the live generation live. */
  readonly verifyOnly?: boolean
  /** In how many parts a new build goes through the history. Default 1; one that is gone on with keeps its parts. */
  readonly parallel?: number
  /** Each part in a process of its own, so that this one stays free. */
  readonly processes?: boolean
  /** Milliseconds for which an old table that somebody reads is waited for, and then left to a later rebuild. */
  readonly lockWait?: number
  /** Bytes of rows that are kept in memory, about. */
  readonly memory?: number
  readonly onProgress?: (progress: Progress) => void
}

export type Progress = {
  readonly phase: 'reading' | 'indexing' | 'joining' | 'comparing'
  /** Read by this rebuild so far. */
  readonly events: number
  /** How much of the way to the store's end, from 0 to 1. */
  readonly done: number
}

export type Rebuilt = {
  readonly projection: string
  readonly generation: number
  /** Went on from what an earlier rebuild had left. */
  readonly resumed: boolean
  /** With the generation that was live; undefined where that was of another version or there was none. */
  readonly comparison: Comparison | undefined
  /** Of the rows that differ, how many of those looked at are right as they were built, folded once more from their streams. */
  readonly right: number
  readonly wrong: number
  readonly live: boolean
}

/** Another rebuild is under way. */
export class Busy extends Error {
  override readonly name = 'Busy'
}

/**
 * Builds new generations beside the live ones, from the history; brings them to the checkpoint, from where they are fed with the live
 * ones; compares both in one snapshot; and makes the new ones live. What a rebuild that was cut off has left is gone on with. Needs a
 * runner somewhere, which moves the checkpoint. Rows that differ are folded again from their streams: a new generation that is wrong
 * itself doesn't become live. Throws `Busy`, and `StoreUnavailable` when the event store stays away.
 */
export const rebuild = async (options: RebuildOptions): Promise<readonly Rebuilt[]> => {
  const { database, holder, leaseTtl, signal, log } = options
  const { rows } = await database.pool.query(
    `select holder from tillroll.lease where name = $1 and expires_at > clock_timestamp()`,
    [rebuildLease],
  )
  if (rows[0]) throw new Busy(`a rebuild is under way already, by ${rows[0].holder}`)
  const finished = new AbortController()
  let result: readonly Rebuilt[] | undefined
  await keepLease({
    database,
    name: rebuildLease,
    holder,
    ttl: leaseTtl,
    signal: AbortSignal.any([signal, finished.signal]),
    onError: (error) => log.warn({ err: error }, 'the lease of the rebuild could not be renewed'),
    onAcquired: async (held) => {
      result = await persistently(options, held)
      finished.abort()
    },
  })
  if (!result) throw new Error('the rebuild was cut off; another goes on from where it stands')
  return result
}

/** What passes (a store that is away, a connection that is lost) is waited out: another try goes on where the last one stood. */
const persistently = async (options: RebuildOptions, held: Lease): Promise<readonly Rebuilt[]> => {
  const pause = backoff(held.signal)
  for (let failures = 0; ; ) {
    try {
      return await withClients(options.database, 1, held.signal, ([client]) => run(options, client!, held))
    } catch (error) {
      // Whoever has the lease next goes on: this process too, where it was only slow.
      if (held.signal.aborted) throw new LeaseLost('the lease of the rebuild is over', { cause: error })
      const passing = error instanceof StoreUnavailable || isPassing(error)
      if (!passing || ++failures > patience) throw error
      options.log.warn({ err: error }, 'the rebuild broke off; going on')
      await pause()
    }
  }
}

const patience = 50

type Built = {
  readonly projection: AnyProjection
  readonly generation: Generation
  readonly resumed: boolean
  /** It stands at the checkpoint already: the rebuild before came as far as that. */
  readonly fed: boolean
}

const run = async (options: RebuildOptions, client: pg.PoolClient, held: Lease): Promise<readonly Rebuilt[]> => {
  const { projections, onProgress = () => undefined } = options
  const guarded = <T>(work: () => Promise<T>): Promise<T> =>
    transaction(client, async () => {
      // It holds the checkpoint, and with it the projections: not for ever.
      await checkEpoch(client, rebuildLease, held.epoch, 10_000)
      return work()
    })
  const built: Built[] = []
  for (const projection of projections) {
    await renewViewOf(options, client, projection)
    built.push(await guarded(() => candidate(client, projection, options)))
    await tidy(options, client, projection)
  }
  const unread = built.filter(({ fed }) => !fed)
  await read(options, held, unread)
  held.signal.throwIfAborted()

  for (const { projection, generation } of unread) {
    onProgress({ phase: 'indexing', events: 0, done: 1 })
    await addIndexes(client, projection, generation.generation)
    await client.query(`analyze tillroll.${projection.name}_${generation.generation}`)
  }
  const rebuilt: Rebuilt[] = []
  for (const each of built) {
    const took = !each.fed && (await joined(options, client, held, each, guarded))
    onProgress({ phase: 'comparing', events: 0, done: 1 })
    rebuilt.push(took ? { ...named(each), ...unproven, live: true } : await prove(options, client, each, guarded))
    await renewViewOf(options, client, each.projection)
    await tidy(options, client, each.projection)
  }
  return rebuilt
}

const named = ({ projection, generation, resumed }: Built) => ({
  projection: projection.name,
  generation: generation.generation,
  resumed,
})

const unproven = { comparison: undefined, right: 0, wrong: 0 }

/** The generation to build: one of today's version that was begun or left, else a new one. Others that were begun are not wanted any more. */
const candidate = async (
  client: pg.ClientBase,
  projection: AnyProjection,
  { parallel = 1, verifyOnly }: RebuildOptions,
): Promise<Built> => {
  const checkpoint = await lockCheckpoint(client)
  const { rows } = await client.query<Generation & { state: string }>(
    `select generation, version, state from tillroll.generation
     where projection = $1 and state in ('building', 'left') order by generation desc`,
    [projection.name],
  )
  const begun = rows.find(({ version }) => version === projection.version)
  for (const other of rows) {
    if (other !== begun && other.state === 'building') await unwanted(client, projection, other.generation)
  }
  const { beside } = fedOf(checkpoint, projection)
  const joined = beside.find(({ version, unproven }) => unproven && version === projection.version)
  const known = joined ?? begun
  if (known) {
    const { generation, version } = known
    return { projection, generation: { generation, version }, resumed: true, fed: known === joined }
  }
  // What is fed beside the live one makes way for what will be.
  const before = verifyOnly ? [] : beside
  for (const { generation } of before) await discard(client, projection, generation)
  const generation = await newGeneration(client, projection, 'building')
  await client.query(
    `insert into tillroll.generation_part (projection, generation, part, parts)
     select $1, $2, part, $3 from generate_series(0, $3 - 1) as part`,
    [projection.name, generation.generation, parallel],
  )
  return { projection, generation, resumed: false, fed: false }
}

/** Near enough to the store's end to be brought to the checkpoint while everybody waits. */
const near = 500

const read = async (options: RebuildOptions, { epoch, signal }: Lease, built: readonly Built[]): Promise<void> => {
  const { database, store, processes = false, memory = usualMemory, onProgress = () => undefined } = options
  const tables = built.map(({ projection, generation }) => ({ projection, generation: generation.generation }))
  if (tables.length === 0) return
  for (let first = true; ; first = false) {
    const events = await readParts({
      database,
      store,
      tables,
      memory,
      epoch,
      signal,
      // What is left after the first time isn't worth a process.
      processes: processes && first,
      onProgress: (count, done) => onProgress({ phase: 'reading', events: count, done }),
    })
    if (signal.aborted || events < near) return
  }
}

type Guarded = <T>(work: () => Promise<T>) => Promise<T>

/** Follows the checkpoint until it can be met. Answers whether the generation is live by that. */
const joined = async (
  options: RebuildOptions,
  client: pg.PoolClient,
  held: Lease,
  built: Built,
  guarded: Guarded,
): Promise<boolean> => {
  const { store, log } = options
  const { projection, generation } = built
  for (let attempt = 0; ; attempt++) {
    held.signal.throwIfAborted()
    options.onProgress?.({ phase: 'joining', events: 0, done: 1 })
    try {
      return await guarded(() => join(client, store, projection, generation))
    } catch (error) {
      if (!(error instanceof TooFar) && !(error instanceof StoreUnavailable)) throw error
      if (attempt % 200 === 199) log.warn(`${projection.name}: ${error.message}; trying on`)
      await sleep(25, held.signal)
      if (!(error instanceof TooFar && error.ahead)) await read(options, held, [built])
    }
  }
}

const prove = async (options: RebuildOptions, client: pg.PoolClient, built: Built, guarded: Guarded): Promise<Rebuilt> => {
  const { store, verifyOnly = false } = options
  const { projection, generation } = built
  const checkpoint = await readCheckpoint(client)
  const { live } = fedOf(checkpoint!, projection)
  const table = await openTable(client, projection, generation.generation)
  const comparison = await compare(client, await openTable(client, projection, live!.generation), table)
  const { right, wrong } = await judge(client, store, table, comparison.differences)
  const result = { ...named(built), comparison, right, wrong }
  if (verifyOnly || wrong > 0) {
    await guarded(() => discard(client, projection, generation.generation))
    return { ...result, live: false }
  }
  await guarded(() => swap(client, projection, generation.generation))
  return { ...result, live: true }
}

const tidy = async ({ log, lockWait }: RebuildOptions, client: pg.PoolClient, projection: AnyProjection): Promise<void> => {
  const kept = await dropUnwanted(client, projection, lockWait)
  if (kept.length > 0) log.warn(`${kept.join(', ')} is in use or depended on, and stays until a later rebuild`)
}

const renewViewOf = async (
  { log, lockWait }: RebuildOptions,
  client: pg.PoolClient,
  projection: AnyProjection,
): Promise<void> => {
  const { live } = fedOf((await readCheckpoint(client))!, projection)
  if (live && !(await renewView(client, projection, live.generation, lockWait))) {
    log.warn(`the view tillroll.${projection.name} is in use or depended on: it still shows an older generation`)
  }
}
