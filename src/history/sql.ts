import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { DuckDBConnection, DuckDBPreparedStatement, DuckDBResult, DuckDBType, DuckDBValue } from '@duckdb/node-api'
import { columnsFolder } from './engine/columnar.js'
import { openDuck, quotedText } from './engine/duckdb.js'
import { createLoader, type LoadOptions } from './engine/loader.js'
import { readModels } from './engine/read-models.js'
import { firstWord, prepareReading, statementsOf, withQuotedAt } from './engine/statement.js'
import { emptyTable, eventViews, personalData } from './engine/views.js'

/** A query was ended before it was done: it took too long, or it was told to. */
export class QueryEnded extends Error {
  override readonly name = 'QueryEnded'
  readonly reason: 'timeout' | 'cancelled'

  constructor(reason: QueryEnded['reason'], timeout: number) {
    super(
      reason === 'timeout'
        ? `the query took longer than ${timeout} ms (HISTORY_TIMEOUT), and was ended`
        : 'the query was cancelled',
    )
    this.reason = reason
  }
}

export type SqlOptions = LoadOptions & {
  /** Milliseconds that DuckDB may work for a query. */
  readonly timeout: number
  /** A file that a result may be written to. */
  readonly output?: string | undefined
  /** SQL that is run at the beginning, to make what else there is to be queried. */
  readonly setup?: readonly string[]
}

export type Rows = {
  readonly columns: readonly { readonly name: string; readonly type: DuckDBType }[]
  /** Throws `QueryEnded`, and what DuckDB says. */
  readonly rows: () => AsyncGenerator<readonly (readonly DuckDBValue[])[], void>
}

/**
 * Ready to be run. Its answer goes into a table of its connection first, which may need the disk: as it comes, DuckDB would not tell one that
 * broke off in the middle from one that is at its end.
 */
export type Ready = {
  readonly statement: DuckDBPreparedStatement
  /** Of its columns, each another. */
  readonly names: readonly string[]
  /** None of a statement that only describes something. */
  readonly table: string | undefined
}

/** One who asks, one question after another. */
export type Asker = {
  /** Throws `StatementRefused`, and what DuckDB says of a statement that it can't understand. */
  readonly prepare: (sql: string) => Promise<DuckDBPreparedStatement>
  /** The same, to be given its parameters and run, once. */
  readonly ready: (sql: string) => Promise<Ready>
  /** Runs what was made ready here, over the history as it is now. Throws `QueryEnded`, and what DuckDB says; so do the rows. */
  readonly run: (ready: Ready, signal?: AbortSignal) => Promise<Rows>
  /** A text as a value of one of DuckDB's types. Throws what DuckDB says of one that it can't read. */
  readonly cast: (text: string, type: string) => Promise<DuckDBValue>
  /** Makes ready and runs. */
  readonly query: (sql: string, signal?: AbortSignal) => Promise<Rows>
  readonly close: () => void
}

export type Sql = {
  /** Brings what is queried up to date with the store; the read models that the statement names, too. Throws `QueryEnded` where the signal aborts. */
  readonly refresh: (sql: string, signal?: AbortSignal) => Promise<void>
  readonly connect: () => Promise<Asker>
  /** A folder in which answers may be written. */
  readonly scratch: string
  /** Writes what the statement answers into a file: the output, or one of the scratch folder. Throws as a query does. */
  readonly toParquet: (sql: string, path: string, signal: AbortSignal) => Promise<void>
  readonly close: () => Promise<void>
}

/** The history and the read models, to be queried in SQL, and nothing else: no files, no network, no settings, nothing is written. */
export const openSql = async (options: SqlOptions): Promise<Sql> => {
  const { source, limits, timeout, output, personal = false } = options
  const folder = columnsFolder(source)
  // What one process may read of another's files has no more in it than its own.
  const rows = join(source.folder, personal ? 'personal-rows' : 'rows')
  await mkdir(folder, { recursive: true })
  await mkdir(rows, { recursive: true, mode: 0o700 })
  const duck = await openDuck(limits, join(source.folder, 'spill'))
  const own = await duck.connect()
  for (const statement of [
    `set allowed_directories = [${quotedText(folder)}, ${quotedText(rows)}]`,
    ...(output ? [`set allowed_paths = [${quotedText(output)}]`] : []),
    'set enable_external_access = false',
    'set lock_configuration = true',
    ...readModels.map((model) => emptyTable(model, personal)),
    ...(personal ? [personalData(undefined)] : []),
    ...eventViews([], personal),
    ...(options.setup ?? []),
  ]) {
    await own.run(statement)
  }
  const loader = createLoader(options, own, rows)
  return {
    refresh: async (text, signal) => {
      await loader.refresh(text, signal)
      // What was read so far is not the history.
      if (signal?.aborted) throw new QueryEnded('cancelled', timeout)
    },
    scratch: rows,
    connect: async () => asker(await duck.connect(), timeout),
    toParquet: async (sql, path, signal) => {
      const connection = await duck.connect()
      try {
        ;(await prepareReading(connection, sql)).destroySync()
        const [statement] = statementsOf(withQuotedAt(sql))
        const copy = await connection.prepare(`copy (${statement}\n) to ${quotedText(path)} (format parquet)`)
        await asker(connection, timeout).run({ statement: copy, names: [], table: undefined }, signal)
      } finally {
        connection.closeSync()
      }
    },
    close: async () => {
      await loader.idle()
      own.closeSync()
      duck.close()
    },
  }
}

/** Milliseconds. */
const interruptedEvery = 50

let answers = 0

const asker = (connection: DuckDBConnection, timeout: number): Asker => {
  /** Of each query whose rows have not all been taken, so that nothing ends it any more once it is closed. */
  const open = new Set<() => void>()
  const run: Asker['run'] = async ({ statement, names, table }, signal) => {
    let ended: QueryEnded['reason'] | undefined
    let left = timeout
    let isWorking = false
    let again: NodeJS.Timeout | undefined
    const end = (reason: QueryEnded['reason']): void => {
      ended ??= reason
      connection.interrupt()
      // What comes while DuckDB is about to begin is forgotten by it.
      if (isWorking) again ??= setInterval(() => connection.interrupt(), interruptedEvery)
    }
    const cancel = (): void => end('cancelled')
    const done = (): void => {
      signal?.removeEventListener('abort', cancel)
      open.delete(done)
    }
    /** Only what DuckDB works counts: whoever takes an answer slowly is not cut off. */
    const within: Within = async (work) => {
      if (ended) throw new QueryEnded(ended, timeout)
      const began = performance.now()
      const timer = setTimeout(() => end('timeout'), left)
      isWorking = true
      try {
        const value = await work()
        // What was interrupted may look as if it were at its end.
        if (ended) throw new QueryEnded(ended, timeout)
        return value
      } catch (error) {
        done()
        throw ended ? new QueryEnded(ended, timeout) : error
      } finally {
        clearTimeout(timer)
        clearInterval(again)
        again = undefined
        isWorking = false
        left -= performance.now() - began
      }
    }
    if (signal?.aborted) throw new QueryEnded('cancelled', timeout)
    signal?.addEventListener('abort', cancel, { once: true })
    open.add(done)
    const result = await within(() => statement.run())
    if (table === undefined) return { columns: columnsOf(names, result), rows: () => rowsOf(result, within, async () => done()) }
    const [[count] = []] = await result.getRows()
    const kept = await within(() => connection.stream(`from ${table}`))
    const drop = async (): Promise<void> => {
      done()
      // Where the connection is closed, its tables are gone.
      await connection.run(`drop table ${table}`).catch(() => undefined)
    }
    return { columns: columnsOf(names, kept), rows: () => rowsOf(kept, within, drop, count as bigint) }
  }
  const prepare: Asker['prepare'] = (sql) => prepareReading(connection, sql)
  const ready: Asker['ready'] = async (sql) => {
    const described = await prepare(sql)
    const names = namesOf(described)
    if (!selects.has(firstWord(sql))) return { statement: described, names, table: undefined }
    described.destroySync()
    const table = `temp."answer ${++answers}"`
    const [statement] = statementsOf(withQuotedAt(sql))
    return { statement: await connection.prepare(`create temp table ${table} as ${statement}\n`), names, table }
  }
  return {
    prepare,
    ready,
    run,
    cast: async (text, type) => {
      const reader = await connection.runAndReadAll(`select cast($1 as ${type})`, [text])
      return reader.getRows()[0]![0]!
    },
    query: async (sql, signal) => {
      const asked = await ready(sql)
      try {
        return await run(asked, signal)
      } finally {
        asked.statement.destroySync()
      }
    },
    close: () => {
      for (const done of open) done()
      connection.closeSync()
    },
  }
}

/** What begins a statement whose answer may be large; others describe something, in a few rows. */
const selects: ReadonlySet<string> = new Set(['select', 'with', 'from', 'values', 'table', 'pivot', 'unpivot', '('])

type Within = <Value>(work: () => Promise<Value>) => Promise<Value>

/** `count`: of the rows that there must be. */
async function* rowsOf(
  result: DuckDBResult,
  within: Within,
  done: () => Promise<void>,
  count?: bigint,
): AsyncGenerator<readonly (readonly DuckDBValue[])[], void> {
  let given = 0
  try {
    for (;;) {
      const chunk = await within(() => result.fetchChunk())
      if (!chunk || chunk.rowCount === 0) break
      given += chunk.rowCount
      yield chunk.getRows()
    }
    if (count !== undefined && BigInt(given) !== count) throw new Error(`an answer of ${count} rows broke off after ${given}`)
  } finally {
    await done()
  }
}

const columnsOf = (names: readonly string[], result: DuckDBResult): Rows['columns'] =>
  names.map((name, i) => ({ name, type: result.columnType(i) }))

/** The columns' names, the second of the same name with a number. */
const namesOf = (described: DuckDBPreparedStatement): readonly string[] => {
  const seen = new Map<string, number>()
  return Array.from({ length: described.columnCount }, (_, i) => {
    const name = described.columnName(i)
    const before = seen.get(name) ?? 0
    seen.set(name, before + 1)
    return before === 0 ? name : `${name}:${before}`
  })
}
