import type { Folded } from '../../projections/engine/fold.js'
import type { AnyProjection } from '../../projections/projection.js'
import { type Live, ofCheckpoint, type Query, type QueryResult, type Read } from './read.js'

type Definition = Pick<AnyProjection, 'name' | 'version' | 'category'>

export type RowOf<Row extends object> = Row & { readonly stream_id: string; readonly revision: number }

/** For a left join: each column, or none of them. */
export type Nullable<T> = { [K in keyof T]: T[K] | null }

/** One row by its stream's id, `$1`, with the error that its stream is parked for. */
export const oneRowOf = (definition: Definition): Query => ({
  name: `one of ${definition.name}`,
  definitions: [definition],
  text: (live) => `select ${ofCheckpoint}, t.*, q.error as parked from tillroll.checkpoint c
    left join ${live.table(definition)} t on t.stream_id = $1 ${joinParked(live, definition)}
    where c.name = 'projections'`,
})

export const oneRow = async <Row extends object, Value>(
  read: Read,
  query: Query,
  streamId: string,
  toValue: (row: RowOf<Row>) => Value | undefined,
): Promise<QueryResult<Value | undefined>> => {
  const { rows, position } = await read<Nullable<RowOf<Row>> & { parked: string | null }>(query, [streamId])
  const { parked, ...row } = rows[0]!
  const present = row.stream_id === null ? undefined : (row as unknown as RowOf<Row>)
  const value = present && toValue(present)
  return {
    value,
    position,
    ...(value !== undefined && { revision: present!.revision }),
    ...(parked !== null && { parked }),
  }
}

/** Adds `q`, where the stream `$1` is parked. */
export const joinParked = (live: Live, definition: Definition): string =>
  `left join tillroll.quarantine q
    on q.projection = '${definition.name}' and q.generation = ${live.generation(definition)} and q.stream_id = $1`

/**
 * Rows of a table, in an order, as `choose` filters them and ends them. They are chosen by themselves before they meet the checkpoint's
 * row: only then does the database walk the index in its order and stop at the limit, instead of sorting the table.
 */
export const selectRows = (table: string, order: readonly string[], choose: string): string =>
  `select ${ofCheckpoint}, t.* from tillroll.checkpoint c
    left join (select * from ${table} ${choose.replace('{order}', `order by ${order.join(', ')}`)}) t on true
    where c.name = 'projections' order by ${order.map((column) => `t.${column}`).join(', ')}`

/** Without the row that there is where none was chosen. */
export const presentRows = <Row extends { readonly stream_id: string }>(rows: readonly Row[]): readonly Row[] =>
  rows.filter((row) => (row.stream_id as string | null) !== null)

/** A row as a fold would have made it, but for its times, which the database gives as dates. */
export const foldedOf = <Row extends object>(stored: RowOf<Row>): Folded => {
  const { stream_id: streamId, revision, position, c_position, c_changes, ...row } = stored as RowOf<Row> & OfEngine
  return { streamId, row, revision, position: BigInt(position) }
}

type OfEngine = { readonly position: number; readonly c_position: unknown; readonly c_changes: unknown }
