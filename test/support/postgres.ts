import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { type Postgres, startPostgres } from '../../src/embedded/postgres.js'
import { migrate } from '../../src/platform/database.js'

// One server for the whole run, started by who asks first and stopped by `hooks.ts`. What it does is real but for the waiting for the disk.
let running: Promise<{ server: Postgres; folder: string; admin: pg.Client; template: Promise<void> }> | undefined

const start = async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tillroll-postgres-'))
  const server = await startPostgres({ folder, settings: { fsync: 'off', full_page_writes: 'off', max_connections: '300' } })
  const admin = new pg.Client(server.url)
  await admin.connect()
  const template = admin.query('create database migrated').then(() => migrate(urlOf(server, 'migrated')))
  return { server, folder, admin, template }
}

const urlOf = (server: Postgres, name: string) => server.url.replace(/\/[^/]*$/, `/${name}`)

let count = 0

export type TestDatabase = { readonly url: string; readonly drop: () => Promise<void> }

/** A database of its own for a test file, with our tables in it; `{ migrated: false }`: empty. `drop` ends its connections. */
export const createDatabase = async ({ migrated = true } = {}): Promise<TestDatabase> => {
  running ??= start()
  const { server, admin, template } = await running
  const name = `test_${++count}`
  if (migrated) await template
  await admin.query(`create database ${name}${migrated ? ' template migrated' : ''}`)
  const drop = async () => {
    await admin.query(`drop database ${name} with (force)`)
  }
  return { url: urlOf(server, name), drop }
}

export const stopTestPostgres = async (): Promise<void> => {
  if (!running) return
  const { server, folder, admin } = await running
  running = undefined
  await admin.end()
  await server.stop()
  await rm(folder, { recursive: true })
}
