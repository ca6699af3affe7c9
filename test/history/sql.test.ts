import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { readColumnar } from '../../src/history/engine/columnar.js'
import { UnknownName } from '../../src/history/engine/names.js'
import { StatementRefused, withQuotedAt } from '../../src/history/engine/statement.js'
import { asJson } from '../../src/history/engine/values.js'
import { views } from '../../src/history/engine/views.js'
import { openSql, QueryEnded, type Sql, type SqlOptions } from '../../src/history/sql.js'
import { statsSql } from '../../src/history/stats.js'
import { connectDatabase, type Database } from '../../src/platform/database.js'
import { projections } from '../../src/projections/all.js'
import { transaction } from '../../src/projections/engine/batch.js'
import { beginCheckpoint } from '../../src/projections/engine/generations.js'
import { failure } from '../eventstore/contract/store.js'
import { createDatabase, type TestDatabase } from '../support/postgres.js'
import { day, type ShopHistory, startShopHistory, writeShop } from './shop-history.js'

describe('the history in SQL', () => {
  let shop: ShopHistory
  let own: TestDatabase
  let database: Database
  let sql: Sql

  const options = (more: Partial<SqlOptions> = {}): SqlOptions => ({
    source: shop,
    database,
    limits: { memory: '256MB', threads: 1 },
    timeout: 10_000,
    ...more,
  })
  const ask = async (text: string, of: Sql = sql) => {
    await of.refresh(text)
    const asker = await of.connect()
    try {
      const { rows } = await asker.query(text)
      const found: unknown[][] = []
      for await (const some of rows()) found.push(...some.map((row) => row.map(asJson)))
      return found
    } finally {
      asker.close()
    }
  }
  const pause = () => new Promise((resolve) => setTimeout(resolve, 550))

  before(async () => {
    shop = await startShopHistory()
    await writeShop(shop)
    own = await createDatabase()
    database = connectDatabase(own.url)
    const client = await database.pool.connect()
    await transaction(client, () => beginCheckpoint(client, projections, 'store'))
    client.release()
    sql = await openSql(options())
  })
  after(async () => {
    await sql.close()
    await database.close()
    await own.drop()
    await shop.stop()
  })

  it('counts by type and period, of a range and of what else was asked for', async () => {
    expect(await ask(statsSql({ stream: 'order-', from: { time: day(3) } }, 'day'))).to.deep.equal([
      ['2026-01-03T00:00:00Z', 'OrderPlaced', 1],
      ['2026-01-04T00:00:00Z', 'OrderPlaced', 1],
    ])
    expect(await ask(statsSql({ types: ['OrderPlaced'], actor: 'u1', to: { time: day(3) } }, 'hour'))).to.deep.equal([
      ['2026-01-02T09:00:00Z', 'OrderPlaced', 1],
    ])
    expect(await ask(statsSql({ correlation: "it's none" }, 'day'))).to.deep.equal([])
    expect(() => statsSql({ types: ['OrderPlacd'] }, 'day')).to.throw(UnknownName, 'OrderPlaced')
  })

  it('has everything that happened in one view', async () => {
    const [first] = await ask(`select stream, category, revision, type, at, actor, correlation, data->>'productId' from events
      where type = 'ProductAdded' order by position`)
    expect(first).to.deep.equal(['product-p1', 'product', 0, 'ProductAdded', day(1), 'u1', 'c-product-p1', 'p1'])
    expect(await ask('select count(*), min(position) > 0 from events')).to.deep.equal([[10, true]])
  })

  it('has a typed view for each event type, which can be joined with what is ordered', async () => {
    expect(
      await ask(
        'select at::date as day, count(*), sum(price) / 100 as revenue from order_placed group by day order by day limit 1',
      ),
    ).to.deep.equal([['2026-01-02', 1, 4.5]])
    expect(
      await ask(`select p.name, sum(i.quantity) from (select unnest(items) as i from order_placed) join product_added p
        on p.product_id = i.product_id group by all order by all`),
    ).to.deep.equal([
      ['', 3],
      ['Tea, "green"\nloose', 6],
    ])
    expect(await ask('select name, price from product_added where price is null')).to.deep.equal([['', null]])
  })

  it('has the columns that its schema tells', async () => {
    for (const { name, columns } of views()) {
      const found = await ask(`describe ${name}`)
      expect(
        found.map(([column, type]) => [column, type]),
        name,
      ).to.deep.equal(columns.map(({ name: column, type }) => [column, type.replace('TIMESTAMPTZ', 'TIMESTAMP WITH TIME ZONE')]))
    }
  })

  it('knows nothing personal, and nothing secret', async () => {
    const all = JSON.stringify(await ask('select * from events'))
    for (const hidden of ['Ada', 'example.org', 'PasswordSet', '$2b$']) expect(all).to.not.contain(hidden)
    for (const column of ['name', 'email']) {
      expect(String(await failure(ask(`select ${column} from user_registered`)))).to.contain('not found')
      expect(String(await failure(ask(`select ${column} from users`)))).to.contain('not found')
    }
    expect(String(await failure(ask('select * from password_set')))).to.contain('does not exist')
  })

  it('joins the read models as they are now', async () => {
    const insert = (id: string, stock: number) =>
      database.pool.query(
        `insert into tillroll.products_1 (stream_id, name, stock, price, retired, revision, position) values ($1, 'Tea', $2, null, false, 3, 9)`,
        [`product-${id}`, stock],
      )
    const changed = async () => {
      await database.pool.query(`update tillroll.checkpoint set changes = changes + 1`)
      await pause()
    }
    await insert('p1', 7)
    await changed()
    const query =
      'select p.product_id, p.name, p.stock, p.price, p.retired, e.stock from products p join product_added e using (product_id)'
    expect(await ask(query)).to.deep.equal([['p1', 'Tea', 7, null, false, 10]])
    await insert('p2', 1)
    await changed()
    expect(await ask(query)).to.have.length(2)
    const items = JSON.stringify([{ productId: 'p1', quantity: 2, price: 5 }])
    await database.pool.query(
      `insert into tillroll.orders_1 (stream_id, customer_id, items, price, status, status_key, phase, placed, settled, placed_at, updated_at, revision, position)
       values ('order-o1', 'u1', $1, 10, '', '', 'placed', true, false, '2026-01-02T03:04:05.678Z', '2026-01-02T03:04:05Z', 1, 2)`,
      [items],
    )
    expect(await ask('select order_id, items[1].quantity, status, settled, placed_at from orders')).to.deep.equal([
      ['o1', 2, '', false, '2026-01-02T03:04:05.678Z'],
    ])
  })

  it('takes what has happened since, and reads no more than that', async () => {
    const before = await readColumnar(shop)
    await shop.append('product-p1', ['StockCounted', { productId: 'p1', stock: 4, at: day(8) }])
    await pause()
    expect(await ask('select stock from stock_counted')).to.deep.equal([[4]])
    const after = await readColumnar(shop)
    expect(after.files.slice(0, before.files.length)).to.deep.equal(before.files)
    expect(after.files.at(-1)!.rows).to.equal(1)
  })

  it('keeps few files, however often it is asked', async () => {
    for (let n = 0; n < 12; n++) {
      await shop.append('product-p1', ['StockCounted', { productId: 'p1', stock: n, at: day(8) }])
      const one = await openSql(options())
      await ask('select 1', one)
      await one.close()
    }
    const { files, left } = await readColumnar(shop)
    expect(files.length).to.be.at.most(9)
    const there = async () => (await readdir(join(shop.folder, 'columns'))).filter((name) => name.endsWith('.parquet'))
    expect(await there()).to.have.members([...files, ...left].map(({ name }) => name))
    // What another session knew of is there for as long as a query may take, and gone afterwards.
    expect(left).not.to.deep.equal([])
    const asker = await sql.connect()
    const { rows } = await asker.query('select count(*) from stock_counted')
    for await (const [row] of rows()) expect(row).to.deep.equal([1n])
    asker.close()
    const note = join(shop.folder, 'columns.json')
    await writeFile(note, (await readFile(note, 'utf8')).replaceAll(/"since":\d+/g, '"since":0'))
    await shop.append('product-p1', ['StockCounted', { productId: 'p1', stock: 12, at: day(8) }])
    await pause()
    expect(await ask('select count(*) from stock_counted')).to.deep.equal([[14]])
    const now = await readColumnar(shop)
    expect(await there()).to.have.members([...now.files, ...now.left].map(({ name }) => name))
    expect(now.left.filter(({ name }) => left.some((one) => one.name === name))).to.deep.equal([])
  })

  it('is made anew where its files are gone', async () => {
    await rm(join(shop.folder, 'columns'), { recursive: true })
    await pause()
    expect(await ask('select count(*) from stock_counted')).to.deep.equal([[14]])
    const [{ name } = { name: '' }] = (await readColumnar(shop)).files
    await rm(join(shop.folder, 'columns', name))
    await shop.append('product-p1', ['StockCounted', { productId: 'p1', stock: 13, at: day(8) }])
    await pause()
    expect(await ask('select count(*) from stock_counted')).to.deep.equal([[15]])
  })

  it('drops what was erased', async () => {
    await shop.append('user-u2', ['UserErased', { userId: 'u2', at: day(9) }])
    await pause()
    expect(await ask(`select type from events where stream = 'user-u2' or (data->>'userId') = 'u2'`)).to.deep.equal([
      ['UserErased'],
    ])
    expect(await ask(`select count(*) from user_registered`)).to.deep.equal([[1]])
    for (const name of await readdir(join(shop.folder, 'columns'))) {
      expect((await readFile(join(shop.folder, 'columns', name))).includes('lu2'), name).to.equal(false)
    }
  })

  it('only reads, and only the history', async () => {
    for (const text of [
      'insert into orders (order_id) values (1)',
      'delete from products',
      'create table mine (a int)',
      'drop view events',
      "copy (select 1) to 'mine.csv'",
      `explain analyze copy (select 1) to '${shop.folder}/columns/mine.csv'`,
      `explain /* x */ (format json) copy (select 1) to '${shop.folder}/columns/mine.csv'`,
      "attach 'mine.db'",
      "export database 'mine'",
      'install httpfs',
      'load httpfs',
      'set memory_limit = 1',
      'pragma threads = 4',
      'begin',
      'checkpoint',
      'select 1; drop view events',
      'select 1; select 2',
      ' ',
    ]) {
      const error = await failure(ask(text))
      expect(error, text).to.be.instanceOf(Error)
      // Some it can't even prepare without what they may not have.
      if (!/httpfs|attach|pragma|^set|^copy|^export/.test(text)) expect(error, text).to.be.instanceOf(StatementRefused)
    }
    for (const from of [
      `read_text('/etc/passwd')`,
      `read_csv('/etc/passwd')`,
      `read_json('${shop.folder}/columns.json')`,
      `'https://example.org/a.csv'`,
      `glob('/*')`,
      `'${shop.folder}/columns/../places.json'`,
    ])
      expect(String(await failure(ask(`select * from ${from}`))), from).to.match(/disabled|Permission/)
    expect(await ask('explain select 1')).to.have.length(1)
    expect(await readdir(join(shop.folder, 'columns'))).to.not.include('mine.csv')
  })

  it('says what it refuses by the first word, whether what it names is there or not', async () => {
    for (const [text, said] of [
      ['insert into nothing values (1)', 'INSERT writes'],
      [`copy nothing from 'x.csv'`, 'COPY reads or writes files'],
      [`export database 'x'`, 'EXPORT reads or writes files'],
      [`attach 'x.db'`, 'ATTACH opens another database'],
      ['install httpfs', 'INSTALL loads an extension'],
      ['set threads = 9', 'SET changes settings'],
      ['explain analyze drop table orders', 'DROP writes'],
    ] as const) {
      const error = await failure(ask(text))
      expect(error, text).to.be.instanceOf(StatementRefused)
      expect((error as Error).message, text).to.equal(`the history is only read, and ${said}`)
    }
  })

  it('says which name comes near', async () => {
    expect(String(await failure(ask('select * from order_place')))).to.contain('order_placed')
    expect(String(await failure(ask('select custmer_id from order_placed')))).to.contain('customer_id')
  })

  const slow = 'select count(*) from range(1000000) a, range(1000000) b where (a.range * b.range) % 7 = 3'

  it('ends a query that takes too long, or that is cancelled, and goes on', async () => {
    const impatient = await openSql(options({ timeout: 100 }))
    const late = await failure(ask(slow, impatient))
    expect(late).to.be.instanceOf(QueryEnded)
    expect(late.reason).to.equal('timeout')
    expect(await ask('select 1', impatient)).to.deep.equal([[1]])
    await impatient.close()
    const asker = await sql.connect()
    const stopping = new AbortController()
    setTimeout(() => stopping.abort(), 50)
    expect((await failure(asker.query(slow, stopping.signal))).reason).to.equal('cancelled')
    expect((await asker.query('select 2')).columns).to.have.length(1)
    asker.close()
  })

  it('tells what goes wrong in the middle of an answer, and gives no part of it for the whole', async () => {
    const late = (wrong: string) => `select case when range < 2000000 then range else ${wrong} end as n from range(2500000)`
    expect((await failure(ask(late(`error('no more')`)))).message).to.include('no more')
    expect((await failure(ask(late(`('x' || range)::int`)))).message).to.match(/^Conversion Error/)
    const asker = await sql.connect()
    const ending = new AbortController()
    const { rows, columns } = await asker.query('select range as n, range as n from range(300000)', ending.signal)
    expect(columns.map(({ name }) => name)).to.deep.equal(['n', 'n:1'])
    const reading = rows()
    await reading.next()
    ending.abort()
    expect(await failure(reading.next())).to.be.instanceOf(QueryEnded)
    const whole = await asker.query('select range from range(300000) order by range desc')
    let [count, last] = [0, 0n]
    for await (const some of whole.rows()) {
      count += some.length
      last = some.at(-1)![0] as bigint
    }
    expect([count, last]).to.deep.equal([300_000, 0n])
    asker.close()
    for (const text of [
      'values (1), (2)',
      '(select 1)',
      'from order_placed',
      'describe events',
      'summarize orders',
      'explain select 1',
      'show tables',
    ])
      expect(await ask(text), text).to.be.an('array')
  })

  it('is cancelled whenever that comes: before DuckDB begins, too', async () => {
    const asker = await sql.connect()
    const endless = 'select count(*) from range(1000000) a, range(1000000) b where (a.range * b.range) % 7 = 3'
    for (let n = 0; n < 40; n++) {
      const ending = new AbortController()
      const asked = failure(asker.query(endless, ending.signal))
      if (n > 0) for (let turn = 0; turn < n; turn++) await new Promise((resolve) => setImmediate(resolve))
      const began = performance.now()
      ending.abort()
      expect(await asked)
        .to.be.instanceOf(QueryEnded)
        .and.have.property('reason', 'cancelled')
      expect(performance.now() - began, `${n}`).to.be.lessThan(5_000)
    }
    asker.close()
    expect(await ask('select 1')).to.deep.equal([[1]])
    const aborted = AbortSignal.abort()
    expect(await failure(sql.refresh('select 1', aborted))).to.be.instanceOf(QueryEnded)
  })

  it('takes no more memory than it may', async () => {
    const small = await openSql(options({ limits: { memory: '20MB', threads: 1 } }))
    const error = await failure(ask('select list(range) from range(30000000)', small))
    expect(String(error)).to.match(/memory|Out of Memory/i)
    await small.close()
  })

  it('begins anew over another store', async () => {
    const other = { ...shop, storeId: 'another' }
    const anew = await openSql(options({ source: other }))
    expect(Number((await ask('select count(*) from events', anew))[0]![0])).to.be.greaterThan(20)
    await anew.close()
  })

  it('takes at for the name that it is', () => {
    expect(withQuotedAt(`select at, e.AT as at from t where at>'at' and "at"<now() -- at`)).to.equal(
      `select "at", e."AT" as "at" from t where "at">'at' and "at"<now() -- at`,
    )
    const kept = [
      `select now() at time zone 'UTC', strftime(x, 'at') from t AT (VERSION => 1) /* at */`,
      'select $$ at $$, attach, data',
    ]
    for (const text of kept) expect(withQuotedAt(text)).to.equal(text)
  })
})
