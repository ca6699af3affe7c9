import type { Store } from '../../eventstore/store.js'
import { isDependedOn } from '../../platform/sqlstate.js'
import type { AnyProjection } from '../projection.js'
import { applyToTable, type BatchEvent, transaction, writeCarefully } from './batch.js'
import { type Checkpoint, type Client, changeCheckpoint, type Generation, lockCheckpoint } from './checkpoint.js'
import { dropGeneration, fedOf, feed, leave, unwanted, withFed } from './generations.js'
import { park, parkedStreams } from './quarantine.js'
import { createView, openTable, tableName } from './tables.js'

/** The new generation is too far behind the checkpoint to be brought to it while everybody waits, or `ahead` of it. */
export class TooFar extends Error {
  override readonly name = 'TooFar'
  readonly ahead: boolean

  constructor(message: string, ahead = false) {
    super(message)
    this.ahead = ahead
  }
}

/** Nothing to go back to. */
export class NoRollback extends Error {
  override readonly name = 'NoRollback'
}

/** At most so many events are folded while the checkpoint is held. */
const atMost = 2_000

/**
 * For a transaction: brings a built generation to the checkpoint, which it holds meanwhile, and has it fed from there on. Where nothing
 * of its version is live (its predecessor is another release's, or there is none) it is live at once, for only the same version can be
 * fed beside. Throws `TooFar`. Answers whether it is live.
 */
export const join = async (
  client: Client,
  store: Pick<Store, 'readAll'>,
  projection: AnyProjection,
  candidate: Generation,
): Promise<boolean> => {
  const checkpoint = await lockCheckpoint(client)
  await catchUp(client, store, projection, candidate.generation, checkpoint)
  await feed(client, projection, candidate.generation)
  const { live, beside } = fedOf(checkpoint, projection)
  const takesOver = live?.version !== candidate.version
  if (takesOver && live) await leave(client, projection, live, checkpoint)
  const fed = takesOver
    ? { live: candidate, beside: [] }
    : { live, beside: [{ ...candidate, unproven: true as const }, ...beside] }
  await changeCheckpoint(client, withFed(checkpoint.generations, projection, fed))
  return takesOver
}

const catchUp = async (
  client: Client,
  store: Pick<Store, 'readAll'>,
  projection: AnyProjection,
  generation: number,
  { at }: Checkpoint,
): Promise<void> => {
  const { from, furthest } = await standing(client, projection, generation)
  if (furthest > (at?.commit ?? -1n)) throw new TooFar('the checkpoint is not there yet: is any process projecting?', true)
  const table = await openTable(client, projection, generation)
  const events: BatchEvent[] = []
  for await (const event of store.readAll(from, { signal: AbortSignal.timeout(5_000) })) {
    if (event.position > (at?.commit ?? -1n)) break
    if (events.push(event) > atMost) throw new TooFar(`${table.name} is more than ${atMost} events behind the checkpoint`)
  }
  if ((events.at(-1)?.position ?? from?.commit ?? -1n) < (at?.commit ?? -1n))
    throw new TooFar('the event store did not answer in time')
  const { failures } = await applyToTable(client, table, events, { parked: await parkedStreams(client) }, writeCarefully)
  await park(client, projection.name, generation, failures)
}

/** Where the part that is behind most stands, and up to where any part is folded. */
const standing = async (client: Client, { name }: Pick<AnyProjection, 'name'>, generation: number) => {
  const { rows } = await client.query<{ commit: string | null; prepare: string | null }>(
    `select commit_position::text as commit, prepare_position::text as prepare from tillroll.generation_part
     where projection = $1 and generation = $2 order by commit_position nulls first`,
    [name, generation],
  )
  const first = rows[0]
  return {
    from: first?.commit ? { commit: BigInt(first.commit), prepare: BigInt(first.prepare!) } : undefined,
    furthest: BigInt(rows.at(-1)?.commit ?? -1),
  }
}

/** For a transaction: makes a generation that is fed the live one. The one before goes on being fed, any other is not wanted any more. */
export const swap = async (client: Client, projection: AnyProjection, generation: number): Promise<void> => {
  const checkpoint = await lockCheckpoint(client)
  const { live, beside } = fedOf(checkpoint, projection)
  const next = beside.find((each) => each.generation === generation)
  if (!next) throw new Error(`${projection.name} generation ${generation} is not fed`)
  const proven = { generation, version: next.version }
  await changeCheckpoint(client, withFed(checkpoint.generations, projection, { live: proven, beside: live ? [live] : [] }))
  for (const other of beside) if (other !== next) await unwanted(client, projection, other.generation)
}

/** For a transaction: back to the generation that was live before. Throws `NoRollback`. */
export const rollback = async (client: Client, projection: AnyProjection): Promise<{ from: Generation; to: Generation }> => {
  const checkpoint = await lockCheckpoint(client)
  const { live, beside } = fedOf(checkpoint, projection)
  const previous = beside.find(({ version, unproven }) => version === projection.version && !unproven)
  if (!live || !previous) {
    throw new NoRollback(`${projection.name} has no generation beside the live one that this release keeps in step`)
  }
  const others = beside.filter((each) => each !== previous)
  await changeCheckpoint(client, withFed(checkpoint.generations, projection, { live: previous, beside: [live, ...others] }))
  return { from: live, to: previous }
}

/** For a transaction: feeds it no longer. It is not wanted any more. */
export const discard = async (client: Client, projection: AnyProjection, generation: number): Promise<void> => {
  const checkpoint = await lockCheckpoint(client)
  const { live, beside } = fedOf(checkpoint, projection)
  if (live?.generation === generation) throw new Error(`${projection.name} generation ${generation} is live`)
  const left = beside.filter((each) => each.generation !== generation)
  if (left.length < beside.length)
    await changeCheckpoint(client, withFed(checkpoint.generations, projection, { live, beside: left }))
  await unwanted(client, projection, generation)
}

/** Milliseconds for which a table or view that somebody reads is waited for. */
const usualLockWait = 2_000

/**
 * Drops what isn't wanted any more: by itself, for it waits for whoever reads the table, and nobody should have to wait with it. Answers
 * the tables that are in use or depended on: the next rebuild tries again.
 */
export const dropUnwanted = async (
  client: Client,
  projection: AnyProjection,
  lockWait = usualLockWait,
): Promise<readonly string[]> => {
  const { rows } = await client.query<{ generation: number }>(
    `select generation from tillroll.generation where projection = $1 and state = 'unwanted'`,
    [projection.name],
  )
  const kept: string[] = []
  for (const { generation } of rows) {
    const dropped = await patiently(client, lockWait, () =>
      transaction(client, () => dropGeneration(client, projection, generation)),
    )
    if (!dropped) kept.push(tableName(projection, generation))
  }
  return kept
}

/**
 * Has the view show this generation. To be called outside of the swap, for it waits for whoever reads the view. Answers whether it could
 * be done.
 */
export const renewView = (
  client: Client,
  projection: AnyProjection,
  generation: number,
  lockWait = usualLockWait,
): Promise<boolean> => patiently(client, lockWait, () => createView(client, projection, generation))

/** Waits only so many milliseconds for others' locks. Answers whether it could be done. */
const patiently = async (client: Client, lockWait: number, work: () => Promise<void>): Promise<boolean> => {
  try {
    await client.query(`set lock_timeout = ${lockWait}`)
    await work()
    return true
  } catch (error) {
    if (isDependedOn(error)) return false
    throw error
  } finally {
    await client.query('set lock_timeout = 0')
  }
}
