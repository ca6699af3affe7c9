import { expect } from 'chai'
import { changeCheckpoint, readCheckpoint, WrongStore } from '../../src/projections/engine/checkpoint.js'
import { listParked } from '../../src/projections/engine/quarantine.js'
import { until } from '../support/until.js'
import { caughtUp, expectRows, openDatabase, type Running, start } from './support/engine.js'
import { createHistory } from './support/history.js'
import { createMemoryStore } from './support/memory.js'

describe('projections, run', () => {
  let database: Awaited<ReturnType<typeof openDatabase>>
  let running: Running[]
  beforeEach(async () => {
    database = await openDatabase()
    running = []
  })
  afterEach(async () => {
    await Promise.all(running.map(({ stop }) => stop()))
    await database.drop()
  })
  const run = (...args: Parameters<typeof start> extends [unknown, ...infer Rest] ? Rest : never): Running => {
    const runner = start(database, ...args)
    running.push(runner)
    return runner
  }

  it('fold what was there and what comes', async () => {
    const memory = createMemoryStore()
    const history = createHistory(1)
    memory.write(...history.steps(400))
    run(memory.store)
    await caughtUp(database, memory.store)
    await expectRows(database, history.expected())
    for (let i = 0; i < 50; i++) memory.write(...history.steps(3))
    await caughtUp(database, memory.store)
    await expectRows(database, history.expected())
  })

  it('move their checkpoint with events that no projection wants', async () => {
    const memory = createMemoryStore()
    run(memory.store)
    const { position, id } = memory.write({ streamId: 'login-x', type: 'EmailClaimed', data: {} })
    await caughtUp(database, memory.store)
    expect((await readCheckpoint(database.pool))?.at).to.deep.equal({ commit: position, prepare: position, eventId: id })
  })

  it('go on where they stood', async () => {
    const memory = createMemoryStore()
    const history = createHistory(2)
    memory.write(...history.steps(200))
    const first = run(memory.store)
    await caughtUp(database, memory.store)
    await first.stop()
    memory.write(...history.steps(200))
    run(memory.store)
    await caughtUp(database, memory.store)
    await expectRows(database, history.expected())
  })

  it('fold on the rows that they wrote, and read them again when another counts a change', async () => {
    const memory = createMemoryStore()
    run(memory.store)
    const add = async (productId: string): Promise<string[]> => {
      const data = { cartId: 'c', productId, amount: 1, at: '2026-01-01T00:00:00.000Z' }
      memory.write({ streamId: 'cart-c', type: 'CartItemAdded', data })
      await caughtUp(database, memory.store)
      const { rows } = await database.pool.query(`select lines from tillroll.carts_1 where stream_id = 'cart-c'`)
      return rows[0].lines.map((line: { productId: string }) => line.productId)
    }
    const empty = () => database.pool.query(`update tillroll.carts_1 set lines = '[]'`)
    expect(await add('a')).to.deep.equal(['a'])
    await empty()
    expect(await add('b')).to.deep.equal(['a', 'b'])
    await empty()
    await changeCheckpoint(database.pool)
    expect(await add('c')).to.deep.equal(['c'])
  })

  it('tell where they are', async () => {
    const memory = createMemoryStore()
    const told: bigint[] = []
    run(memory.store, { onPosition: (position) => told.push(position) })
    const { position } = memory.write(...createHistory(3).steps(10))
    await until(() => told.at(-1) === position)
  })

  it('lose and repeat nothing when their connections are killed, again and again', async () => {
    const memory = createMemoryStore()
    const history = createHistory(4)
    memory.write(...history.steps(20))
    const runner = run(memory.store)
    const breaks = () => runner.logged.filter((line) => line.includes('projecting broke off')).length
    await caughtUp(database, memory.store)
    for (let i = 0; i < 10; i++) {
      memory.write(...history.steps(20))
      const before = breaks()
      const { rows } = await database.pool.query<{ killed: boolean }>(
        `select pg_terminate_backend(pid) as killed from pg_stat_activity
         where datname = current_database() and application_name = 'tillroll' and pid <> pg_backend_pid()`,
      )
      expect(rows.filter(({ killed }) => killed)).to.have.length.of.at.least(1)
      memory.write(...history.steps(20))
      // The runner's own connection was one of them, and it has noticed.
      await until(() => breaks() > before)
      await caughtUp(database, memory.store)
    }
    await expectRows(database, history.expected())
  })

  it('lose and repeat nothing when the event store goes away', async () => {
    const memory = createMemoryStore()
    const history = createHistory(5)
    memory.write(...history.steps(20))
    const runner = run(memory.store)
    await caughtUp(database, memory.store)
    const breaks = () => runner.logged.filter((line) => line.includes('the subscription broke')).length
    for (let i = 0; i < 3; i++) {
      memory.write(...history.steps(30))
      const before = breaks()
      memory.cutOff()
      await until(() => breaks() > before)
      memory.write(...history.steps(30))
      memory.restore()
      await caughtUp(database, memory.store)
    }
    await expectRows(database, history.expected())
  })

  it('are run by one of two, and by the other when that one stops', async () => {
    const memory = createMemoryStore()
    const history = createHistory(6)
    const first = run(memory.store, { holder: 'first' })
    const second = run(memory.store, { holder: 'second' })
    memory.write(...history.steps(100))
    await caughtUp(database, memory.store)
    const holder = async () =>
      (await database.pool.query(`select holder from tillroll.lease where name = 'projections'`)).rows[0].holder
    const [one, other] = (await holder()) === 'first' ? [first, second] : [second, first]
    await one.stop()
    memory.write(...history.steps(100))
    await caughtUp(database, memory.store)
    expect(await holder()).to.equal(other === first ? 'first' : 'second')
    await expectRows(database, history.expected())
  })

  it('stop a holder whose place another has taken', async () => {
    const memory = createMemoryStore()
    const history = createHistory(7)
    const runner = run(memory.store)
    memory.write(...history.steps(10))
    await caughtUp(database, memory.store)
    await database.pool.query(`update tillroll.checkpoint set epoch = epoch + 1`)
    memory.write(...history.steps(10))
    // Its next epoch is a new one of the lease's: only with that it writes again.
    await caughtUp(database, memory.store)
    const { rows } = await database.pool.query(`select epoch from tillroll.lease where name = 'projections'`)
    expect(rows[0].epoch).to.be.greaterThan(1)
    expect(runner.logged.filter((line) => line.includes('projecting')).length).to.be.greaterThan(1)
    await expectRows(database, history.expected())
  })

  describe('refuse', () => {
    const refusal = async (runner: Running): Promise<unknown> => {
      running.splice(running.indexOf(runner), 1)
      return runner.done.then(
        () => undefined,
        (error: unknown) => error,
      )
    }
    it('a checkpoint of another store', async () => {
      const memory = createMemoryStore()
      memory.write(...createHistory(8).steps(10))
      const first = run(memory.store)
      await caughtUp(database, memory.store)
      await first.stop()
      expect(await refusal(run(memory.store, { storeId: 'store-2' })))
        .to.be.instanceOf(WrongStore)
        .with.property('message')
        .that.matches(/store-1.*store-2.*--start-over/)
    })
    it('a checkpoint beyond the end of a store that was put back', async () => {
      const memory = createMemoryStore()
      memory.write(...createHistory(9).steps(20))
      const first = run(memory.store)
      await caughtUp(database, memory.store)
      await first.stop()
      memory.truncate(10)
      expect(await refusal(run(memory.store))).to.be.instanceOf(WrongStore)
      memory.write(...createHistory(10).steps(20))
      expect(await refusal(run(memory.store)))
        .to.be.instanceOf(WrongStore)
        .with.property('message')
        .that.includes('has another')
    })
  })

  describe('park', () => {
    const tea = { productId: 'tea', at: '2026-01-01T00:00:00Z' }
    const added = (id: string, data = {}) => ({
      streamId: `product-${id}`,
      type: 'ProductAdded',
      data: { name: id, stock: 1, ...tea, ...data },
    })
    const names = async () => (await database.pool.query('select stream_id, name from tillroll.products_1 order by 1')).rows

    it('a stream whose event the fold refuses, and go on with the others', async () => {
      const memory = createMemoryStore()
      run(memory.store)
      memory.write(added('a'), { streamId: 'product-bad', type: 'ProductRetired', data: tea }, added('bad'), added('c'))
      await caughtUp(database, memory.store)
      expect(await names()).to.deep.equal([
        { stream_id: 'product-a', name: 'a' },
        { stream_id: 'product-c', name: 'c' },
      ])
      const [parked, ...more] = await listParked(database.pool)
      expect(more).to.deep.equal([])
      expect(parked).to.deep.include({
        projection: 'products',
        streamId: 'product-bad',
        error: 'ProductRetired before ProductAdded',
        eventType: 'ProductRetired',
        revision: 0,
        attempts: 1,
      })
    })

    it('streams whose rows the database refuses, in the middle of a large batch', async () => {
      const memory = createMemoryStore()
      const good = Array.from({ length: 100 }, (_, i) => added(`${i}`))
      memory.write(
        ...good.slice(0, 50),
        added('nul', { name: 'a\0b' }),
        added('half', { name: '\ud800' }),
        added('late'),
        { streamId: 'product-late', type: 'ProductRenamed', data: { ...tea, name: 'later' } },
        { streamId: 'product-late', type: 'StockCounted', data: { ...tea, stock: 10 ** 12 } },
        { streamId: 'product-late', type: 'ProductRenamed', data: { ...tea, name: 'never' } },
        ...good.slice(50),
      )
      run(memory.store)
      await caughtUp(database, memory.store)
      expect(await names()).to.have.length(101)
      const parked = await listParked(database.pool)
      expect(parked.map(({ streamId, revision }) => [streamId, revision])).to.have.deep.members([
        ['product-nul', 0],
        ['product-half', 0],
        ['product-late', 2],
      ])
      expect(parked.find(({ streamId }) => streamId === 'product-late')?.error).to.match(/out of range.*22003/)
      expect((await names()).find(({ stream_id }) => stream_id === 'product-late')).to.include({ name: 'later' })
      memory.write({ streamId: 'product-late', type: 'ProductRenamed', data: { ...tea, name: 'never' } }, added('after'))
      await caughtUp(database, memory.store)
      expect((await names()).find(({ stream_id }) => stream_id === 'product-late')).to.include({ name: 'later' })
      expect(await names()).to.have.length(102)
    })
  })
})
