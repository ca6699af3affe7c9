import pg from 'pg'
import { openSql, type Sql, type SqlOptions } from '../../../src/history/sql.js'
import { catalogueSchema } from '../../../src/history/wire/catalogue/schema.js'
import { serveWire, type Wire } from '../../../src/history/wire/server.js'
import { connectDatabase } from '../../../src/platform/database.js'
import { projections } from '../../../src/projections/all.js'
import { transaction } from '../../../src/projections/engine/batch.js'
import { beginCheckpoint } from '../../../src/projections/engine/generations.js'
import { createDatabase } from '../../support/postgres.js'
import { startShopHistory, writeShop } from '../shop-history.js'

/** A little shop's history, served. */
export type ServedHistory = {
  readonly wire: Wire
  readonly sql: Sql
  readonly errors: readonly unknown[]
  /** A client that has logged in, and is ended with the rest. */
  readonly client: (more?: pg.ClientConfig) => Promise<pg.Client>
  readonly stop: () => Promise<void>
}

export const serveHistory = async (more: Partial<SqlOptions> = {}): Promise<ServedHistory> => {
  const shop = await startShopHistory()
  await writeShop(shop)
  const own = await createDatabase()
  const database = connectDatabase(own.url)
  const one = await database.pool.connect()
  await transaction(one, () => beginCheckpoint(one, projections, 'store'))
  one.release()
  const limits = { memory: '256MB', threads: 1 }
  const sql = await openSql({ source: shop, database, limits, timeout: 5_000, setup: catalogueSchema(), ...more })
  const errors: unknown[] = []
  const wire = await serveWire({
    sql,
    host: '127.0.0.1',
    port: 0,
    logIn: async (email, password) =>
      email === 'ada@example.org' && password === 'correct horse' ? { isAllowed: async () => true } : undefined,
    onError: (error) => errors.push(error),
  })
  const opened: pg.Client[] = []
  const client = async (config: pg.ClientConfig = {}) => {
    const { port } = wire.address
    const known = { host: '127.0.0.1', port, user: 'ada@example.org', password: 'correct horse', database: 'history' }
    const client = new pg.Client({ ...known, ...config })
    await client.connect()
    opened.push(client)
    return client
  }
  const stop = async () => {
    await Promise.all(opened.map((client) => client.end()))
    await wire.close()
    await sql.close()
    await database.close()
    await own.drop()
    await shop.stop()
  }
  return { wire, sql, errors, client, stop }
}
