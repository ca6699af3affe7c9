import type { Knex } from 'knex'
import type { Generations } from '../../projections/engine/checkpoint.js'
import type { AnyProjection } from '../../projections/projection.js'
import type { Answer, Read } from './read.js'

type Definition = Pick<AnyProjection, 'name' | 'version' | 'category'>

export type RowOf<Row extends object> = Row & { readonly stream_id: string; readonly revision: number }

/** One row by its id, with the error that its stream is parked for. */
export const oneRow = async <Row extends object, Value>(
  read: Read,
  definition: Definition,
  id: string,
  toValue: (row: RowOf<Row>) => Value | undefined,
): Promise<Answer<Value | undefined>> => {
  const streamId = `${definition.category}-${id}`
  const { rows, position } = await read<Nullable<RowOf<Row>> & { parked: string | null }>(
    [definition],
    (query, tables, generations) =>
      withParked(
        query.leftJoin(`${tables[definition.name]} as t`, 't.stream_id', query.client.raw('?', [streamId])).select('t.*'),
        {
          definition,
          generations,
          streamId,
        },
      ),
  )
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

type Nullable<T> = { [K in keyof T]: T[K] | null }

type ParkedOf = { readonly definition: Definition; readonly generations: Generations; readonly streamId: string }

export const withParked = (query: Knex.QueryBuilder, { definition, generations, streamId }: ParkedOf): Knex.QueryBuilder =>
  query
    .leftJoin('tillroll.quarantine as q', (on) =>
      on
        .onVal('q.projection', definition.name)
        .onVal('q.generation', generations[definition.name]!.live!.generation)
        .onVal('q.stream_id', streamId),
    )
    .select('q.error as parked')

type Order = { readonly column: string; readonly order?: 'asc' | 'desc' }[]

/**
 * Adds rows of a table, in an order, as `choose` filters and limits them. They are chosen by themselves before they meet the
 * checkpoint's row: only then does the database walk the index in its order and stop at the limit, instead of sorting the table.
 */
export const withRows = (
  query: Knex.QueryBuilder,
  table: string,
  order: Order,
  choose: (rows: Knex.QueryBuilder, client: Knex.Client) => void,
): Knex.QueryBuilder => {
  const rows = query.client.queryBuilder().from(table).select('*').orderBy(order)
  choose(rows, query.client)
  return query
    .joinRaw(query.client.raw('left join (?) as t on true', [rows]))
    .select('t.*')
    .orderBy(order.map((each) => ({ ...each, column: `t.${each.column}` })))
}
