import { expect } from 'chai'
import { createFeed } from '../../../src/eventstore/feed.js'
import type { Store } from '../../../src/eventstore/store.js'
import { connectDatabase, type Database } from '../../../src/platform/database.js'
import { projections } from '../../../src/projections/all.js'
import { readCheckpoint } from '../../../src/projections/engine/checkpoint.js'
import { tableName } from '../../../src/projections/engine/tables.js'
import type { AnyProjection } from '../../../src/projections/projection.js'
import { type RunnerOptions, runProjections } from '../../../src/projections/runner.js'
import { createDatabase } from '../../support/postgres.js'
import { until } from '../../support/until.js'

export const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined }

/** A database of its own; ended with `close`. */
export const openDatabase = async (): Promise<Database & { drop: () => Promise<void> }> => {
  const { url, drop } = await createDatabase()
  const database = connectDatabase(url)
  return {
    ...database,
    drop: async () => {
      await database.close()
      await drop()
    },
  }
}

export type Running = { readonly stop: () => Promise<void>; readonly done: Promise<void>; readonly logged: string[] }

export const start = (database: Database, store: Store, options: Partial<RunnerOptions> = {}): Running => {
  const stopping = new AbortController()
  const logged: string[] = []
  const note = (...words: unknown[]) => {
    logged.push(words.map((word) => (word instanceof Object ? String((word as { err?: unknown }).err) : String(word))).join(' '))
  }
  const feed = createFeed({ store, log: { ...quiet, warn: note }, probeEvery: 50 })
  const done = runProjections({
    database,
    store,
    feed,
    projections,
    storeId: 'store-1',
    log: { info: note, warn: note, error: note },
    holder: 'test',
    leaseTtl: 1_000,
    signal: stopping.signal,
    ...options,
  })
  return {
    done,
    logged,
    stop: async () => {
      stopping.abort()
      await done
      await feed.close()
    },
  }
}

/** The checkpoint has reached the store's newest event. */
export const caughtUp = async (database: Database, store: Pick<Store, 'last'>): Promise<void> => {
  const last = await store.last()
  await until(async () => ((await readCheckpoint(database.pool))?.at?.commit ?? -1n) >= (last?.position ?? -1n))
}

export const rowsOf = async (database: Database, projection: AnyProjection, generation: number): Promise<Map<string, object>> => {
  const { rows } = await database.pool.query(
    `select stream_id, to_jsonb(t) - 'stream_id' - 'revision' - 'position' as row from ${tableName(projection, generation)} t order by 1`,
  )
  return new Map(rows.map(({ stream_id, row }) => [stream_id, row]))
}

/** Holds every live table against what a history's own account of itself says. */
export const expectRows = async (database: Database, expected: Record<string, Map<string, object>>): Promise<void> => {
  const checkpoint = await readCheckpoint(database.pool)
  for (const projection of projections) {
    const live = checkpoint!.generations[projection.name]!.live!
    const rows = await rowsOf(database, projection, live.generation)
    const want = expected[projection.name]!
    expect([...rows.keys()], projection.name).to.have.members([...want.keys()])
    for (const [streamId, row] of want) expect(withTimes(rows.get(streamId)!), streamId).to.deep.equal(withTimes(row))
  }
}

/** Postgres spells an instant its own way. */
const withTimes = (row: object): object =>
  Object.fromEntries(
    Object.entries(row).map(([name, value]) => [
      name,
      name.endsWith('_at') && value !== null ? new Date(value).toISOString() : value,
    ]),
  )
