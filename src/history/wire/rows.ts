import type { DuckDBPreparedStatement, DuckDBValue } from '@duckdb/node-api'
import { DuckDBTypeId } from '@duckdb/node-api'
import type { Asker, Rows } from '../sql.js'
import { int16, int32, message, text } from './frames.js'
import { isUnknown } from './parameters.js'
import { encode, type WireType, wireType } from './types.js'

/** A column of an answer, as its client is told. */
export type Column = { readonly name: string; readonly type: WireType }

export const textColumn = (name: string): Column => ({ name, type: wireType(DuckDBTypeId.VARCHAR) })

/** Where a parameter keeps DuckDB from telling what is answered, it tells of the same statement with nulls. */
export const columnsOf = async (prepared: DuckDBPreparedStatement, sql: string, asker: Asker): Promise<readonly Column[]> => {
  const isTold = Array.from({ length: prepared.parameterCount }, (_, i) => prepared.parameterTypeId(i + 1)).every(
    (type) => type !== DuckDBTypeId.INVALID,
  )
  const told = isTold ? prepared : await asker.prepare(sql.replaceAll(/\$\d+/g, 'null'))
  const columns = Array.from({ length: told.columnCount }, (_, i) => ({
    name: columnName(told.columnName(i)),
    type: isUnknown(told.columnTypeId(i)) ? wireType(DuckDBTypeId.VARCHAR) : wireType(told.columnType(i)),
  }))
  if (!isTold) told.destroySync()
  return columns
}

/** A column that is a call and has no name of its own has the function's in Postgres, and the whole call in DuckDB. */
const columnName = (name: string): string => {
  const [call, called] = /^(?:\w+\.)?"?([a-z_]\w*)"?(?=\()/.exec(name) ?? []
  if (call === undefined || called === undefined) return name
  let depth = 0
  for (let i = call.length; i < name.length; i++) {
    if (name[i] === '(') depth++
    else if (name[i] === ')' && --depth === 0) return i === name.length - 1 ? called.replace(/^count_star$/, 'count') : name
  }
  return name
}

export async function* singly({ rows }: Rows): AsyncGenerator<readonly DuckDBValue[], void> {
  for await (const some of rows()) yield* some
}

/** `formats`: of each column whether it is sent as text (0) or binary (1), one for all, or none for text. */
export const rowDescription = (columns: readonly Column[], formats: readonly number[]): Buffer =>
  message(
    'T',
    int16(columns.length),
    ...columns.flatMap(({ name, type }, i) => [
      text(name),
      int32(0),
      int16(0),
      int32(type.oid),
      int16(type.size),
      int32(-1),
      int16(formatOf(formats, i)),
    ]),
  )

export const dataRow = (row: readonly DuckDBValue[], columns: readonly Column[], formats: readonly number[]): Buffer =>
  message('D', int16(row.length), ...row.flatMap((value, i) => cell(encode(value, columns[i]!.type, formatOf(formats, i) === 1))))

const formatOf = (formats: readonly number[], i: number): number => (formats.length === 1 ? formats[0]! : (formats[i] ?? 0))

const cell = (bytes: Buffer | undefined) => (bytes ? [int32(bytes.length), bytes] : [int32(-1)])
