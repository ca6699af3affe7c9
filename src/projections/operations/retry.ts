import type { Store } from '../../eventstore/store.js'
import { refusedIn, transaction } from '../engine/batch.js'
import { type Client, changeCheckpoint, lockCheckpoint } from '../engine/checkpoint.js'
import { type Failure, type FoldEvent, foldBatch } from '../engine/fold.js'
import { fedOf } from '../engine/generations.js'
import { listParked, type Parked, park, unpark } from '../engine/quarantine.js'
import { openTable, type Table } from '../engine/tables.js'
import type { AnyProjection } from '../projection.js'

export type Retried = { readonly parked: Parked; readonly error: string | undefined }

/**
 * Folds parked streams again from their beginning, with today's code: the row is brought to the checkpoint, or the stream stays parked,
 * with one attempt more. Only in generations that are fed, and that this release can fold. Throws `StoreUnavailable`.
 */
export const retryParked = async (
  client: Client,
  store: Pick<Store, 'read'>,
  projections: readonly AnyProjection[],
  isWanted: (parked: Parked) => boolean = () => true,
): Promise<readonly Retried[]> => {
  const retried: Retried[] = []
  for (const parked of (await listParked(client)).filter(isWanted)) {
    const projection = projections.find(({ name }) => name === parked.projection)
    if (!projection) continue
    // Most of the stream is read before anybody has to wait.
    const events = await store.read(parked.streamId, { timeout: 60_000 })
    const outcome = await transaction(client, () => retry(client, store, projection, parked, events))
    if (outcome) retried.push({ parked, error: outcome.error })
  }
  return retried
}

const retry = async (
  client: Client,
  store: Pick<Store, 'read'>,
  projection: AnyProjection,
  { generation, streamId }: Parked,
  known: readonly FoldEvent[],
): Promise<{ error: string | undefined } | undefined> => {
  const checkpoint = await lockCheckpoint(client)
  const { live, beside } = fedOf(checkpoint, projection)
  const fed = [...(live ? [live] : []), ...beside].find((each) => each.generation === generation)
  if (fed?.version !== projection.version) return undefined
  const more = await store.read(streamId, { from: (known.at(-1)?.revision ?? -1) + 1 })
  const events = [...known, ...more].filter(({ position }) => position <= (checkpoint.at?.commit ?? -1n))
  const failure = await foldAnew(client, await openTable(client, projection, generation), streamId, events)
  if (failure) await park(client, projection.name, generation, [failure])
  else await unpark(client, projection.name, generation, streamId)
  await changeCheckpoint(client)
  return { error: failure?.error }
}

/** The row goes as far as fold and database take it, also where that is not all the way. */
const foldAnew = async (
  client: Client,
  table: Table,
  streamId: string,
  events: readonly FoldEvent[],
): Promise<Failure | undefined> => {
  const { folded, failures } = foldBatch(table.projection, new Map(), events, () => false)
  await client.query(`delete from ${table.name} where stream_id = $1`, [streamId])
  const refused = await refusedIn(client, table, [...folded.values()], async () => ({ stored: new Map(), events }))
  return refused[0] ?? failures[0]
}
