import knex from 'knex'
import { isOtherView, jsonText } from '../../platform/sqlstate.js'
import type { AnyProjection } from '../projection.js'
import type { Client } from './checkpoint.js'
import type { Folded } from './fold.js'

/** A generation's table: the rows of one projection, all folded by one version of its code. */
export type Table = {
  readonly projection: AnyProjection
  readonly generation: number
  readonly name: string
  /** In the table's order, without those that the engine adds. */
  readonly columns: readonly string[]
  /** Those that hold JSON. */
  readonly json: ReadonlySet<string>
}

export const tableName = (projection: Pick<AnyProjection, 'name'>, generation: number): string =>
  `tillroll.${projection.name}_${generation}`

/** Throws (42P01) where there is no such table. */
export const openTable = async (client: Client, projection: AnyProjection, generation: number): Promise<Table> => {
  const name = tableName(projection, generation)
  const { rows } = await client.query<{ attname: string; json: boolean }>(
    `select attname, atttypid in ('json'::regtype, 'jsonb'::regtype) as json from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped order by attnum`,
    [name],
  )
  const own = rows.filter(({ attname }) => !enginesOwn.has(attname))
  const columns = own.map(({ attname }) => attname)
  return { projection, generation, name, columns, json: new Set(columns.filter((_, i) => own[i]!.json)) }
}

const enginesOwn = new Set(['stream_id', 'revision', 'position'])

// Only writes SQL; it has no connection.
const sql = knex({ client: 'pg' })

/** Without what `addIndexes` makes: a bulk load comes first. */
export const createTable = async (client: Client, projection: AnyProjection, generation: number): Promise<void> => {
  const statements = sql.schema
    .withSchema('tillroll')
    .createTable(`${projection.name}_${generation}`, (table) => {
      table.text('stream_id').notNullable().primary()
      projection.columns(table)
      table.bigInteger('revision').notNullable()
      table.bigInteger('position').notNullable()
    })
    .toSQL()
  for (const statement of Array.isArray(statements) ? statements : [statements]) await client.query(statement.sql)
}

export const addIndexes = async (client: Client, projection: AnyProjection, generation: number): Promise<void> => {
  for (const { name, on } of projection.indexes ?? []) {
    const index = `${projection.name}_${generation}_${name}`
    await client.query(`create index if not exists ${index} on ${tableName(projection, generation)} ${on}`)
  }
}

/** The view of the projection's name is for people and their tools: the shop itself reads the generation that the checkpoint names. */
export const createView = async (client: Client, projection: Pick<AnyProjection, 'name'>, generation: number): Promise<void> => {
  const view = `tillroll.${projection.name}`
  const as = `view ${view} as select * from ${tableName(projection, generation)}`
  try {
    // What depends on it stays, as long as the columns do.
    await client.query(`create or replace ${as}`)
  } catch (error) {
    if (!isOtherView(error)) throw error
    // Sent at once, both are one transaction: nobody finds the view missing.
    await client.query(`drop view ${view}; create ${as}`)
  }
}

export const dropTable = async (client: Client, projection: Pick<AnyProjection, 'name'>, generation: number): Promise<void> => {
  await client.query(`drop table if exists ${tableName(projection, generation)}`)
}

const quoted = (names: readonly string[]): string => names.map((name) => `"${name}"`).join(', ')

/** Rows come as JSON, so that what a fold is given has the same types as what it answered, whatever the driver makes of a bigint or a date. */
export const readRows = async (client: Client, table: Table, streamIds: readonly string[]): Promise<Map<string, Folded>> => {
  const rows = new Map<string, Folded>()
  if (streamIds.length === 0) return rows
  const { rows: found } = await client.query<StoredRow>({
    name: `read ${table.name}`,
    text: `select stream_id, revision::int8::text, position::text, row_to_json(r)::text as row
     from ${table.name} t, lateral (select ${quoted(table.columns)}) r where stream_id = any($1)`,
    values: [streamIds],
  })
  for (const stored of found) rows.set(stored.stream_id, foldedOf(stored))
  return rows
}

export type StoredRow = { stream_id: string; revision: string; position: string; row: string }

export const foldedOf = ({ stream_id, revision, position, row }: StoredRow): Folded => ({
  streamId: stream_id,
  row: JSON.parse(row),
  revision: Number(revision),
  position: BigInt(position),
})

/** One statement for all of the rows. A row never goes back to an earlier revision. */
export const writeRows = async (client: Client, table: Table, rows: readonly Folded[]): Promise<void> => {
  const present = rows.filter(({ row }) => row !== undefined)
  const gone = rows.filter(({ row }) => row === undefined)
  if (present.length > 0) {
    const names = [...table.columns, 'revision', 'position']
    const records = present.map(({ streamId, row, revision, position }) => ({
      ...row,
      stream_id: streamId,
      revision,
      position: position.toString(),
    }))
    await client.query({
      name: `write ${table.name}`,
      text: `insert into ${table.name} as t (stream_id, ${quoted(names)})
       select stream_id, ${quoted(names)} from json_populate_recordset(null::${table.name}, $1::json)
       on conflict (stream_id) do update set (${quoted(names)}) = row(${names.map((name) => `excluded."${name}"`).join(', ')})
       where t.revision < excluded.revision`,
      values: [jsonText(records)],
    })
  }
  if (gone.length > 0) {
    await client.query(
      `delete from ${table.name} t using unnest($1::text[], $2::bigint[]) as gone (stream_id, revision)
       where t.stream_id = gone.stream_id and t.revision < gone.revision`,
      [gone.map(({ streamId }) => streamId), gone.map(({ revision }) => revision)],
    )
  }
}
