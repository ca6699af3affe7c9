import { randomBytes } from 'node:crypto'
import { open, readdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type DuckLimits, openDuck, quotedName, quotedText } from './duckdb.js'
import type { Part } from './parts.js'

export type ColumnFile = { readonly name: string; readonly rows: number }

/** What a file of columns holds of each event, and DuckDB's types of it. */
export const storedColumns: readonly (readonly [name: string, type: string])[] = [
  ['position', 'BIGINT'],
  ['stream', 'VARCHAR'],
  ['category', 'VARCHAR'],
  ['revision', 'BIGINT'],
  ['type', 'VARCHAR'],
  ['at', 'TIMESTAMPTZ'],
  ['actor', 'VARCHAR'],
  ['correlation', 'VARCHAR'],
  ['data', 'JSON'],
]

/** How many small files there may be before they are made one. */
const mostSmall = 8

/** Makes Parquet files in the folder. Those that are there are never changed: what is rewritten has another name. */
export const openColumnFiles = async (folder: string, limits: DuckLimits) => {
  const duck = await openDuck(limits, join(dirname(folder), 'spill'))
  const connection = await duck.connect()

  const make = async (select: string): Promise<ColumnFile> => {
    const name = `${randomBytes(8).toString('hex')}.parquet`
    const path = join(folder, name)
    const result = await connection.run(`copy (${select}) to ${quotedText(path)} (format parquet, compression snappy)`)
    const file = await open(path, 'r+')
    await file.sync().finally(() => file.close())
    return { name, rows: Number((await result.getRows())[0]![0]) }
  }
  const read = (files: readonly ColumnFile[]): string => readParquet(files.map(({ name }) => join(folder, name)))

  /** Few files are quicker to open than many. */
  const merged = async (files: readonly ColumnFile[], size: number): Promise<readonly ColumnFile[]> => {
    const firstSmall = files.findLastIndex(({ rows }) => rows >= size) + 1
    const small = files.slice(firstSmall)
    if (small.length <= mostSmall) return files
    return [...files.slice(0, firstSmall), await make(`select * from ${read(small)} order by position`)]
  }

  /** Without what the streams of erased users held before their erasure, and what is known of their e-mail addresses. */
  const withoutErased = async (files: readonly ColumnFile[], erased: Part['erased']): Promise<readonly ColumnFile[]> => {
    if (erased.length === 0) return files
    const users = erased.map(({ userId, position }) => `(${quotedText(userId)}, ${position})`).join(', ')
    const ended = `exists (select 1 from (values ${users}) as erased (id, until) where position < until and
      (stream = 'user-' || id or (category = 'login' and json_extract_string(data, '$.userId') = id)))`
    const kept: ColumnFile[] = []
    for (const file of files) {
      const found = await connection.runAndReadAll(`select 1 from ${read([file])} where ${ended} limit 1`)
      kept.push(
        found.currentRowCount === 0 ? file : await make(`select * from ${read([file])} where not ${ended} order by position`),
      )
    }
    return kept
  }

  return {
    /** The files with the part's events added. */
    add: async (files: readonly ColumnFile[], part: Part, size: number): Promise<readonly ColumnFile[]> => {
      const added = part.rows === 0 ? files : [...files, await make(`select * from ${readLines(part.path)}`)]
      return withoutErased(await merged(added, size), part.erased)
    },
    removeOthers: async (files: readonly Pick<ColumnFile, 'name'>[]): Promise<void> => {
      for (const name of await readdir(folder)) {
        if (name.endsWith('.parquet') && !files.some((file) => file.name === name)) await rm(join(folder, name), { force: true })
      }
    },
    close: (): void => {
      connection.closeSync()
      duck.close()
    },
  }
}

export const readParquet = (paths: readonly string[]): string => `read_parquet([${paths.map(quotedText).join(', ')}])`

const readLines = (path: string): string => {
  const types = storedColumns.map(([name, type]) => `${quotedName(name)}: ${quotedText(type)}`).join(', ')
  return `read_json(${quotedText(path)}, format = 'newline_delimited', columns = {${types}}, maximum_object_size = 4194304)`
}
