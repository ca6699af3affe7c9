import type { DuckDBPreparedStatement } from '@duckdb/node-api'
import { firstWord } from '../engine/statement.js'
import type { Asker, Sql } from '../sql.js'
import { forCatalogue } from './catalogue/rewrite.js'
import type { CursorStatement } from './cursor-statement.js'
import { WireError } from './errors.js'
import type { Local } from './local.js'
import { withTypes } from './parameters.js'
import { type Column, columnsOf } from './rows.js'

/** A statement that was understood. */
export type Statement = {
  readonly sql: string
  /** None of a local or an empty statement. */
  readonly prepared: DuckDBPreparedStatement | undefined
  readonly local?: Local | undefined
  readonly cursor?: CursorStatement
  /** The types that its client says that it sends. */
  readonly oids: readonly number[]
  readonly columns: readonly Column[]
}

/**
 * What is for DuckDB, ready to run on this connection, with the catalogue's names turned to where they are. Throws `StatementRefused`,
 * `WireError`, and what DuckDB says.
 */
export const understand = async (
  sql: Sql,
  query: string,
  oids: readonly number[],
  on: Asker,
  signal: AbortSignal,
): Promise<Statement> => {
  if (firstWord(query) === 'copy') throw new WireError('0A000', 'COPY is not answered here: send the SELECT itself')
  const asked = forCatalogue(query)
  await sql.refresh(asked, signal)
  let prepared = await on.prepare(asked)
  const typed = withTypes(asked, prepared, oids)
  if (typed !== asked) {
    prepared.destroySync()
    prepared = await on.prepare(typed)
  }
  return { sql: typed, prepared, oids, columns: await columnsOf(prepared, typed, on) }
}

export const tagOf = ({ sql }: Statement, rows: number): string => (firstWord(sql) === 'explain' ? 'EXPLAIN' : `SELECT ${rows}`)
