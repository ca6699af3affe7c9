import knexModule, { type Knex } from 'knex'
import pg from 'pg'
import { migrations } from './migrations/index.js'

export type Database = {
  readonly url: string
  readonly pool: pg.Pool
  readonly close: () => Promise<void>
}

export type DatabaseOptions = {
  /** Milliseconds after which the server cancels a statement; 0: never. Default 10,000. */
  readonly statementTimeout?: number
  /** Connections of the pool. Default 8. */
  readonly connections?: number
  /** Shown in `pg_stat_activity`. */
  readonly applicationName?: string
  /** What nobody asked for and nobody need do anything about: above all, that an idle connection was lost, which the pool replaces. */
  readonly onWarning?: (message: string) => void
}

/** Connects lazily: nothing fails before the first query. */
export const connectDatabase = (url: string, options: DatabaseOptions = {}): Database => {
  const { connections = 8, onWarning: tell = ignore } = options
  let closing = false
  // At the end the server may cut a connection off before it has read our good-bye.
  const onWarning = (message: string) => (closing ? undefined : tell(message))
  const pool = new pg.Pool({ ...connectionOf(url, options), max: connections })
  // Without a listener the loss of an idle connection ends the process.
  pool.on('error', (error) => onWarning(error.message))
  // Nor may the loss of one in use: the query under way fails, and that is told where it was asked.
  pool.on('connect', (client) => {
    client.on('error', () => undefined)
  })
  const close = async () => {
    closing = true
    await pool.end()
  }
  return { url, pool, close }
}

/**
 * Brings the tables up to date. Any number of processes may call it at once: one works, the others wait for it. A migration runs in a
 * transaction of its own.
 */
export const migrate = async (url: string): Promise<void> => {
  // A lock of the session, for knex's own is a row: one that was killed in the middle leaves it locked.
  const client = new pg.Client(connectionOf(url, { statementTimeout: 0, applicationName: 'tillroll migrations' }))
  // The statement under way fails too, and it is that one's error which is told.
  client.on('error', () => undefined)
  await client.connect()
  try {
    if (!(await isUpToDate(client))) await migrateAlone(client, url)
  } finally {
    await client.end()
  }
}

/** Of most starts all that there is to do: knex takes a few hundred milliseconds to find the same. A migration is noted in its own transaction. */
const isUpToDate = async (client: pg.Client): Promise<boolean> => {
  const noted = `${migrationSettings.schemaName}.knex_migrations`
  const { rows } = await client.query('select to_regclass($1) as noted', [noted])
  if (!rows[0].noted) return false
  const { rows: done } = await client.query<{ name: string }>(`select name from ${noted}`)
  const names = new Set(done.map(({ name }) => name))
  return names.size === migrations.length && migrations.every(({ name }) => names.has(name))
}

const migrateAlone = async (client: pg.Client, url: string): Promise<void> => {
  const knex = knexOf(url, { statementTimeout: 0, connections: 2, applicationName: 'tillroll migrations' })
  try {
    await client.query('select pg_advisory_lock($1)', [migrationLock])
    await client.query(`create schema if not exists ${migrationSettings.schemaName}`)
    const { rows } = await client.query('select to_regclass($1) as locks', [
      `${migrationSettings.schemaName}.knex_migrations_lock`,
    ])
    if (rows[0].locks) await knex.migrate.forceFreeMigrationsLock(migrationSettings)
    await knex.migrate.latest(migrationSettings)
  } finally {
    await knex.destroy()
  }
}

// An arbitrary number that other users of the database won't think of.
const migrationLock = 7_455_110_871

/** knex's settings of the migrations. Their names carry no file ending: they are the same from the source and from the build. */
export const migrationSettings = {
  schemaName: 'tillroll',
  migrationSource: {
    // knex's command line lists by `file` what is still to be done.
    getMigrations: async () => migrations.map((migration) => ({ ...migration, file: migration.name })),
    getMigrationName: (migration: (typeof migrations)[number]) => migration.name,
    getMigration: async (migration: (typeof migrations)[number]) => migration,
  },
} satisfies Knex.MigratorConfig

const knexOf = (url: string, options: DatabaseOptions): Knex =>
  knexModule({
    client: 'pg',
    connection: connectionOf(url, options) as Knex.PgConnectionConfig,
    pool: { min: 0, max: options.connections ?? 8 },
    acquireConnectionTimeout: 10_000,
    migrations: migrationSettings,
    // knex prints by itself what it isn't given a place for.
    log: { warn: ignore, error: ignore },
  })

const ignore = () => undefined

const connectionOf = (url: string, { statementTimeout = 10_000, applicationName = 'tillroll' }: DatabaseOptions) => ({
  connectionString: url,
  application_name: applicationName,
  connectionTimeoutMillis: 5_000,
  keepAlive: true,
  types: { getTypeParser: parserOf as typeof pg.types.getTypeParser },
  ...(statementTimeout > 0 && { statement_timeout: statementTimeout }),
})

/**
 * `bigint` becomes a number, and an error beyond 2^53: positions, counts and cents stay far below, and a wrong digit would never be
 * noticed. A `date` stays its text: it has no time zone. The rest is pg's: `numeric` a string, `timestamptz` a Date, `jsonb` parsed.
 */
const parserOf = (oid: number, format?: 'text' | 'binary') => {
  if (format === 'binary') return pg.types.getTypeParser(oid, format)
  if (oid === pg.types.builtins.INT8) return parseBigint
  if (oid === pg.types.builtins.DATE) return (text: string) => text
  return pg.types.getTypeParser(oid)
}

const parseBigint = (text: string): number => {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new RangeError(`${text} is beyond the numbers that are exact`)
  return value
}
