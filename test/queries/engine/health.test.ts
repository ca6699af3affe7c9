import { expect } from 'chai'
import { Registry } from 'prom-client'
import type { Position } from '../../../src/eventstore/store.js'
import { projections } from '../../../src/projections/all.js'
import { createBatchMetrics, registerStatusMetrics } from '../../../src/projections/operations/metrics.js'
import { createProjectionHealth } from '../../../src/queries/engine/health.js'
import { caughtUp, openDatabase, start } from '../../projections/support/engine.js'
import { createMemoryStore } from '../../projections/support/memory.js'

describe('the health of the projections', () => {
  let database: Awaited<ReturnType<typeof openDatabase>>
  before(async () => {
    database = await openDatabase()
  })
  after(() => database.drop())

  it('is not ready before the tables are there', async () => {
    const watch = createProjectionHealth({
      database,
      feed: { head: () => undefined },
      freshness: { position: () => -1n },
      projections,
    })
    expect(await watch.health()).to.deep.include({ ready: false, building: ['users', 'products', 'carts', 'orders'] })
    watch.close()
  })

  it('shows where they stand, and what is parked', async () => {
    const memory = createMemoryStore()
    const registry = new Registry()
    registerStatusMetrics(registry, { client: database.pool, store: memory.store, projections })
    expect(await registry.metrics()).to.include('tillroll_projections_up 0')
    const running = start(database, memory.store, { onBatch: createBatchMetrics(registry) })
    const at = '2026-01-01T00:00:00Z'
    const { position } = memory.write(
      { streamId: 'product-a', type: 'ProductAdded', data: { name: 'a', stock: 1, at } },
      { streamId: 'product-b', type: 'ProductRetired', data: { at } },
    )
    await caughtUp(database, memory.store)
    const watch = createProjectionHealth({
      database,
      feed: { head: () => ({ commit: position, prepare: position }) },
      freshness: { position: () => position },
      projections,
    })
    expect(await watch.health()).to.deep.equal({ ready: true, caughtUp: true, waiting: 0, building: [], parked: 1 })
    watch.close()
    const text = await registry.metrics()
    for (const line of [
      'tillroll_projections_up 1',
      `tillroll_projection_position ${position}`,
      'tillroll_projection_events_behind 0',
      'tillroll_projection_holder{holder="test"} 1',
      'tillroll_projection_live{projection="products"} 1',
      'tillroll_projection_generation{projection="products"} 1',
      'tillroll_projection_parked_streams{projection="products"} 1',
      'tillroll_projection_events_total 2',
    ]) {
      expect(text).to.include(line)
    }
    await running.stop()
  })

  it('turns bad while events wait without progress, and good again', async () => {
    let head = 10n
    let reached = 10n
    let now = 0
    const watch = createProjectionHealth({
      database,
      feed: { head: (): Position => ({ commit: head, prepare: head }) },
      freshness: { position: () => reached },
      projections,
      stalledAfter: 60,
      clock: () => now,
    })
    expect((await watch.health()).ready).to.equal(true)
    head = 30n
    expect((await watch.health()).ready).to.equal(true)
    now = 59
    reached = 20n
    expect((await watch.health()).ready).to.equal(true)
    now = 59 + 59
    expect(await watch.health()).to.include({ ready: true, waiting: 59 })
    now = 59 + 60
    expect((await watch.health()).ready).to.equal(false)
    reached = 30n
    expect(await watch.health()).to.deep.include({ ready: true, waiting: 0 })
    watch.close()
  })

  it('is not ready before all is shown that the store held at the start, and stays so while more comes', async () => {
    let head: bigint | undefined
    let reached = -1n
    const watch = createProjectionHealth({
      database,
      feed: { head: () => (head === undefined ? undefined : { commit: head, prepare: head }) },
      freshness: { position: () => reached },
      projections,
      clock: () => 0,
    })
    const ready = async () => (await watch.health()).ready
    expect(await ready()).to.equal(false)
    head = 10n
    expect(await ready()).to.equal(false)
    head = 30n
    reached = 9n
    expect(await ready()).to.equal(false)
    reached = 10n
    expect(await ready()).to.equal(true)
    head = 40n
    expect(await ready()).to.equal(true)
    watch.close()
  })
})
