import { createWriteStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { DuckDBConnection } from '@duckdb/node-api'
import { to as copyTo } from 'pg-copy-streams'
import { catalogue, personalFields } from '../../domain/catalogue.js'
import type { Database } from '../../platform/database.js'
import { isMissingTable } from '../../platform/sqlstate.js'
import { readCheckpoint } from '../../projections/engine/checkpoint.js'
import { pathsOf, type SyncOptions, syncColumnar } from './columnar.js'
import { type DuckLimits, quotedName } from './duckdb.js'
import { type HistorySource, readHistory } from './read.js'
import { type ReadModel, readModels } from './read-models.js'
import { namesIn } from './statement.js'
import { copiedTable, eventViews, personalData } from './views.js'

/** The shop has not built this read model yet. */
export class ReadModelMissing extends Error {
  override readonly name = 'ReadModelMissing'
}

export type LoadOptions = {
  readonly source: HistorySource
  readonly database: Pick<Database, 'pool'>
  readonly limits: DuckLimits
  /** Whether personal data may be asked for, too: but for that of users who were erased. */
  readonly personal?: boolean | undefined
  readonly onProgress?: SyncOptions['onProgress'] | undefined
}

/** Milliseconds for which what was brought up to date is fresh enough: those who ask often don't each ask the store. */
const freshFor = 500

/** Keeps what a DuckDB has of the history and the read models up to date, one step after another. */
export const createLoader = (options: LoadOptions, connection: DuckDBConnection, folder: string) => {
  const { source, database, limits, personal = false, onProgress } = options
  let working: Promise<void> = Promise.resolve()
  let viewsOf: string | undefined
  let lookedAt = Number.NEGATIVE_INFINITY
  const loaded = new Map<string, { readonly position: string; readonly at: number }>()

  const refreshEvents = async (signal: AbortSignal | undefined): Promise<void> => {
    if (performance.now() - lookedAt < freshFor) return
    const { files } = await syncColumnar(source, { limits, ...(signal && { signal }), ...(onProgress && { onProgress }) })
    const names = files.map(({ name }) => name).join()
    if (names !== viewsOf) for (const statement of eventViews(pathsOf(source, files), personal)) await connection.run(statement)
    if (personal) await loadPersonal(signal)
    viewsOf = names
    if (!signal?.aborted) lookedAt = performance.now()
  }

  const loadPersonal = async (signal: AbortSignal | undefined): Promise<void> => {
    const path = join(folder, `${process.pid}-personal.lines`)
    try {
      await pipeline(personalLines(source, signal), createWriteStream(path, { mode: 0o600 }))
      await connection.run(personalData(path))
    } finally {
      await rm(path, { force: true })
    }
  }

  const refreshModel = async (model: ReadModel): Promise<void> => {
    const known = loaded.get(model.name)
    if (known && performance.now() - known.at < freshFor) return
    const checkpoint = await readCheckpoint(database.pool)
    const position = `${checkpoint?.at?.commit} ${checkpoint?.changes}`
    if (known?.position !== position) await copy(model)
    loaded.set(model.name, { position, at: performance.now() })
  }

  /** Through a file that this process alone has for a moment. */
  const copy = async (model: ReadModel): Promise<void> => {
    const path = join(folder, `${process.pid}-${model.name}.csv`)
    const { columns, sql } = copiedTable(model, path, personal)
    try {
      await copyOut(model, columns, path)
      await connection.run(sql)
    } finally {
      await rm(path, { force: true })
    }
  }

  const copyOut = async ({ name }: ReadModel, columns: readonly string[], path: string): Promise<void> => {
    const client = await database.pool.connect()
    try {
      await client.query(
        `begin read only; set local statement_timeout = 0; set local timezone = 'UTC'; set local datestyle = 'ISO'`,
      )
      const selected = columns.map(quotedName).join(', ')
      const rows = client.query(copyTo(`copy (select ${selected} from tillroll.${name}) to stdout (format csv)`))
      await pipeline(rows, createWriteStream(path, { mode: 0o600 }))
      await client.query('commit')
    } catch (error) {
      await client.query('rollback')
      throw isMissingTable(error)
        ? new ReadModelMissing(`the read model ${name} is not built yet: start the shop, or wait for it`, { cause: error })
        : error
    } finally {
      client.release()
    }
  }

  const refresh = async (sql: string, signal?: AbortSignal): Promise<void> => {
    await refreshEvents(signal)
    const named = namesIn(sql)
    for (const model of readModels) if (named.has(model.name)) await refreshModel(model)
  }

  return {
    refresh: (sql: string, signal?: AbortSignal): Promise<void> => {
      const next = working.then(() => refresh(sql, signal))
      working = next.catch(() => undefined)
      return next
    },
    /** Resolves when nothing is being loaded. */
    idle: (): Promise<void> => working,
  }
}

/** The personal data of the whole history as lines of JSON: of users who were erased there is none. */
async function* personalLines(source: HistorySource, signal: AbortSignal | undefined): AsyncGenerator<string> {
  const types = [...catalogue.keys()].filter((type) => personalFields(type).length > 0)
  for await (const events of readHistory(source, { types, personal: true, ...(signal && { signal }) })) {
    yield events
      .map(({ type, position, data }) => {
        const fields = personalFields(type).filter((name) => data[name] !== undefined)
        return `{"position":${position},"data":${JSON.stringify(Object.fromEntries(fields.map((name) => [name, data[name]])))}}\n`
      })
      .join('')
  }
}
