import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { startPostgres } from '../../src/embedded/postgres/server.js'
import { migrate } from '../../src/platform/database.js'

// One server for the whole run, whatever the number of processes that the tests run in. What it does is real but for the waiting for the
// disk.
const variable = 'TEST_POSTGRES'

/** Answers how to stop it. */
export const startTestPostgres = async (): Promise<() => Promise<void>> => {
  const folder = await mkdtemp(join(tmpdir(), 'tillroll-postgres-'))
  const server = await startPostgres({ folder, settings: { fsync: 'off', full_page_writes: 'off', max_connections: '300' } })
  await asAdmin(server.url, (admin) => admin.query('create database migrated'))
  await migrate(urlOf(server.url, 'migrated'))
  process.env[variable] = server.url
  return async () => {
    await server.stop()
    await rm(folder, { recursive: true })
  }
}

const asAdmin = async (url: string, work: (admin: pg.Client) => Promise<unknown>): Promise<void> => {
  const admin = new pg.Client(url)
  await admin.connect()
  try {
    await work(admin)
  } finally {
    await admin.end()
  }
}

const urlOf = (url: string, name: string) => url.replace(/\/[^/]*$/, `/${name}`)

let count = 0

export type TestDatabase = { readonly url: string; readonly drop: () => Promise<void> }

/** A database of its own for a test file, with our tables in it; `{ migrated: false }`: empty. `drop` ends its connections. */
export const createDatabase = async ({ migrated = true } = {}): Promise<TestDatabase> => {
  const url = process.env[variable]!
  const name = `test_${process.pid}_${++count}`
  // Copying the files is the cheaper way where nothing is waited for.
  const how = migrated ? ' template migrated strategy file_copy' : ''
  await asAdmin(url, (admin) => admin.query(`create database ${name}${how}`))
  const drop = () => asAdmin(url, (admin) => admin.query(`drop database ${name} with (force)`))
  return { url: urlOf(url, name), drop }
}
