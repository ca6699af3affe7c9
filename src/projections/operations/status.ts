import { positionOf, type Store } from '../../eventstore/store.js'
import { type Client, type Generation, readCheckpoint } from '../engine/checkpoint.js'
import { fedOf } from '../engine/generations.js'
import { tableName } from '../engine/tables.js'
import type { AnyProjection } from '../projection.js'

export type ProjectionStatus = {
  readonly projection: string
  /** `live`; `building`: reads of this release are not answered yet; `superseded`: another release's is live. */
  readonly state: 'live' | 'building' | 'superseded'
  /** Of this release. */
  readonly version: number
  readonly live: Generation | null
  readonly beside: readonly Generation[]
  readonly rows: number
  readonly parked: number
}

export type Status = {
  readonly storeId: string
  /** The commit positions of the checkpoint and of the store's newest event; −1: none. */
  readonly position: bigint
  readonly head: bigint
  /** Events of the store that are not folded yet, counted up to `countTo`. */
  readonly behind: number
  /** Milliseconds since the event at the checkpoint was written. */
  readonly lastEventAge: number | undefined
  /** Milliseconds since the checkpoint moved. */
  readonly idle: number
  /** Who holds the lease; undefined: nobody is projecting. */
  readonly holder: string | undefined
  readonly projections: readonly ProjectionStatus[]
}

export type StatusOptions = {
  readonly client: Client
  readonly store: Pick<Store, 'last' | 'readAll'>
  readonly projections: readonly AnyProjection[]
  readonly countTo?: number
  /** Counts every row; else the database estimates. Default true. */
  readonly exact?: boolean
}

/** Where the projections stand. `undefined` where they have never run on this database. Throws `StoreUnavailable`. */
export const projectionStatus = async ({
  client,
  store,
  projections,
  countTo = 10_000,
  exact = true,
}: StatusOptions): Promise<Status | undefined> => {
  const checkpoint = await readCheckpoint(client)
  if (!checkpoint) return undefined
  const head = positionOf(await store.last())?.commit ?? -1n
  const { rows } = await client.query<{ age: number | null; idle: number; holder: string | null }>(
    `select extract(epoch from now() - event_created)::float8 * 1000 as age, extract(epoch from now() - moved_at)::float8 * 1000 as idle,
       (select holder from tillroll.lease where name = 'projections' and expires_at > clock_timestamp()) as holder
     from tillroll.checkpoint where name = 'projections'`,
  )
  const { age, idle, holder } = rows[0]!
  const statuses: ProjectionStatus[] = []
  for (const projection of projections) {
    const { live, beside } = fedOf(checkpoint, projection)
    const state =
      !live || live.version < projection.version ? 'building' : live.version > projection.version ? 'superseded' : 'live'
    const { name, version } = projection
    statuses.push({ projection: name, state, version, live, beside, ...(await countsOf(client, projection, live, exact)) })
  }
  const behind = head > (checkpoint.at?.commit ?? -1n) ? await countAfter(store, checkpoint.at, countTo) : 0
  return {
    storeId: checkpoint.storeId,
    position: checkpoint.at?.commit ?? -1n,
    head,
    behind,
    lastEventAge: age ?? undefined,
    idle,
    holder: holder ?? undefined,
    projections: statuses,
  }
}

const countsOf = async (client: Client, projection: AnyProjection, live: Generation | null, exact: boolean) => {
  if (!live) return { rows: 0, parked: 0 }
  const table = tableName(projection, live.generation)
  const count = exact
    ? `select count(*) from ${table}`
    : `select greatest(reltuples, 0)::int8 from pg_class where oid = '${table}'::regclass`
  const { rows } = await client.query<{ rows: string; parked: string }>(
    `select (${count})::text as rows,
       (select count(*) from tillroll.quarantine where projection = $1 and generation = $2)::text as parked`,
    [projection.name, live.generation],
  )
  return { rows: Number(rows[0]!.rows), parked: Number(rows[0]!.parked) }
}

const countAfter = async (
  store: Pick<Store, 'readAll'>,
  after: Parameters<Store['readAll']>[0],
  most: number,
): Promise<number> => {
  let count = 0
  for await (const _ of store.readAll(after)) if (++count >= most) break
  return count
}
