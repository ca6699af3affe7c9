import { LRUCache } from 'lru-cache'
import { messageOf } from '../../platform/errors.js'
import { isRefusedRow } from '../../platform/sqlstate.js'
import { categoryOf } from '../projection.js'
import { type Checkpoint, type Client, changeCheckpoint, Fenced, lockCheckpoint, moveCheckpoint } from './checkpoint.js'
import { type Failure, type FoldEvent, type Folded, foldBatch, isStorable } from './fold.js'
import { key, park, parkedStreams } from './quarantine.js'
import { readRows, type Table, writeRows } from './tables.js'

/** What a runner knows between two batches, as long as the checkpoint's `changes` stays the same. */
export type Knowledge = {
  readonly changes: number
  /** The tables that this release can fold: live, and beside. */
  readonly tables: readonly Table[]
  readonly parked: ReadonlyMap<string, ReadonlySet<string>>
  /** Rows as this runner last wrote them, by table and stream: whoever else writes one counts a change. */
  readonly rows: LRUCache<string, Folded>
}

/** Those that are folded again soon, as a rule, at some KB each. */
const rowsKept = 5_000

const placeOf = (table: Table, streamId: string): string => `${table.name} ${streamId}`

export type BatchEvent = FoldEvent & { readonly preparePosition: bigint; readonly created: Date }

export type Batch = {
  readonly client: Client
  readonly epoch: number
  readonly learn: (checkpoint: Checkpoint) => Promise<Knowledge>
  readonly events: readonly BatchEvent[]
}

/**
 * One transaction for the rows of a batch and the checkpoint. What the checkpoint has already is passed over, so a batch whose commit
 * went unanswered may be repeated. Throws `Fenced`, and whatever the database throws; a refused row is found and parks its stream.
 */
export const applyBatch = async (batch: Batch): Promise<Checkpoint> => {
  try {
    const { checkpoint, knowledge, written } = await transaction(batch.client, () => apply(batch, write))
    for (const [place, folded] of written) knowledge.rows.set(place, folded)
    return checkpoint
  } catch (error) {
    if (!isRefusedRow(error)) throw error
    const { checkpoint, knowledge } = await transaction(batch.client, () => apply(batch, writeCarefully))
    knowledge.rows.clear()
    return checkpoint
  }
}

type Applied = {
  readonly checkpoint: Checkpoint
  readonly knowledge: Knowledge
  /** By its place. */
  readonly written: ReadonlyMap<string, Folded>
}

export const transaction = async <T>(client: Client, work: () => Promise<T>): Promise<T> => {
  await client.query('begin')
  try {
    const result = await work()
    await client.query('commit')
    return result
  } catch (error) {
    // Where the connection is gone, so is the transaction: the first error is the one that tells.
    await Promise.allSettled([client.query('rollback')])
    throw error
  }
}

export type Write = (client: Client, table: Table, rows: readonly Folded[], past: Past) => Promise<readonly Failure[]>

/** What it takes to find out which event a refused row comes from. */
type Past = { readonly stored: ReadonlyMap<string, Folded>; readonly events: readonly FoldEvent[] }

const apply = async ({ client, epoch, learn, events }: Batch, write: Write): Promise<Applied> => {
  const checkpoint = await lockCheckpoint(client)
  if (checkpoint.epoch !== epoch) throw new Fenced(`the projections went on under epoch ${checkpoint.epoch}; this was ${epoch}`)
  const knowledge = await learn(checkpoint)
  const done = checkpoint.at?.commit ?? -1n
  const fresh = events.filter((event) => event.position > done)
  const written = new Map<string, Folded>()
  const last = fresh.at(-1)
  if (!last) return { checkpoint, knowledge, written }

  let parked = false
  for (const table of knowledge.tables) {
    const { failures, folded } = await applyToTable(client, table, fresh, knowledge, write)
    for (const each of folded) written.set(placeOf(table, each.streamId), each)
    if (failures.length > 0) {
      await park(client, table.projection.name, table.generation, failures)
      parked = true
    }
  }
  const at = { commit: last.position, prepare: last.preparePosition, eventId: last.id }
  await moveCheckpoint(client, at, last.created)
  if (parked) await changeCheckpoint(client)
  return { checkpoint: { ...checkpoint, at, changes: checkpoint.changes + (parked ? 1 : 0) }, knowledge, written }
}

export const applyToTable = async (
  client: Client,
  table: Table,
  events: readonly FoldEvent[],
  { parked, rows }: Pick<Knowledge, 'parked'> & Partial<Pick<Knowledge, 'rows'>>,
  write: Write,
): Promise<{ readonly failures: readonly Failure[]; readonly folded: readonly Folded[] }> => {
  const { projection, generation } = table
  const own = events.filter(({ streamId }) => categoryOf(streamId) === projection.category)
  if (own.length === 0) return { failures: [], folded: [] }
  const isParked = (streamId: string) => parked.get(key(projection.name, generation))?.has(streamId) ?? false
  const stored = await storedRows(client, table, own, rows)
  const { folded, failures } = foldBatch(projection, stored, own, isParked)
  const all = [...folded.values()]
  const refused = await write(client, table, all, { stored, events: own })
  return { failures: [...failures, ...refused], folded: all }
}

/** The rows that the events are folded onto: what is not remembered is read, but for streams that only begin. */
const storedRows = async (
  client: Client,
  table: Table,
  events: readonly FoldEvent[],
  remembered: Knowledge['rows'] | undefined,
): Promise<ReadonlyMap<string, Folded>> => {
  const stored = new Map<string, Folded>()
  const unknown = new Set<string>()
  const met = new Set<string>()
  for (const { streamId, revision } of events) {
    if (met.has(streamId)) continue
    met.add(streamId)
    const row = remembered?.get(placeOf(table, streamId))
    if (row) stored.set(streamId, row)
    else if (revision > 0 && isStorable(streamId)) unknown.add(streamId)
  }
  for (const [streamId, row] of await readRows(client, table, [...unknown])) stored.set(streamId, row)
  return stored
}

const write: Write = async (client, table, rows) => {
  await writeRows(client, table, rows)
  return []
}

export const writeCarefully: Write = (client, table, rows, { stored, events }) =>
  refusedIn(client, table, rows, async ({ streamId }) => ({
    stored,
    events: events.filter((event) => event.streamId === streamId),
  }))

/**
 * For a transaction: writes all rows that the database takes. Halves until the refused ones are alone, then finds the first event whose
 * row is refused; that row stays as it was before. `pastOf` answers the row that was stored, if any, and its stream's events since.
 */
export const refusedIn = async (
  client: Client,
  table: Table,
  rows: readonly Folded[],
  pastOf: (row: Folded) => Promise<Past>,
): Promise<readonly Failure[]> => {
  if (rows.length === 0 || (await refusal(client, table, rows)) === undefined) return []
  if (rows.length === 1) return [await firstRefused(client, table, rows[0]!, await pastOf(rows[0]!))]
  const half = rows.length >> 1
  return [
    ...(await refusedIn(client, table, rows.slice(0, half), pastOf)),
    ...(await refusedIn(client, table, rows.slice(half), pastOf)),
  ]
}

const firstRefused = async (client: Client, table: Table, { streamId }: Folded, { stored, events }: Past): Promise<Failure> => {
  for (const [i, event] of events.entries()) {
    const { folded } = foldBatch(table.projection, stored, events.slice(0, i + 1), () => false)
    const error = await refusal(client, table, [...folded.values()])
    if (error !== undefined) return { streamId, event, error }
  }
  throw new Error(`${streamId}: a row was refused and then taken`)
}

/** Writes, or leaves everything as it was and says why the database refused. */
const refusal = async (client: Client, table: Table, rows: readonly Folded[]): Promise<string | undefined> => {
  await client.query('savepoint rows')
  try {
    await writeRows(client, table, rows)
    await client.query('release savepoint rows')
    return undefined
  } catch (error) {
    if (!isRefusedRow(error)) throw error
    await client.query('rollback to savepoint rows')
    return `${messageOf(error)} (SQLSTATE ${(error as { code: string }).code})`
  }
}

/** `learn` for a runner: asks the database only when the checkpoint says that something has changed. */
export const learner = (open: (checkpoint: Checkpoint) => Promise<readonly Table[]>, client: Client): Batch['learn'] => {
  let known: Knowledge | undefined
  return async (checkpoint) => {
    if (known?.changes !== checkpoint.changes) {
      const rows = new LRUCache<string, Folded>({ max: rowsKept })
      known = { changes: checkpoint.changes, tables: await open(checkpoint), parked: await parkedStreams(client), rows }
    }
    return known
  }
}
