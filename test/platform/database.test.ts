import { fork } from 'node:child_process'
import { once } from 'node:events'
import { expect } from 'chai'
import pg from 'pg'
import { connectDatabase, type Database, migrate } from '../../src/platform/database.js'
import { migrations } from '../../src/platform/migrations/index.js'
import { createDatabase, type TestDatabase } from '../support/postgres.js'
import { rejection } from '../support/rejection.js'
import { until } from '../support/until.js'

describe('database', () => {
  let test: TestDatabase
  let database: Database

  before(async () => {
    test = await createDatabase()
    database = connectDatabase(test.url, { statementTimeout: 200 })
  })

  after(async () => {
    await database.close()
    await test.drop()
  })

  const query = (sql: string) => database.pool.query(sql)
  const failure = (sql: string) => rejection(query(sql))

  it('reads types alike', async () => {
    const { rows } = await query(
      `select 9007199254740991 as bigint, count(*) as count, date '2024-02-29' as date, 1.10::numeric(9,2) as numeric,
           timestamptz '2024-02-29T12:00:00Z' as timestamptz, '{"a":[1]}'::jsonb as jsonb, array[1,2]::int8[] as bigints`,
    )
    const timestamptz = new Date('2024-02-29T12:00:00Z')
    const expected = { bigint: 9007199254740991, count: 1, date: '2024-02-29', numeric: '1.10', timestamptz, jsonb: { a: [1] } }
    expect(rows[0]).to.deep.include(expected)
  })

  it("refuses a bigint that a number can't hold", async () => {
    expect(await failure('select 9007199254740992 as big')).to.be.instanceOf(RangeError)
  })

  it('cancels a statement that takes too long', async () => {
    expect((await failure('select pg_sleep(5)')).code).to.equal('57014')
  })

  it('goes on after the server ended its connections', async () => {
    await query('select 1')
    const other = new pg.Client(test.url)
    await other.connect()
    await other.query(
      'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
    )
    await other.end()
    // Whoever asks before the news has arrived here is told that the connection ended; the next one gets another.
    const first = await query('select 1 as one').catch((error) => error)
    const { rows } = first.code === '57P01' ? await query('select 1 as one') : first
    expect(rows).to.deep.equal([{ one: 1 }])
  })
})

describe('migrate', () => {
  let test: TestDatabase
  let client: pg.Client

  beforeEach(async () => {
    test = await createDatabase({ migrated: false })
    client = new pg.Client(test.url)
    await client.connect()
  })

  afterEach(async () => {
    await client.end()
    await test.drop()
  })

  const done = async () =>
    (await client.query('select name from tillroll.knex_migrations order by id')).rows.map(({ name }) => name)
  const names = migrations.map(({ name }) => name)

  it('runs each migration once', async () => {
    await migrate(test.url)
    await migrate(test.url)
    expect(await done()).to.deep.equal(names)
  })

  it('is safe in several processes at once', async () => {
    const script = new URL('./migrate-once.ts', import.meta.url)
    const processes = Array.from({ length: 2 }, () => fork(script, [test.url]))
    const here = Array.from({ length: 3 }, () => migrate(test.url))
    const codes = await Promise.all(processes.map(async (child) => (await once(child, 'exit'))[0]))
    await Promise.all(here)
    expect(codes).to.deep.equal([0, 0])
    expect(await done()).to.deep.equal(names)
  })

  it('fails, and nothing else does, where the server ends the connection that holds its lock', async () => {
    await migrate(test.url)
    await client.query(`delete from tillroll.knex_migrations where name = $1`, [names.at(-1)])
    await client.query('begin; lock table tillroll.knex_migrations_lock')
    const failed = rejection(migrate(test.url))
    await until(async () => {
      const ended = await client.query(
        `select pg_terminate_backend(pid) from pg_locks
         where locktype = 'advisory' and granted and database = (select oid from pg_database where datname = current_database())`,
      )
      return ended.rowCount === 1
    })
    await new Promise((resolve) => setTimeout(resolve, 100))
    await client.query('rollback')
    expect((await failed).message).to.match(/terminat|not queryable/)
  })

  it('goes on where one was killed in the middle', async () => {
    await migrate(test.url)
    await client.query('update tillroll.knex_migrations_lock set is_locked = 1')
    await migrate(test.url)
    expect(await done()).to.deep.equal(names)
  })
})
