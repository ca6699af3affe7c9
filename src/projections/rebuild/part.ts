import type pg from 'pg'
import type { Position, Store } from '../../eventstore/store.js'
import type { Database } from '../../platform/database.js'
import { checkEpoch } from '../../platform/lease.js'
import type { Client } from '../engine/checkpoint.js'
import { openTable } from '../engine/tables.js'
import type { AnyProjection } from '../projection.js'
import { fill, type Part } from './fill.js'
import { sourceOf } from './source.js'

/** The lease that a rebuild holds. */
export const rebuildLease = 'rebuild'

export type BuildingTable = { readonly projection: AnyProjection; readonly generation: number }

export type FillPartOptions = {
  readonly database: Pick<Database, 'pool'>
  readonly store: Pick<Store, 'url' | 'read' | 'readAll'>
  readonly tables: readonly BuildingTable[]
  readonly part: number
  /** How many parts there are at most: they share the memory. */
  readonly parts: number
  /** Bytes. */
  readonly memory: number
  /** The lease's. */
  readonly epoch: number
  readonly signal: AbortSignal
  readonly onProgress: (events: number, position: Position) => void
}

/** Bytes of rows that all parts together keep in memory, as far as they can be told. Half of it is written at once. */
export const usualMemory = 48_000_000

/** Milliseconds for which a transaction that writes rows may be idle: encoding them takes its time on a busy machine. */
const idle = 60_000

/** Folds one part of all the tables to the history's end, over connections of its own. */
export const fillPart = async (options: FillPartOptions): Promise<void> => {
  const { database, store, tables, part, parts, memory, epoch, signal, onProgress } = options
  await withClients(database, 2, signal, async ([reader, writer]) => {
    const own: Part[] = []
    for (const table of tables) own.push(...(await partsOf(reader!, table)).filter((each) => each.part === part))
    if (own.length === 0) return
    await fill({
      parts: own,
      reader: reader!,
      writer: writer!,
      source: sourceOf(store),
      check: (client) => checkEpoch(client, rebuildLease, epoch, idle),
      signal,
      keep: memory / parts,
      flushAt: memory / parts / 2,
      onProgress,
    })
  })
}

/** Where the parts of a table that is being built stand. */
export const partsOf = async (client: Client, { projection, generation }: BuildingTable): Promise<Part[]> => {
  const table = await openTable(client, projection, generation)
  const { rows } = await client.query<{ part: number; parts: number; commit: string | null; prepare: string | null }>(
    `select part, parts, commit_position::text as commit, prepare_position::text as prepare from tillroll.generation_part
     where projection = $1 and generation = $2 order by part`,
    [projection.name, generation],
  )
  return rows.map(({ part, parts, commit, prepare }) => ({
    table,
    part,
    parts,
    at: commit === null ? undefined : { commit: BigInt(commit), prepare: BigInt(prepare!) },
  }))
}

/** Clients of the pool for long statements; thrown away after use, and at once when the signal aborts. */
export const withClients = async <T>(
  { pool }: Pick<Database, 'pool'>,
  count: number,
  signal: AbortSignal,
  work: (clients: readonly pg.PoolClient[]) => Promise<T>,
): Promise<T> => {
  const clients: pg.PoolClient[] = []
  const close = () => {
    for (const client of clients.splice(0)) client.release(true)
  }
  try {
    for (let i = 0; i < count; i++) {
      const client = await pool.connect()
      clients.push(client)
      // The query under way fails too, and it is that one's error which is told.
      client.on('error', () => undefined)
      // What is lost with the last moments of a crash is rows and the place where they stand alike.
      await client.query('set statement_timeout = 0; set synchronous_commit = off')
    }
    signal.addEventListener('abort', close, { once: true })
    return await work([...clients])
  } finally {
    signal.removeEventListener('abort', close)
    close()
  }
}
