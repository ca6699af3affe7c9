import { expect } from 'chai'
import fc from 'fast-check'
import { sleep } from '../../../src/platform/async.js'
import { projections } from '../../../src/projections/all.js'
import { transaction } from '../../../src/projections/engine/batch.js'
import { readCheckpoint } from '../../../src/projections/engine/checkpoint.js'
import { NoRollback, rollback } from '../../../src/projections/engine/swap.js'
import { verify } from '../../../src/projections/operations/verify.js'
import type { AnyProjection } from '../../../src/projections/projection.js'
import { partOf } from '../../../src/projections/rebuild/fill.js'
import { users } from '../../../src/projections/user.js'
import { createQueries } from '../../../src/queries/index.js'
import { until } from '../../support/until.js'
import { caughtUp, expectRows, openDatabase, rowsOf } from '../support/engine.js'
import { createHistory } from '../support/history.js'
import { createMemoryStore } from '../support/memory.js'
import { rebuilding } from '../support/rebuilding.js'

const named = (name: string): AnyProjection => projections.find((projection) => projection.name === name)!

describe('projections, rebuilt', () => {
  const here = rebuilding()
  const { run, build, live } = here
  const tables = async (name: string): Promise<string[]> => {
    const { rows } = await here.database.pool.query(
      `select relname from pg_class where relkind = 'r' and relname ~ $1 order by relname`,
      [`^${name}_[0-9]+$`],
    )
    return rows.map(({ relname }) => relname)
  }
  const noting = () => {
    const warnings: string[] = []
    return { warnings, info: () => undefined, warn: (text: string) => warnings.push(text) }
  }
  const inTransaction = async <T>(work: (client: import('pg').PoolClient) => Promise<T>): Promise<T> => {
    const client = await here.database.pool.connect()
    try {
      return await transaction(client, () => work(client))
    } finally {
      client.release()
    }
  }

  it('equal the live rows, take their place, and are fed on with them', async () => {
    run()
    here.memory.write(...here.history.steps(1_500))
    await caughtUp(here.database, here.memory.store)
    const rebuilt = await build()
    for (const each of rebuilt) {
      expect(each).to.deep.include({ live: true, resumed: false, generation: 2, wrong: 0 })
      expect(each.comparison).to.deep.include({ differing: 0, differences: [] })
    }
    expect((await live('carts')).live).to.deep.equal({ generation: 2, version: 1 })
    here.memory.write(...here.history.steps(200))
    await caughtUp(here.database, here.memory.store)
    await expectRows(here.database, here.history.expected())
    for (const projection of projections) {
      expect(await rowsOf(here.database, projection, 1)).to.deep.equal(await rowsOf(here.database, projection, 2))
    }
  })

  it('show a row that was wrong, column by column, and mend it', async () => {
    run()
    here.memory.write(...here.history.steps(300))
    await caughtUp(here.database, here.memory.store)
    const { rows } = await here.database.pool.query(
      `update tillroll.products_1 set stock = stock + 1 where stream_id = (select min(stream_id) from tillroll.products_1) returning stream_id`,
    )
    await here.database.pool.query(
      `delete from tillroll.products_1 where stream_id = (select max(stream_id) from tillroll.products_1)`,
    )
    const [{ comparison, right, wrong, live }] = (await build([named('products')])) as [
      Awaited<ReturnType<typeof build>>[0] & object,
    ]
    expect(comparison).to.deep.include({ differing: 2 })
    expect(comparison!.differences[0]).to.deep.include({ streamId: rows[0].stream_id, columns: ['stock'] })
    expect(comparison!.differences[1]).to.deep.include({ live: undefined })
    expect([right, wrong, live]).to.deep.equal([2, 0, true])
    await expectRows(here.database, here.history.expected())
  })

  it('are only compared, if asked', async () => {
    run()
    here.memory.write(...here.history.steps(100))
    await caughtUp(here.database, here.memory.store)
    const rebuilt = await build(projections, { verifyOnly: true })
    expect(rebuilt.map(({ live, comparison }) => [live, comparison?.differing])).to.deep.equal(Array(4).fill([false, 0]))
    expect(await live('users')).to.deep.equal({ live: { generation: 1, version: users.version }, beside: [] })
    const { rows } = await here.database.pool.query(`select to_regclass('tillroll.users_2') as gone`)
    expect(rows[0].gone).to.equal(null)
  })

  it('are shown to people by a view of their name, also while somebody depends on it', async () => {
    run()
    here.memory.write(...here.history.steps(50))
    await caughtUp(here.database, here.memory.store)
    const shown = async () => {
      const { rows } = await here.database.pool.query(`select pg_get_viewdef('tillroll.users'::regclass) as definition`)
      return /users_\d/.exec(rows[0].definition)![0]
    }
    expect(await shown()).to.equal('users_1')
    await build([named('users')])
    expect(await shown()).to.equal('users_2')
    await here.database.pool.query('create view names as select name from tillroll.users')
    expect(await build([named('users')])).to.have.nested.property('[0].live', true)
    expect(await shown()).to.equal('users_3')
    // What hangs on an old table keeps it, and nothing else.
    await here.database.pool.query('create view older as select name from tillroll.users_3')
    const log = noting()
    for (const generation of [4, 5, 6]) {
      expect(await build([named('users')], { log }))
        .to.have.nested.property('[0]')
        .that.includes({ live: true, generation })
    }
    expect(log.warnings.join()).to.include('tillroll.users_3 is in use or depended on')
    expect(await tables('users')).to.deep.equal(['users_3', 'users_5', 'users_6'])
    await here.database.pool.query('drop view older')
    await build([named('users')])
    expect(await tables('users')).to.deep.equal(['users_6', 'users_7'])
  })

  it('go on, and the live ones with them, while somebody reads an old table for long', async () => {
    run()
    here.memory.write(...here.history.steps(50))
    await caughtUp(here.database, here.memory.store)
    await build([named('users')])
    const reader = await here.database.pool.connect()
    await reader.query('begin; select from tillroll.users_1; select from tillroll.users')
    const log = noting()
    let slowest = 0
    const [rebuilt] = await Promise.all([
      build([named('users')], { log }),
      (async () => {
        for (let i = 0; i < 30; i++) {
          const began = performance.now()
          here.memory.write(...here.history.steps(2))
          await caughtUp(here.database, here.memory.store)
          slowest = Math.max(slowest, performance.now() - began)
          await sleep(50)
        }
      })(),
    ])
    expect(rebuilt).to.have.nested.property('[0].live', true)
    expect(slowest).to.be.lessThan(1_000)
    expect(log.warnings.join()).to.include('tillroll.users_1 is in use').and.to.include('the view tillroll.users')
    await reader.query('rollback')
    reader.release()
    await build([named('users')])
    expect(await tables('users')).to.deep.equal(['users_3', 'users_4'])
    await expectRows(here.database, here.history.expected())
  }).timeout(30_000)

  it('that were joined and never compared are nothing to go back to, and are gone on with', async () => {
    run()
    here.memory.write(...here.history.steps(300))
    await caughtUp(here.database, here.memory.store)
    const cut = new AbortController()
    const onProgress = ({ phase }: { phase: string }) => phase === 'comparing' && cut.abort()
    expect(await build([named('orders')], { signal: cut.signal, onProgress }).catch((error: Error) => error)).to.be.instanceOf(
      Error,
    )
    expect((await live('orders')).beside).to.deep.equal([{ generation: 2, version: 2, unproven: true }])
    expect(await inTransaction((client) => rollback(client, named('orders'))).catch((error: Error) => error)).to.be.instanceOf(
      NoRollback,
    )
    here.memory.write(...here.history.steps(50))
    const phases = new Set<string>()
    const [again] = await build([named('orders')], { onProgress: ({ phase }: { phase: string }) => phases.add(phase) })
    expect(again).to.deep.include({ generation: 2, resumed: true, live: true })
    expect([...phases]).to.deep.equal(['comparing'])
    expect(await live('orders')).to.deep.equal({
      live: { generation: 2, version: 2 },
      beside: [{ generation: 1, version: 2 }],
    })
    await caughtUp(here.database, here.memory.store)
    await expectRows(here.database, here.history.expected())
  })

  it('hold what the live ones hold of events that nobody expected', async () => {
    run()
    const at = '2026-01-01T00:00:00Z'
    const tea = { name: 'Tea', stock: 1, at }
    const product = (id: string, data: object) => ({
      streamId: `product-${id}`,
      type: 'ProductAdded',
      data: { ...tea, ...data },
    })
    let nested: unknown = []
    for (let i = 0; i < 50_000; i++) nested = [nested]
    here.memory.write(
      product('object', { name: { en: 'Tea', de: ['Tee'] } }),
      product('list', { name: ['Tea', 'Milk'] }),
      product('number', { name: 1e21 }),
      product('bool', { name: true }),
      product('infinite', { price: Number.POSITIVE_INFINITY }),
      product('fraction', { price: 1.5 }),
      product(`${Array.from({ length: 4_000 }, (_, i) => (i * 7_919 + (i >> 3) ** 3).toString(36)).join('')}`, {}),
      product('nul \0', {}),
      { streamId: 'product', type: 'ProductAdded', data: tea },
      { streamId: 'order-deep', type: 'OrderRequested', data: { customerId: 'x', items: nested, price: 1, status: 'new', at } },
      { streamId: 'cart-x', type: 'CartItemAdded', data: { productId: 'tea', amount: '1', at } },
      { streamId: 'cart-x', type: 'CartItemAdded', data: { productId: 'tea', amount: 2, at } },
      { streamId: 'cart-x', type: 'nul \0', data: null as never },
      product('last', {}),
    )
    await caughtUp(here.database, here.memory.store)
    const rebuilt = await build()
    expect(rebuilt.map(({ live, comparison }) => [live, comparison?.differences])).to.deep.equal(Array(4).fill([true, []]))
    expect([...(await rowsOf(here.database, named('products'), 1)).keys()]).to.have.members(
      ['object', 'list', 'number', 'bool', 'infinite', 'last'].map((id) => `product-${id}`).concat('product'),
    )
    const { rows } = await here.database.pool.query(
      `select left(stream_id, 12) as stream, count(*)::int as generations from tillroll.quarantine group by 1 order by 1`,
    )
    expect(rows.map(({ generations }) => generations)).to.deep.equal([2, 2, 2, 2, 2])
    expect(rows.map(({ stream }) => stream)).to.include.members(['cart-x', 'order-deep', 'product-frac', 'product-nul '])
  })

  it('go back to the generation before, at once', async () => {
    run()
    here.memory.write(...here.history.steps(200))
    await caughtUp(here.database, here.memory.store)
    await build([named('orders')])
    here.memory.write(...here.history.steps(100))
    expect(await inTransaction((client) => rollback(client, named('orders')))).to.deep.equal({
      from: { generation: 2, version: 2 },
      to: { generation: 1, version: 2 },
    })
    here.memory.write(...here.history.steps(100))
    await caughtUp(here.database, here.memory.store)
    await expectRows(here.database, here.history.expected())
  })

  it('go on where a rebuild was cut off', async () => {
    run()
    here.memory.write(...here.history.steps(5_000))
    await caughtUp(here.database, here.memory.store)
    const cut = new AbortController()
    const failure = await build(projections, {
      signal: cut.signal,
      onProgress: ({ events }: { events: number }) => events >= 2_000 && cut.abort(),
    }).catch((error: Error) => error)
    expect(failure).to.be.instanceOf(Error)
    const { rows } = await here.database.pool.query('select commit_position from tillroll.generation_part')
    here.memory.write(...here.history.steps(200))
    const seen: number[] = []
    const rebuilt = await build(projections, { onProgress: ({ events }: { events: number }) => seen.push(events) })
    expect(rebuilt.every(({ resumed, live }) => resumed && live)).to.equal(true)
    expect(rows).to.have.length(4)
    await caughtUp(here.database, here.memory.store)
    await expectRows(here.database, here.history.expected())
  })

  it('are alike however they were built: live, in bulk, in parts, with little memory, cut off and resumed', () =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 2 ** 31 }),
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.integer({ min: 100, max: 1_500 }), { maxLength: 3 }),
        async (seed, parallel, cuts) => {
          await Promise.all(here.running.splice(0).map(({ stop }) => stop()))
          await here.database.drop()
          here.database = await openDatabase()
          here.memory = createMemoryStore()
          here.history = createHistory(seed)
          run()
          here.memory.write(...here.history.steps(1_200))
          await caughtUp(here.database, here.memory.store)
          for (const at of cuts) {
            const cut = new AbortController()
            let seen = 0
            const onProgress = ({ phase, events }: { phase: string; events: number }) => {
              seen = phase === 'reading' ? events : seen
              if (seen >= at) setTimeout(() => cut.abort(), 20)
            }
            await Promise.allSettled([build(projections, { parallel, memory: 20_000, signal: cut.signal, onProgress })])
            here.memory.write(...here.history.steps(100))
          }
          const rebuilt = await build(projections, { parallel, memory: 20_000 })
          expect(rebuilt.map(({ live, comparison }) => [live, comparison?.differing])).to.deep.equal(Array(4).fill([true, 0]))
          await caughtUp(here.database, here.memory.store)
          await expectRows(here.database, here.history.expected())
        },
      ),
      { numRuns: 4 },
    )).timeout(60_000)

  it('park what the live ones parked', async () => {
    run()
    const at = '2026-01-01T00:00:00Z'
    here.memory.write(
      ...here.history.steps(100),
      { streamId: 'product-x', type: 'ProductAdded', data: { name: 'x', stock: 1, at } },
      { streamId: 'product-x', type: 'StockCounted', data: { stock: 10 ** 12, at } },
      { streamId: 'product-y', type: 'ProductAdded', data: { name: 'half \ud800', stock: 1, at } },
      { streamId: 'product-z', type: 'ProductRetired', data: { at } },
      { streamId: 'product-zz', type: 'ProductAdded', data: { name: 'nul \0', stock: 1, at } },
      { streamId: 'cart-x', type: 'CartItemAdded', data: { productId: '\ud800', amount: 1, at } },
    )
    await caughtUp(here.database, here.memory.store)
    const [carts, products] = await build([named('carts'), named('products')])
    expect([carts!.comparison?.differing, carts!.wrong]).to.deep.equal([0, 0])
    expect(products!.comparison?.differences.every(({ streamId }) => streamId === 'product-x') ?? false).to.equal(true)
    const { rows } = await here.database.pool.query(
      'select stream_id, generation from tillroll.quarantine order by stream_id, generation',
    )
    expect(rows).to.deep.equal(
      ['cart-x', 'product-x', 'product-y', 'product-z', 'product-zz'].flatMap((stream_id) => [
        { stream_id, generation: 1 },
        { stream_id, generation: 2 },
      ]),
    )
  })

  it('serve every read meanwhile, while ten rebuilds follow each other under load', async () => {
    run()
    here.memory.write(...here.history.steps(500))
    await caughtUp(here.database, here.memory.store)
    const queries = createQueries(here.database)
    const { value } = await queries.products()
    let reading = true
    let reads = 0
    const reader = async () => {
      while (reading) {
        const [list, one] = await Promise.all([queries.products(), queries.product(value[0]!.productId)])
        if (list.value.length === 0 || !one.value) throw new Error('a read saw a table that was not complete')
        reads++
      }
    }
    const writer = async () => {
      while (reading) {
        here.memory.write(...here.history.steps(5))
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    }
    const load = Promise.all([reader(), reader(), writer()])
    for (let i = 0; i < 10; i++) {
      const rebuilt = await build([named('products'), named('carts')])
      expect(rebuilt.every(({ comparison, live }) => live && comparison?.differing === 0)).to.equal(true)
    }
    reading = false
    await load
    expect(reads).to.be.greaterThan(20)
    await caughtUp(here.database, here.memory.store)
    await expectRows(here.database, here.history.expected())
  }).timeout(60_000)

  it('are verified row by row against their streams', async () => {
    run()
    here.memory.write(...here.history.steps(500))
    await caughtUp(here.database, here.memory.store)
    for (const projection of projections) {
      const verified = await verify(here.database.pool, here.memory.store, projection)
      expect(verified.differences).to.deep.equal([])
      expect(verified.rows).to.equal(here.history.expected()[projection.name]!.size)
    }
    await here.database.pool.query(
      `update tillroll.users_1 set epoch = 77 where stream_id = (select min(stream_id) from tillroll.users_1)`,
    )
    const { differences, differing } = await verify(here.database.pool, here.memory.store, named('users'))
    expect(differing).to.equal(1)
    expect(differences.map(({ columns }) => columns)).to.deep.equal([['epoch']])
    expect((await verify(here.database.pool, here.memory.store, named('users'), { sample: 1 })).rows).to.equal(1)
    await here.database.pool.query('update tillroll.carts_1 set revision = 0')
    const carts = await verify(here.database.pool, here.memory.store, named('carts'), { show: 2, sample: 1_000_000 })
    expect(carts.differing).to.be.greaterThan(2)
    expect(carts.differences).to.have.length(2)
  })

  it('are built in bulk where the history is long and the tables are new', async () => {
    here.memory.write(...here.history.steps(2_500))
    run()
    await until(
      async () =>
        Object.values((await readCheckpoint(here.database.pool))?.generations ?? {}).filter(({ live }) => live).length === 4,
    )
    here.memory.write(...here.history.steps(50))
    await caughtUp(here.database, here.memory.store)
    await expectRows(here.database, here.history.expected())
  })

  it('are split by stream, every stream in one part', () => {
    const streams = Array.from({ length: 3_000 }, (_, i) => `order-${i.toString(16).padStart(24, '0')}`)
    const counts = [0, 0, 0]
    for (const streamId of streams) counts[partOf(streamId, 3)]! += 1
    expect(Math.min(...counts)).to.be.greaterThan(800)
  })
})
