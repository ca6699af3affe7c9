import type { RecordedEvent } from '../../eventstore/store.js'
import type { AnyProjection } from '../projection.js'
import {
  type Checkpoint,
  type Client,
  changeCheckpoint,
  createCheckpoint,
  enterEpoch,
  type Fed,
  Fenced,
  type Generation,
  type Generations,
  lockCheckpoint,
} from './checkpoint.js'
import { addIndexes, createTable, createView, dropTable, openTable, type Table } from './tables.js'

/**
 * `building`: stands at positions of its own, and is on its way to the checkpoint. `fed`: stands at the checkpoint. `left`: stood at the
 * checkpoint until a release came that can't fold it; where it stood is kept, so that its own release can go on from there. `unwanted`:
 * to be dropped as soon as nobody reads it or depends on it.
 */
export type GenerationState = 'building' | 'fed' | 'left' | 'unwanted'

/** Another release's tables are live, whose folds this one doesn't have. */
export class Superseded extends Error {
  override readonly name = 'Superseded'
}

export const fedOf = (checkpoint: Checkpoint, projection: Pick<AnyProjection, 'name'>): Fed =>
  checkpoint.generations[projection.name] ?? { live: null, beside: [] }

/** All tables that are folded up to the checkpoint. Throws `Superseded`. */
export const openFed = async (
  client: Client,
  projections: readonly AnyProjection[],
  checkpoint: Checkpoint,
): Promise<readonly Table[]> => {
  const tables: Table[] = []
  for (const projection of projections) {
    const { live, beside } = fedOf(checkpoint, projection)
    for (const { generation, version } of live ? [live, ...beside] : beside) {
      if (version !== projection.version) {
        throw new Superseded(`${projection.name} is at version ${version}; this release folds version ${projection.version}`)
      }
      tables.push(await openTable(client, projection, generation))
    }
  }
  return tables
}

/** The first checkpoint of a database: empty tables, before the first event; or, with `last`, no tables yet, to be built up to that one. */
export const beginCheckpoint = async (
  client: Client,
  projections: readonly AnyProjection[],
  storeId: string,
  last?: Pick<RecordedEvent, 'id' | 'position' | 'preparePosition' | 'created'>,
): Promise<void> => {
  const generations: Record<string, Fed> = {}
  for (const projection of projections) {
    if (last) continue
    const generation = await newGeneration(client, projection, 'fed')
    await addIndexes(client, projection, generation.generation)
    await createView(client, projection, generation.generation)
    generations[projection.name] = { live: generation, beside: [] }
  }
  const at = last && { commit: last.position, prepare: last.preparePosition, eventId: last.id }
  await createCheckpoint(client, { storeId, at, generations }, last?.created)
}

export const newGeneration = async (client: Client, projection: AnyProjection, state: GenerationState): Promise<Generation> => {
  const { rows } = await client.query<{ generation: number }>(
    `insert into tillroll.generation (projection, generation, version, state)
     select $1, coalesce(max(generation), 0) + 1, $2, $3 from tillroll.generation where projection = $1 returning generation`,
    [projection.name, projection.version, state],
  )
  const { generation } = rows[0]!
  await createTable(client, projection, generation)
  return { generation, version: projection.version }
}

/**
 * For the transaction with which a holder of the lease begins. What is live in an older version nobody folds from here on: it is left
 * where it stands, and its successor is built. Throws `Superseded` where something newer is live, and `Fenced`.
 */
export const takeOver = async (client: Client, projections: readonly AnyProjection[], epoch: number): Promise<Checkpoint> => {
  const checkpoint = await lockCheckpoint(client)
  if (checkpoint.epoch > epoch) throw new Fenced(`the projections are at epoch ${checkpoint.epoch}; this is ${epoch}`)
  await enterEpoch(client, epoch)
  const generations: Record<string, Fed> = { ...checkpoint.generations }
  for (const projection of projections) {
    const { live, beside } = fedOf(checkpoint, projection)
    if (live && live.version > projection.version) {
      throw new Superseded(`${projection.name} is at version ${live.version}; this release folds version ${projection.version}`)
    }
    const ours = ({ version }: Generation) => version === projection.version
    for (const other of [...(live ? [live] : []), ...beside]) if (!ours(other)) await leave(client, projection, other, checkpoint)
    generations[projection.name] = { live: live && ours(live) ? live : null, beside: beside.filter(ours) }
  }
  if (JSON.stringify(generations) === JSON.stringify(checkpoint.generations)) return { ...checkpoint, epoch }
  await changeCheckpoint(client, generations)
  return { ...checkpoint, epoch, generations, changes: checkpoint.changes + 1 }
}

/** Feeds it no longer, and keeps where it stood. */
export const leave = async (
  client: Client,
  projection: Pick<AnyProjection, 'name'>,
  { generation }: Generation,
  { at }: Checkpoint,
): Promise<void> => {
  await setState(client, projection, generation, 'left')
  await client.query(
    `insert into tillroll.generation_part (projection, generation, part, parts, commit_position, prepare_position, event_id)
     values ($1, $2, 0, 1, $3, $4, $5)`,
    [projection.name, generation, at?.commit.toString() ?? null, at?.prepare.toString() ?? null, at?.eventId ?? null],
  )
}

/** From here on it stands at the checkpoint. */
export const feed = async (client: Client, projection: Pick<AnyProjection, 'name'>, generation: number): Promise<void> => {
  await setState(client, projection, generation, 'fed')
  await client.query('delete from tillroll.generation_part where projection = $1 and generation = $2', [
    projection.name,
    generation,
  ])
}

/** For a transaction: nothing is known of its streams any more, and `dropUnwanted` drops the table. Not for one that the checkpoint names. */
export const unwanted = async (client: Client, projection: Pick<AnyProjection, 'name'>, generation: number): Promise<void> => {
  await setState(client, projection, generation, 'unwanted')
  await client.query('delete from tillroll.quarantine where projection = $1 and generation = $2', [projection.name, generation])
}

const setState = async (
  client: Client,
  { name }: Pick<AnyProjection, 'name'>,
  generation: number,
  state: GenerationState,
): Promise<void> => {
  await client.query('update tillroll.generation set state = $3 where projection = $1 and generation = $2', [
    name,
    generation,
    state,
  ])
}

/** The table and everything that is known of it: waits for whoever reads it. Not for one that the checkpoint still names. */
export const dropGeneration = async (
  client: Client,
  projection: Pick<AnyProjection, 'name'>,
  generation: number,
): Promise<void> => {
  await dropTable(client, projection, generation)
  for (const table of ['quarantine', 'generation']) {
    await client.query(`delete from tillroll.${table} where projection = $1 and generation = $2`, [projection.name, generation])
  }
}

export const withFed = (generations: Generations, projection: Pick<AnyProjection, 'name'>, fed: Fed): Generations => ({
  ...generations,
  [projection.name]: fed,
})
