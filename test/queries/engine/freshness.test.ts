import { expect } from 'chai'
import { createFreshness, type Freshness } from '../../../src/queries/engine/freshness.js'
import { openDatabase, quiet, type Running, start } from '../../projections/support/engine.js'
import { createHistory } from '../../projections/support/history.js'
import { createMemoryStore } from '../../projections/support/memory.js'
import { until } from '../../support/until.js'

describe('freshness', () => {
  let database: Awaited<ReturnType<typeof openDatabase>>
  let running: Running
  let freshness: Freshness
  const memory = createMemoryStore()
  const history = createHistory(1)
  const write = () => memory.write(...history.steps(3)).position

  before(async () => {
    database = await openDatabase()
    freshness = createFreshness({ database, log: quiet })
    running = start(database, memory.store)
  })
  after(async () => {
    await freshness.close()
    await running.stop()
    await database.drop()
  })

  it('waits for a position that comes, in another process too', async () => {
    const position = write()
    expect(await freshness.waitFor(position, 5_000)).to.equal(true)
    expect(freshness.position()).to.equal(position)
    expect(await freshness.waitFor(position - 1n, 0)).to.equal(true)
  })

  it('gives up on one that does not', async () => expect(await freshness.waitFor(freshness.position() + 1n, 30)).to.equal(false))

  it('lets many wait for different positions', async () => {
    const waits = [write(), write(), write()].map((position) => freshness.waitFor(position, 5_000))
    expect(await Promise.all(waits)).to.deep.equal([true, true, true])
  })

  it('looks by itself where its connection was lost', async () => {
    await database.pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'tillroll freshness'`,
    )
    expect(await freshness.waitFor(write(), 5_000)).to.equal(true)
  })

  it('listens again', async () => {
    const listening = `select 1 from pg_stat_activity where application_name = 'tillroll freshness' and datname = current_database()`
    await until(async () => (await database.pool.query(listening)).rowCount === 1)
    const position = write()
    await until(() => freshness.position() >= position)
  })

  it('is told by a runner of its own process', () => {
    freshness.note(10n ** 12n)
    expect(freshness.position()).to.equal(10n ** 12n)
    freshness.note(5n)
    expect(freshness.position()).to.equal(10n ** 12n)
  })
})
