import { expect } from 'chai'
import { Registry } from 'prom-client'
import type { Position } from '../../../src/eventstore/store.js'
import { sleep } from '../../../src/platform/async.js'
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
      feed: { head: () => undefined },
      freshness: { position: () => -1n },
      projections,
    })
    expect(await watch.health()).to.deep.equal({ ready: true, waiting: 0, building: [], parked: 1 })
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
    const watch = createProjectionHealth({
      database,
      feed: { head: (): Position => ({ commit: head, prepare: head }) },
      freshness: { position: () => reached },
      projections,
      stalledAfter: 60,
      lookEvery: 5,
    })
    expect((await watch.health()).ready).to.equal(true)
    head = 30n
    await sleep(40)
    reached = 20n
    await sleep(40)
    expect((await watch.health()).ready).to.equal(true)
    await sleep(60)
    expect((await watch.health()).ready).to.equal(false)
    reached = 30n
    expect(await watch.health()).to.deep.include({ ready: true, waiting: 0 })
    watch.close()
  })
})
