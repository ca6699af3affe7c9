import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import knexModule from 'knex'
import pg from 'pg'
import { openSql, type Sql } from '../../../src/history/sql.js'
import { catalogueSchema } from '../../../src/history/wire/catalogue/schema.js'
import { serveWire, type Wire, type WireOptions } from '../../../src/history/wire/server.js'
import { connectDatabase, type Database } from '../../../src/platform/database.js'
import { projections } from '../../../src/projections/all.js'
import { transaction } from '../../../src/projections/engine/batch.js'
import { beginCheckpoint } from '../../../src/projections/engine/generations.js'
import { createDatabase, type TestDatabase } from '../../support/postgres.js'
import { day, type ShopHistory, startShopHistory, writeShop } from '../shop-history.js'

describe("the history over PostgreSQL's protocol", () => {
  let shop: ShopHistory
  let own: TestDatabase
  let database: Database
  let sql: Sql
  let wire: Wire
  let allowed = true
  const errors: unknown[] = []
  const opened: pg.Client[] = []

  const options = (): WireOptions => ({
    sql,
    host: '127.0.0.1',
    port: 0,
    logIn: async (email, password) =>
      email === 'ada@example.org' && password === 'correct horse' ? { isAllowed: async () => allowed } : undefined,
    onError: (error) => errors.push(error),
  })
  const settings = (at = wire, more: pg.ClientConfig = {}): pg.ClientConfig => ({
    host: '127.0.0.1',
    port: at.address.port,
    user: 'ada@example.org',
    password: 'correct horse',
    database: 'history',
    ...more,
  })
  const client = async (more: pg.ClientConfig = {}, at = wire) => {
    const one = new pg.Client(settings(at, more))
    await one.connect()
    opened.push(one)
    return one
  }
  const failure = (work: Promise<unknown>): Promise<{ code?: string; message: string }> =>
    work.then(
      () => expect.fail('it did not fail'),
      (error) => error,
    )

  before(async () => {
    shop = await startShopHistory()
    await writeShop(shop)
    own = await createDatabase()
    database = connectDatabase(own.url)
    const one = await database.pool.connect()
    await transaction(one, () => beginCheckpoint(one, projections, 'store'))
    one.release()
    sql = await openSql({
      source: shop,
      database,
      limits: { memory: '256MB', threads: 1 },
      timeout: 5_000,
      setup: catalogueSchema(),
    })
    wire = await serveWire(options())
  })
  after(async () => {
    await Promise.all(opened.map((one) => one.end()))
    await wire.close()
    await sql.close()
    await database.close()
    await own.drop()
    await shop.stop()
    expect(errors).to.deep.equal([])
  })

  it('answers pg, with types that it knows', async () => {
    const one = await client()
    const { rows, fields, rowCount, command } = await one.query(
      `select at, price, order_id, items, price / 100 as euros, at::date as day, sum(price) over () as total, price > 500 as large, null as none
       from order_placed order by position`,
    )
    expect([rowCount, command, rows.length]).to.deep.equal([3, 'SELECT', 3])
    expect(rows[0]).to.deep.include({
      at: new Date(day(2, 9)),
      price: '450',
      order_id: 'o0',
      euros: 4.5,
      total: '2700',
      large: false,
      none: null,
    })
    expect(rows[0].items).to.deep.equal([
      { product_id: 'p1', quantity: 1, price: 450 },
      { product_id: 'p2', quantity: 1, price: null },
    ])
    expect(fields.slice(0, 3).map(({ dataTypeID }) => dataTypeID)).to.deep.equal([1184, 20, 25])
  })

  it('takes parameters, of every kind', async () => {
    const one = await client()
    const ask = async (text: string, values: unknown[]) => (await one.query({ text, values, rowMode: 'array' })).rows
    expect(
      await ask('select order_id from order_placed where price > $1 and at < $2 order by 1', [450, new Date(day(4))]),
    ).to.deep.equal([['o1']])
    expect(await ask('select $1::int + 1, $2, $3::boolean, $4', [1, 'x', true, null])).to.deep.equal([[2, 'x', true, null]])
    expect(await ask('select order_id from order_placed where order_id = any($1) order by 1', [['o2', 'o0']])).to.deep.equal([
      ['o0'],
      ['o2'],
    ])
    expect(await ask('select order_id from order_placed order by 1 limit $1 offset $2', [1, 1])).to.deep.equal([['o1']])
    const named = { name: 'by price', text: 'select count(*) from order_placed where price >= $1', rowMode: 'array' as const }
    for (const [price, count] of [
      [0, '3'],
      [900, '2'],
      [9_000, '0'],
    ] as const) {
      expect((await one.query({ ...named, values: [price] })).rows).to.deep.equal([[count]])
    }
    expect((await failure(one.query('select $1::int', ['many']))).code).to.equal('22P02')
    expect((await one.query('select 1 as one')).rows).to.deep.equal([{ one: 1 }])
  })

  it('sends binary where it is asked for', async () => {
    const one = await client({ ...({ binary: true } as object) })
    const { rows } = await one.query({
      text: `select 7::smallint, -5::integer, 9007199254740993::bigint, 1.5::double, 0.25::float, true, 'täxt', -12345.0678::decimal(12,4), 0::decimal(9,2),
             timestamptz '2026-01-02 03:04:05.678Z', date '2026-01-02'::varchar, 100000000::hugeint`,
      values: [],
      rowMode: 'array',
    })
    expect(rows[0]!.slice(0, 7)).to.deep.equal([7, -5, '9007199254740993', 1.5, 0.25, true, 'täxt'])
    expect(rows[0]!.slice(7, 9).map(Number)).to.deep.equal([-12345.0678, 0])
    expect(rows[0]!.slice(9, 11)).to.deep.equal([new Date('2026-01-02T03:04:05.678Z'), '2026-01-02'])
    expect(Number(rows[0]![11])).to.equal(100_000_000)
  })

  it('answers knex', async () => {
    const knex = knexModule({ client: 'pg', connection: settings() as never, pool: { min: 0, max: 2 } })
    try {
      expect(await knex('order_placed').where('price', '>=', 900).orderBy('price').pluck('order_id')).to.deep.equal(['o1', 'o2'])
      const joined = await knex('product_added as p')
        .leftJoin('products as r', 'r.product_id', 'p.product_id')
        .count('* as n')
        .first()
      expect(joined).to.deep.equal({ n: '2' })
      const counted = await knex.transaction((trx) => trx('events').where({ type: 'OrderPlaced' }).countDistinct('stream as n'), {
        readOnly: true,
      })
      expect(counted).to.deep.equal([{ n: '3' }])
      const columns = await knex('order_placed').columnInfo()
      expect(columns.price).to.deep.include({ type: 'bigint', nullable: true })
    } finally {
      await knex.destroy()
    }
  })

  it('gives a part of the rows at a time', async () => {
    const one = await client()
    // pg knows how many rows to ask for at a time; its types don't.
    const some = { text: 'select range::int as n from range(10) where range < $1', values: [9], rows: 4 } as pg.QueryConfig
    const { rows } = await one.query(some)
    expect(rows.map(({ n }) => n)).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7, 8])
    expect((await one.query('select 1 as one')).rows).to.deep.equal([{ one: 1 }])
  })

  it('sends a large result no faster than it is taken', async () => {
    const one = await client()
    const { rows } = await one.query({ text: `select range, repeat('x', 100) from range(100000)`, rowMode: 'array' })
    expect(rows).to.have.length(100_000)
    expect(rows.at(-1)![0]).to.equal('99999')
  })

  it('keeps account of transactions, in which nothing is written', async () => {
    const one = await client()
    await one.query('begin')
    await one.query('select 1')
    expect((await failure(one.query('select nothing'))).code).to.equal('42703')
    expect((await failure(one.query('select 1'))).code).to.equal('25P02')
    await one.query('rollback')
    expect((await one.query('show transaction_read_only')).rows).to.deep.equal([{ transaction_read_only: 'on' }])
    await one.query("set application_name = 'x'; set search_path to public")
    const [, second] = (await one.query('select 1 as a; select 2 as a')) as unknown as pg.QueryResult[]
    expect(second!.rows).to.deep.equal([{ a: 2 }])
    expect((await one.query(' ')).rows).to.deep.equal([])
  })

  it('says what is wrong, with its SQLSTATE', async () => {
    const one = await client()
    for (const [text, code] of [
      ['selec 1', '42601'],
      ['select * from oders', '42P01'],
      ['select custmer from order_placed', '42703'],
      ['select nofunction(1)', '42883'],
      [`select 'x'::int`, '22P02'],
      ['delete from orders', '25006'],
      ['create table t (a int)', '25006'],
      [`select * from read_text('/etc/passwd')`, '42501'],
      ['select list(range) from range(60000000)', '53200'],
    ] as const) {
      expect((await failure(one.query(text))).code, text).to.equal(code)
      expect((await failure(one.query({ text, values: [] }))).code, text).to.equal(code)
    }
    expect((await one.query('select 1 as one')).rows).to.deep.equal([{ one: 1 }])
  })

  const slow = 'select count(*) from range(1000000) a, range(1000000) b where (a.range * b.range) % 7 = 3'

  it('cancels a query when it is told to, or when its time is up', async () => {
    const one = await client()
    const { processID, secretKey } = one as unknown as { processID: number; secretKey: number }
    const asked = failure(one.query(slow))
    await new Promise((resolve) => setTimeout(resolve, 100))
    const cancel = (key: number) => {
      const request = Buffer.alloc(16)
      for (const [i, value] of [16, 80_877_102, processID, key].entries()) request.writeInt32BE(value, 4 * i)
      connect(wire.address.port, '127.0.0.1').end(request)
    }
    cancel(secretKey ^ 1)
    await new Promise((resolve) => setTimeout(resolve, 100))
    cancel(secretKey)
    expect(await asked).to.deep.include({ code: '57014', message: 'the query was cancelled' })
    expect((await one.query('select 1 as one')).rows).to.deep.equal([{ one: 1 }])
  })

  it('lets in whom the shop knows, and nobody else', async () => {
    for (const more of [{ password: 'wrong' }, { user: 'eve@example.org' }]) {
      expect((await failure(client(more))).code).to.equal('28P01')
    }
  })

  it('asks now and then whether somebody still may', async () => {
    const one = await client()
    await one.query('select 1')
    allowed = false
    try {
      await new Promise((resolve) => setTimeout(resolve, 5_100))
      expect((await failure(one.query('select 1'))).code).to.equal('42501')
    } finally {
      allowed = true
    }
  })

  it('bears what is no message of the protocol', async () => {
    const answers = async (...sent: readonly Buffer[]) => {
      const socket = connect(wire.address.port, '127.0.0.1')
      const chunks: Buffer[] = []
      socket.on('data', (chunk) => chunks.push(chunk))
      for (const bytes of sent) socket.write(bytes)
      await Promise.race([once(socket, 'close'), new Promise((resolve) => setTimeout(resolve, 300))])
      socket.destroy()
      return Buffer.concat(chunks).toString('latin1')
    }
    expect(await answers(Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'))).to.contain('08P01')
    expect(await answers(Buffer.from([0x7f, 0xff, 0xff, 0xff]))).to.contain('08P01')
    expect(await answers(Buffer.from([0, 0, 0, 2]))).to.contain('08P01')
    expect(await answers(Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]))).to.equal('N')
    const startup = Buffer.from(
      '\0\0\0\x1a\0\x03\0\0user\0ada@example.org\0\0'.replace('\x1a', String.fromCharCode(30)),
      'latin1',
    )
    expect(await answers(startup, Buffer.from('p\x7f\xff\xff\xff', 'latin1'))).to.contain('08P01')
    expect((await (await client()).query('select 1 as one')).rows).to.deep.equal([{ one: 1 }])
  })

  it('speaks TLS where it has a certificate, and then nothing else', async () => {
    const path = (name: string) => fileURLToPath(new URL(`../../eventstore/fixtures/${name}`, import.meta.url))
    const tls = { key: readFileSync(path('key.pem')), cert: readFileSync(path('cert.pem')) }
    const secure = await serveWire({ ...options(), tls })
    const one = await client({ ssl: { rejectUnauthorized: false } }, secure)
    expect((await one.query('select count(*) as n from order_placed')).rows).to.deep.equal([{ n: '3' }])
    expect((await failure(client({}, secure))).code).to.equal('28000')
    await one.end()
    await secure.close()
  })
})
