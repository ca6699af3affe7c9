import { expect } from 'chai'
import { Registry } from 'prom-client'
import { createGenerations } from '../../src/bridge/engine/generations.js'
import { BridgeStopped } from '../../src/bridge/engine/sink.js'
import { bridgeMetrics } from '../../src/bridge/metrics.js'
import { nextName, type ReplayOptions, replay } from '../../src/bridge/replay.js'
import { createBridgeService } from '../../src/bridge/service.js'
import { connectStore } from '../../src/eventstore/client.js'
import { createFeed, type Feed } from '../../src/eventstore/feed.js'
import { positionOf, type Store } from '../../src/eventstore/store.js'
import { connectDatabase, type Database } from '../../src/platform/database.js'
import { startEventStore, type TestEventStore } from '../support/eventstore.js'
import { createDatabase, type TestDatabase } from '../support/postgres.js'
import { until } from '../support/until.js'
import { kafkaTopics } from './support/kafka.js'
import { expectedOf, lifeOf, live, newOrderId, somethingElse } from './support/orders.js'
import { silent } from './support/running.js'
import { differences, postgresTopics, type Topics } from './support/topics.js'

const suite = (name: string, topics: Topics) => {
  describe(`a replay, ${name}`, () => {
    let node: TestEventStore
    let store: Store
    let feed: Feed
    let test: TestDatabase
    let database: Database
    const made: string[] = []
    const stops: (() => Promise<void>)[] = []

    before(async () => {
      node = await startEventStore()
      test = await createDatabase()
      store = connectStore(node.url)
      database = connectDatabase(test.url)
      feed = createFeed({ store, log: silent })
      for (let i = 0; i < 4; i++) await live(store, newOrderId(), undefined, undefined, true)
      await somethingElse(store)
    })
    after(async () => {
      await feed.close()
      await store.close()
      await Promise.all([...new Set(made)].map(topics.remove))
      await database.close()
      await test.drop()
      await node.stop()
    })

    const replayed = (to: string, more: Partial<ReplayOptions> = {}) => {
      made.push(to)
      const sinks = topics.sinks(database, 4)
      const signal = new AbortController().signal
      return replay({ database, store, storeId: 's', sinks, to, holder: 'test', leaseTtl: 1_000, log: silent, signal, ...more })
    }
    const serving = () => {
      const ending = new AbortController()
      const sinks = topics.sinks(database, 4)
      const service = createBridgeService({
        ...{ database, feed, store, storeId: 's', sinks, holder: 'test', leaseTtl: 500, log: silent, lookEvery: 30 },
        firstTopic: first,
      })
      const ran = service.run(ending.signal)
      stops.push(async () => {
        ending.abort()
        await ran
      })
      return service
    }
    afterEach(async () => {
      for (const stop of stops.splice(0)) await stop()
    })
    const first = topics.newName()
    made.push(first)

    it('publishes the whole history, marked, and is complete', async () => {
      const to = topics.newName()
      const seen: bigint[] = []
      const result = await replayed(to, { onProgress: ({ position }) => seen.push(position) })
      const head = positionOf(await store.last())!.commit
      expect(result).to.deep.equal({ topic: to, records: 20, liveFrom: head, state: 'complete' })
      const records = await topics.readAll(database, to)
      expect(differences(await expectedOf(store), records)).to.deep.equal([])
      expect(records.every(({ headers }) => headers.ce_replayed === 'true')).to.equal(true)
      expect(seen.at(-1)! >= head).to.equal(true)
    })

    it('is brought up to date when it is asked for again, and written no more than once', async () => {
      const to = topics.newName()
      await replayed(to)
      await live(store, newOrderId(), undefined, undefined, true)
      expect(await replayed(to)).to.include({ records: 5, state: 'complete' })
      expect(differences(await expectedOf(store), await topics.readAll(database, to))).to.deep.equal([])
    })

    it('is up to date when it is asked for again and nothing happened', async () => {
      const to = topics.newName()
      for (let i = 0; i < 5; i++) expect(await replayed(to, { live: i === 4 })).to.include({ records: i === 0 ? 25 : 0 })
    })

    it('goes on where it was interrupted', async () => {
      const to = topics.newName()
      const interrupted = new AbortController()
      interrupted.abort()
      expect(await replayed(to, { signal: interrupted.signal })).to.include({ state: 'interrupted' })
      expect(await replayed(to)).to.include({ state: 'complete' })
      expect(differences(await expectedOf(store), await topics.readAll(database, to))).to.deep.equal([])
    })

    it('leaves out what was before a position, or a time', async () => {
      const later = newOrderId()
      await new Promise((resolve) => setTimeout(resolve, 5))
      const time = new Date().toISOString()
      await live(store, later, lifeOf(later, time), undefined, true)
      const [firstEvent] = await store.read(`order-${later}`)
      for (const from of [{ time }, { position: firstEvent!.position }]) {
        const to = topics.newName()
        await replayed(to, { from })
        const keys = new Set((await topics.readAll(database, to)).map(({ key }) => key))
        expect([...keys]).to.deep.equal([later])
        const error = await replayed(to).catch((reason: unknown) => reason)
        expect(error).to.be.instanceOf(BridgeStopped)
        expect(`${error}`).to.match(/was begun from/)
      }
    })

    it('goes on as live beside the first generation, until that is ended', async () => {
      const service = serving()
      await until(() => service.status().some(({ topic, state }) => topic === first && state === 'running'))
      const to = topics.newName()
      expect(await replayed(to, { live: true })).to.include({ state: 'live' })
      await until(() => service.status().some(({ topic, state }) => topic === to && state === 'running'))
      await live(store, newOrderId())
      const expected = await expectedOf(store)
      for (const topic of [first, to]) {
        await until(async () => differences(expected, await topics.readAll(database, topic)).length === 0)
      }
      const marked = (await topics.readAll(database, to)).filter(({ headers }) => headers.ce_replayed)
      expect(marked).to.have.length((await topics.readAll(database, to)).length - 5)

      const generations = createGenerations(database, topics.sinks(database, 4).kind)
      const report = async () => (await generations.find(to))!.report
      await until(async () => (await report())?.position === `${positionOf(await store.last())!.commit}`)
      expect(await report()).to.include({ state: 'running', holder: 'test', lastError: null })
      const registry = new Registry()
      bridgeMetrics(registry, service)
      expect(await registry.metrics()).to.include(
        `tillroll_bridge_state{topic="${to}",sink="${generations.sink}",state="running"} 1`,
      )
      expect(service.healthy()).to.equal(true)

      await generations.move(first, ['live'], 'ended')
      await until(() => service.status().every(({ topic }) => topic !== first))

      for (const topic of [first, to]) {
        const error = await replayed(topic).catch((reason: unknown) => reason)
        expect(`${error}`).to.match(new RegExp(`is filled already .*${nextName(topic).replaceAll('.', '\\.')}`))
      }
    })
  })
}

suite('into Postgres', postgresTopics)
if (process.env.KAFKA_BROKERS) suite('into Kafka', kafkaTopics({ KAFKA_BROKERS: process.env.KAFKA_BROKERS }))

describe('names of generations', () => {
  it('count up', () => {
    expect(nextName('orders')).to.equal('orders.v2')
    expect(nextName('orders.v2')).to.equal('orders.v3')
  })
})
