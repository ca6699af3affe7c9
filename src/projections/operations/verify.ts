import type { Store } from '../../eventstore/store.js'
import { type Client, readCheckpoint } from '../engine/checkpoint.js'
import { evolved, type Folded } from '../engine/fold.js'
import { fedOf } from '../engine/generations.js'
import { foldedOf, openTable, type StoredRow, type Table } from '../engine/tables.js'
import type { AnyProjection } from '../projection.js'
import type { Difference } from '../rebuild/compare.js'

export type Verified = {
  readonly projection: string
  readonly rows: number
  readonly differing: number
  /** The first of them. */
  readonly differences: readonly Difference[]
}

export type VerifyOptions = {
  /** So many rows, at random; left out: all. */
  readonly sample?: number
  /** Of the differences, how many are answered. */
  readonly show?: number
  readonly onProgress?: (rows: number) => void
}

/**
 * Folds live rows again from their streams and compares: all of them, or a random `sample`. `live` of a difference is the row, `built` is
 * what its stream folds to at the row's revision. (Streams that should have a row and have none are for `rebuild` with `verifyOnly`.)
 */
export const verify = async (
  client: Client,
  store: Pick<Store, 'read'>,
  projection: AnyProjection,
  { sample, show = 20, onProgress = () => undefined }: VerifyOptions = {},
): Promise<Verified> => {
  const { live } = fedOf((await readCheckpoint(client))!, projection)
  if (live?.version !== projection.version)
    throw new Error(`no generation of ${projection.name} of this release's version is live`)
  const table = await openTable(client, projection, live.generation)
  const differences: Difference[] = []
  let differing = 0
  let rows = 0
  for await (const page of sample === undefined ? allRows(client, table) : sampled(client, table, sample)) {
    const pairs = await inParallel(page, async (stored) => ({
      streamId: stored.streamId,
      stored,
      folded: await foldStream(store, projection, stored.streamId, stored.revision),
    }))
    const found = await differingOf(client, table, pairs)
    differences.push(...found.slice(0, show - differences.length))
    differing += found.length
    rows += page.length
    onProgress(rows)
  }
  return { projection: projection.name, rows, differing, differences }
}

/** A stream's row at a revision, folded from the store alone. What the fold refuses ends it, as it does for a parked stream. */
export const foldStream = async (
  store: Pick<Store, 'read'>,
  { evolve }: Pick<AnyProjection, 'evolve'>,
  streamId: string,
  upTo: number,
): Promise<Folded | undefined> => {
  let folded: Folded | undefined
  for (const event of await store.read(streamId, { timeout: 60_000, maxCount: upTo + 1 })) {
    if (event.revision > upTo) break
    try {
      folded = evolved(evolve, folded, event)
    } catch {
      return folded
    }
  }
  return folded
}

/** Which of the differing rows are right as they were built: a third opinion, from the streams. */
export const judge = async (
  client: Client,
  store: Pick<Store, 'read'>,
  table: Table,
  differences: readonly Difference[],
): Promise<{ right: number; wrong: number }> => {
  const pairs = await inParallel(differences, async ({ streamId, live, built }) => {
    const revision = Number((built ?? live)!.revision)
    const folded = await foldStream(store, table.projection, streamId, revision)
    const stored = built && { streamId, row: built, revision, position: BigInt(built.position as number) }
    return { streamId, stored, folded }
  })
  const wrong = (await differingOf(client, table, pairs)).length
  return { right: differences.length - wrong, wrong }
}

type Pair = { readonly streamId: string; readonly stored: Folded | undefined; readonly folded: Folded | undefined }

/** The database compares: it spells instants and orders keys its own way. */
const differingOf = async (client: Client, table: Table, pairs: readonly Pair[]): Promise<Difference[]> => {
  const both = (side: 'stored' | 'folded') => JSON.stringify(pairs.flatMap((pair) => recordOf(pair[side])))
  const { rows } = await client.query<{ stream_id: string; live: Row | null; built: Row | null }>(
    `select stream_id, to_jsonb(a) as live, to_jsonb(b) as built
     from json_populate_recordset(null::${table.name}, $1::json) a
     full join json_populate_recordset(null::${table.name}, $2::json) b using (stream_id) where a is distinct from b`,
    [both('stored'), both('folded')],
  )
  return rows.map(({ stream_id, live, built }) => ({
    streamId: stream_id,
    live: live ?? undefined,
    built: built ?? undefined,
    columns: live && built ? Object.keys(live).filter((name) => JSON.stringify(live[name]) !== JSON.stringify(built[name])) : [],
  }))
}

type Row = Record<string, unknown>

const recordOf = (folded: Folded | undefined): Row[] =>
  folded?.row
    ? [{ ...folded.row, stream_id: folded.streamId, revision: folded.revision, position: folded.position.toString() }]
    : []

const pageSize = 200

async function* allRows(client: Client, table: Table): AsyncIterable<readonly Folded[]> {
  let after = ''
  for (;;) {
    const page = await rowsWhere(client, table, 'stream_id > $1 order by stream_id limit $2', [after, pageSize])
    if (page.length === 0) return
    yield page
    after = page.at(-1)!.streamId
  }
}

async function* sampled(client: Client, table: Table, count: number): AsyncIterable<readonly Folded[]> {
  const { rows } = await client.query<{ stream_id: string }>(`select stream_id from ${table.name} order by random() limit $1`, [
    count,
  ])
  // The names alone: there may be a million of them.
  for (let i = 0; i < rows.length; i += pageSize) {
    const streamIds = rows.slice(i, i + pageSize).map(({ stream_id }) => stream_id)
    yield await rowsWhere(client, table, 'stream_id = any($1)', [streamIds])
  }
}

const rowsWhere = async (client: Client, table: Table, where: string, values: unknown[]): Promise<Folded[]> => {
  const columns = table.columns.map((name) => `"${name}"`).join(', ')
  const { rows } = await client.query<StoredRow>(
    `select stream_id, revision::text, position::text, row_to_json(r)::text as row
     from ${table.name} t, lateral (select ${columns}) r where ${where}`,
    values,
  )
  return rows.map(foldedOf)
}

const inParallel = async <T, R>(list: readonly T[], work: (item: T) => Promise<R>, width = 16): Promise<R[]> => {
  const results: R[] = []
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < list.length) {
      const i = next++
      results[i] = await work(list[i]!)
    }
  }
  await Promise.all(Array.from({ length: width }, worker))
  return results
}
