import { quotedText } from '../../engine/duckdb.js'

/** The schema in which Postgres's catalogue is made anew. */
export const schema = 'pgc'

export type Row = { readonly [column: string]: string | number | boolean | null }

/** A table of the catalogue: its name, its columns as SQL has them, and its rows, which name the columns that they don't leave empty. */
export type Table = readonly [name: string, columns: string, rows?: readonly Row[]]

export const createTable = ([name, columns, rows = []]: Table): readonly string[] => {
  const names = columns.split(', ').map((column) => column.split(' ')[0]!)
  const values = rows.map((row) => `(${names.map((column) => literal(row[column] ?? null)).join(', ')})`)
  const create = `create table ${schema}.${name} (${columns})`
  return values.length > 0 ? [create, `insert into ${schema}.${name} values ${values.join(', ')}`] : [create]
}

const literal = (value: Row[string]): string => (typeof value === 'string' ? quotedText(value) : String(value))
