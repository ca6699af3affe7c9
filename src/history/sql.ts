import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { DuckDBConnection, DuckDBPreparedStatement, DuckDBResult, DuckDBType, DuckDBValue } from '@duckdb/node-api'
import { columnsFolder } from './engine/columnar.js'
import { openDuck, quotedText } from './engine/duckdb.js'
import { createLoader, type LoadOptions } from './engine/loader.js'
import { readModels } from './engine/read-models.js'
import { prepareReading, statementsOf, withQuotedAt } from './engine/statement.js'
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

/** One who asks, one question after another. */
export type Asker = {
  /** Throws `StatementRefused`, and what DuckDB says of a statement that it can't understand. */
  readonly prepare: (sql: string) => Promise<DuckDBPreparedStatement>
  /** Runs what was prepared here, over the history as it is now. */
  readonly run: (statement: DuckDBPreparedStatement, signal?: AbortSignal) => Promise<Rows>
  /** A text as a value of one of DuckDB's types. Throws what DuckDB says of one that it can't read. */
  readonly cast: (text: string, type: string) => Promise<DuckDBValue>
  /** Prepares and runs. */
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
        await asker(connection, timeout).run(copy, signal)
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

const asker = (connection: DuckDBConnection, timeout: number): Asker => {
  /** Of each query whose rows have not all been taken, so that nothing ends it any more once it is closed. */
  const open = new Set<() => void>()
  const run: Asker['run'] = async (statement, signal) => {
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
    const within = async <Value>(work: () => Promise<Value>): Promise<Value> => {
      if (ended) throw new QueryEnded(ended, timeout)
      const began = performance.now()
      const timer = setTimeout(() => end('timeout'), left)
      isWorking = true
      try {
        return await work()
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
    const result = await within(() => statement.stream())
    // The first rows are there before anybody is told that there are some: what fails mostly fails here.
    const first = await within(() => result.fetchChunk())
    return { columns: columnsOf(result), rows: () => rowsOf(first, () => within(() => result.fetchChunk()), done) }
  }
  const prepare: Asker['prepare'] = (sql) => prepareReading(connection, sql)
  return {
    prepare,
    run,
    cast: async (text, type) => {
      const reader = await connection.runAndReadAll(`select cast($1 as ${type})`, [text])
      return reader.getRows()[0]![0]!
    },
    query: async (sql, signal) => run(await prepare(sql), signal),
    close: () => {
      for (const done of open) done()
      connection.closeSync()
    },
  }
}

type Chunk = Awaited<ReturnType<DuckDBResult['fetchChunk']>>

async function* rowsOf(
  first: Chunk,
  next: () => Promise<Chunk>,
  done: () => void,
): AsyncGenerator<readonly (readonly DuckDBValue[])[], void> {
  try {
    for (let chunk = first; chunk && chunk.rowCount > 0; chunk = await next()) yield chunk.getRows()
  } finally {
    done()
  }
}

const columnsOf = (result: DuckDBResult): Rows['columns'] =>
  result.deduplicatedColumnNames().map((name, i) => ({ name, type: result.columnType(i) }))
