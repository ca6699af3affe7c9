import { expect } from 'chai'
import { createGenerations } from '../../src/bridge/engine/generations.js'
import { createBridgeService, postgresSinks, type Sinks } from '../../src/bridge/service.js'
import { connectStore } from '../../src/eventstore/client.js'
import { createFeed, type Feed } from '../../src/eventstore/feed.js'
import type { Store } from '../../src/eventstore/store.js'
import { connectDatabase, type Database } from '../../src/platform/database.js'
import { startEventStore, type TestEventStore } from '../support/eventstore.js'
import { createDatabase, type TestDatabase } from '../support/postgres.js'
import { until } from '../support/until.js'
import { live, newOrderId } from './support/orders.js'
import { silent } from './support/running.js'

describe('the bridges of a process', () => {
  let node: TestEventStore
  let store: Store
  let feed: Feed
  let test: TestDatabase
  let database: Database

  before(async () => {
    node = await startEventStore()
    test = await createDatabase()
    store = connectStore(node.url)
    database = connectDatabase(test.url)
    feed = createFeed({ store, log: silent })
    await live(store, newOrderId())
  })
  after(async () => {
    await feed.close()
    await store.close()
    await database.close()
    await test.drop()
    await node.stop()
  })

  const goOn = async (published: number) => {
    const generations = createGenerations(database, 'postgres')
    let trouble: string | undefined = 'the brokers are away'
    const inner = postgresSinks(database, 4)
    const sinks: Sinks = {
      ...inner,
      prepare: async (topic) => {
        if (trouble && topic === 'orders') throw new Error(trouble)
        return topic === 'orders.v2' ? 9 : inner.prepare(topic)
      },
    }
    const warned: string[] = []
    const log = { ...silent, warn: (said: { err?: Error }) => void warned.push(`${said.err?.message}`) }
    const ending = new AbortController()
    const options = { database, feed, store, storeId: 's', sinks, holder: 'test', leaseTtl: 500, lookEvery: 20, log }
    const service = createBridgeService(options as unknown as Parameters<typeof createBridgeService>[0])
    const ran = service.run(ending.signal)
    const of = (topic: string) => service.status().find((one) => one.topic === topic)

    await until(() => of('orders.v3')?.state === 'running' && (of('orders')?.errors ?? 0) > 3)
    expect(of('orders')).to.include({ state: 'failing', sink: 'postgres', records: 0 })
    expect(of('orders')?.lastError?.message).to.equal('the brokers are away')
    expect(of('orders.v2')).to.include({ state: 'stopped' })
    expect(of('orders.v2')?.lastError?.message).to.match(/has 9 partitions and began with 4/)
    expect((await generations.find('orders.v2'))?.report).to.deep.include({ state: 'stopped', holder: 'test' })
    expect(service.healthy()).to.equal(false)
    expect(warned.filter((said) => said === trouble)).to.have.length(1)

    trouble = undefined
    await until(() => of('orders')?.state === 'running' && of('orders')?.records === published)
    expect(service.status().filter(({ topic }) => topic === 'orders')).to.have.length(1)
    ending.abort()
    await ran
  }

  it('show what keeps a topic from being begun, go on with the others, and begin it when they can', async () => {
    const generations = createGenerations(database, 'postgres')
    await generations.begin('orders.v2', 4)
    await generations.begin('orders.v3', 4)
    await goOn(5)
  })

  it('show what keeps a topic from being gone on with', async () => {
    await live(store, newOrderId())
    await goOn(5)
  })
})
