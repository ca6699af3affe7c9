import type { ClientBase } from 'pg'
import type { Position, Store } from '../../eventstore/store.js'

/** The channel on which every move of the checkpoint, and every change of what it names, is told: the payload is the commit position. */
export const channel = 'tillroll_projections'

export type Generation = {
  readonly generation: number
  readonly version: number
  /** Fed beside the live one, and not compared with it yet: nothing to go back to. */
  readonly unproven?: true
}

/** Which tables of a projection are folded up to the checkpoint. */
export type Fed = {
  /** The one that reads are answered from; none while a first one of today's version is being built. */
  readonly live: Generation | null
  /** Those that are kept in step beside it, the newest first: a candidate, or the one that was live before. */
  readonly beside: readonly Generation[]
}

export type Generations = { readonly [projection: string]: Fed }

export type Checkpoint = {
  readonly storeId: string
  /** The event that it stands at; none: before the first one. */
  readonly at: (Position & { readonly eventId: string }) | undefined
  readonly generations: Generations
  /** Counts the changes of generations and quarantine. */
  readonly changes: number
  readonly epoch: number
}

/** The checkpoint is another store's, or stands at an event that is not there any more. */
export class WrongStore extends Error {
  override readonly name = 'WrongStore'
}

/** Another holder of the lease has been here since. */
export class Fenced extends Error {
  override readonly name = 'Fenced'
}

const columns = `store_id, commit_position::text as commit, prepare_position::text as prepare, event_id, generations,
  changes::int as changes, epoch::int as epoch`

type Stored = {
  store_id: string
  commit: string | null
  prepare: string | null
  event_id: string | null
  generations: Generations
  changes: number
  epoch: number
}

const checkpointOf = ({ store_id, commit, prepare, event_id, generations, changes, epoch }: Stored): Checkpoint => ({
  storeId: store_id,
  at: commit === null ? undefined : { commit: BigInt(commit), prepare: BigInt(prepare!), eventId: event_id! },
  generations,
  changes,
  epoch,
})

export type Client = Pick<ClientBase, 'query'>

export const readCheckpoint = async (client: Client): Promise<Checkpoint | undefined> => {
  const { rows } = await client.query<Stored>(`select ${columns} from tillroll.checkpoint where name = 'projections'`)
  return rows[0] && checkpointOf(rows[0])
}

/** For a transaction: holds the row, and with it every read model, until the end. */
export const lockCheckpoint = async (client: Client): Promise<Checkpoint> => {
  const { rows } = await client.query<Stored>({
    name: 'lock checkpoint',
    text: `select ${columns} from tillroll.checkpoint where name = 'projections' for update`,
  })
  if (!rows[0]) throw new WrongStore('there is no checkpoint: the projections have never run on this database')
  return checkpointOf(rows[0])
}

/** Makes the row where there is none. */
export const createCheckpoint = async (
  client: Client,
  { storeId, at, generations }: Pick<Checkpoint, 'storeId' | 'at' | 'generations'>,
  created?: Date,
): Promise<void> => {
  const { commit = null, prepare = null, eventId = null } = at ?? {}
  await client.query(
    `insert into tillroll.checkpoint (name, store_id, commit_position, prepare_position, event_id, event_created, generations)
     values ('projections', $1, $2, $3, $4, $5, $6) on conflict (name) do nothing`,
    [storeId, commit?.toString(), prepare?.toString(), eventId, created, JSON.stringify(generations)],
  )
}

/** In the transaction that writes the rows; told to everybody when that commits. */
export const moveCheckpoint = async (client: Client, at: NonNullable<Checkpoint['at']>, created: Date): Promise<void> => {
  await client.query({
    name: 'move checkpoint',
    text: `with moved as (
       update tillroll.checkpoint
       set commit_position = $1, prepare_position = $2, event_id = $3, event_created = $4, moved_at = clock_timestamp()
       where name = 'projections' returning 1)
     select pg_notify('${channel}', $1::text) from moved`,
    values: [at.commit.toString(), at.prepare.toString(), at.eventId, created],
  })
}

/** Names other generations (left out: the same) and makes everybody learn anew what they remembered of this row. */
export const changeCheckpoint = async (client: Client, generations?: Generations): Promise<void> => {
  await client.query(
    `with changed as (
       update tillroll.checkpoint set generations = coalesce($1::jsonb, generations), changes = changes + 1
       where name = 'projections' returning commit_position)
     select pg_notify('${channel}', coalesce(commit_position, -1)::text) from changed`,
    [generations === undefined ? null : JSON.stringify(generations)],
  )
}

export const enterEpoch = async (client: Client, epoch: number): Promise<void> => {
  await client.query(`update tillroll.checkpoint set epoch = $1 where name = 'projections'`, [epoch])
}

/** Throws `WrongStore` where the read models are not of this store, or of a state that it has not (any more). */
export const assertStandsIn = async (
  store: Pick<Store, 'eventAt'>,
  storeId: string,
  { storeId: known, at }: Checkpoint,
): Promise<void> => {
  const startOver = '--start-over builds the read models anew'
  if (known !== storeId) {
    throw new WrongStore(`the read models are of the event store ${known}, and this is ${storeId}; ${startOver}`)
  }
  if (!at) return
  const event = await store.eventAt(at)
  if (event?.id === at.eventId) return
  throw new WrongStore(
    `the read models stand at event ${at.eventId} at position ${at.commit}, where the event store has ${event ? 'another' : 'none'}: ` +
      `it was restored to an earlier state, or is another's copy; ${startOver}`,
  )
}
