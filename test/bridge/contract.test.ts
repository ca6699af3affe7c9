import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { BridgeStopped } from '../../src/bridge/engine/sink.js'
import { connectStore } from '../../src/eventstore/client.js'
import { createFeed, type Feed } from '../../src/eventstore/feed.js'
import { noStream, type Store } from '../../src/eventstore/store.js'
import { connectDatabase, type Database } from '../../src/platform/database.js'
import { startEventStore, type TestEventStore } from '../support/eventstore.js'
import { createDatabase, type TestDatabase } from '../support/postgres.js'
import { until } from '../support/until.js'
import { kafkaTopics, tlsVariables } from './support/kafka.js'
import { expectedOf, lifeOf, live, newOrderId, somethingElse } from './support/orders.js'
import { breaches } from './support/published.js'
import { type BridgeSetup, silent, startBridge } from './support/running.js'
import { differences, postgresTopics, type Topics } from './support/topics.js'

/** What every kind of topic must keep. */
const contract = (name: string, topics: Topics) => {
  describe(`the bridge, ${name}`, () => {
    let node: TestEventStore
    let store: Store
    let feed: Feed
    let test: TestDatabase
    let database: Database
    const partitions = 4
    const begun: string[] = []

    before(async () => {
      node = await startEventStore()
      test = await createDatabase()
      store = connectStore(node.url)
      database = connectDatabase(test.url)
      feed = createFeed({ store, log: silent })
    })
    after(async () => {
      await feed.close()
      await store.close()
      await Promise.all(begun.map(topics.remove))
      await database.close()
      await test.drop()
      await node.stop()
    })

    const setup = async (): Promise<BridgeSetup> => {
      const topic = topics.newName()
      begun.push(topic)
      return { database, feed, store, topic, sinks: await topics.begin(database, topic, partitions) }
    }
    /** Kafka answers a commit before its markers are in every partition: a reader may have to come again for the last transaction. */
    const expectExact = async (topic: string) => {
      const expected = await expectedOf(store)
      let seen = await topics.readAll(database, topic)
      const patience = performance.now() + 10_000
      while (differences(expected, seen).length > 0 && performance.now() < patience) {
        await new Promise((resolve) => setTimeout(resolve, 100))
        seen = await topics.readAll(database, topic)
      }
      expect(differences(expected, seen)).to.deep.equal([])
      expect(seen.flatMap(breaches)).to.deep.equal([])
      return seen
    }

    it('publishes what is accepted, each once, an order in order and in one partition', async () => {
      const on = await setup()
      const orders = [newOrderId(), newOrderId(), newOrderId()]
      await Promise.all(orders.map((order) => live(store, order)))
      const running = startBridge(on)
      await somethingElse(store)
      await live(store, newOrderId())
      await running.caughtUp()
      await running.stop()
      const seen = await expectExact(on.topic)
      const first = seen.filter(({ key }) => key === orders[0])
      expect(first.map(({ headers }) => headers.ce_type)).to.deep.equal([
        'tillroll.OrderPlaced.v1',
        'tillroll.OrderItemsChanged.v1',
        'tillroll.OrderStatusChanged.v1',
        'tillroll.OrderRepriced.v1',
        'tillroll.OrderStatusChanged.v1',
      ])
      expect(first.map(({ headers }) => headers.ce_revision)).to.deep.equal(['1', '3', '5', '6', '7'])
      expect(JSON.parse(first[0]!.value)).to.include({ price: 21, status: 'new' })
      expect(first[0]!.headers).to.include({ ce_specversion: '1.0', 'content-type': 'application/json', ce_subject: orders[0]! })
    })

    it('goes on from its progress, also past events that it did not publish', async () => {
      const on = await setup()
      const first = startBridge(on)
      await live(store, newOrderId())
      await somethingElse(store)
      await first.caughtUp()
      await first.stop()
      await live(store, newOrderId())
      const second = startBridge(on)
      await second.caughtUp()
      expect(second.bridge.status().records).to.equal(5)
      await second.stop()
      await expectExact(on.topic)
    })

    it('publishes what happens while it runs, within moments', async () => {
      const on = await setup()
      const running = startBridge(on)
      await running.caughtUp()
      for (let i = 0; i < 5; i++) await live(store, newOrderId())
      await running.caughtUp()
      expect(running.bridge.status()).to.include({ state: 'running', errors: 0, topic: on.topic })
      expect(running.bridge.status().lagMs).to.be.lessThan(1_000)
      await running.stop()
      await expectExact(on.topic)
    })

    it('has one writer: the second stands by, and takes over', async () => {
      const on = await setup()
      const first = startBridge(on)
      await first.caughtUp()
      const second = startBridge(on)
      await live(store, newOrderId())
      await first.caughtUp()
      expect(second.bridge.status()).to.include({ state: 'standby', records: 0 })
      await first.stop()
      await live(store, newOrderId())
      await second.caughtUp()
      await second.stop()
      await expectExact(on.topic)
    })

    it('shuts out a writer that has lost its lease without noticing', async () => {
      const on = await setup()
      const lease = { name: `bridge:${on.sinks.kind}:${on.topic}`, ttl: 1_000 }
      const running = startBridge(on)
      await running.caughtUp()
      // Another has taken the lease, and has opened the topic.
      await database.pool.query('update tillroll.lease set epoch = epoch + 1, expires_at = $2 where name = $1', [
        lease.name,
        new Date(Date.now() + 60_000),
      ])
      const { rows } = await database.pool.query('select epoch from tillroll.lease where name = $1', [lease.name])
      const other = await on.sinks.sink(on.topic, lease).open(rows[0].epoch, new AbortController().signal)
      const before = (await topics.readAll(database, on.topic)).length
      await live(store, newOrderId())
      await until(() => running.bridge.status().state === 'standby')
      expect((await topics.readAll(database, on.topic)).length).to.equal(before)
      await other.close()
      await database.pool.query('update tillroll.lease set expires_at = clock_timestamp() where name = $1', [lease.name])
      await running.caughtUp()
      await running.stop()
      await expectExact(on.topic)
    })

    it('writes a batch of many records', async () => {
      const on = await setup()
      for (let i = 0; i < 150; i++) await live(store, newOrderId(), undefined, undefined, true)
      const running = startBridge(on)
      await running.caughtUp()
      await running.stop()
      const status = running.bridge.status()
      expect(status.batches).to.be.lessThan(status.records / 20)
      await expectExact(on.topic)
    })

    it('begins again after an error, and loses and doubles nothing', async () => {
      const on = await setup()
      let writes = 0
      const flaky: typeof on.sinks = {
        ...on.sinks,
        sink: (...args) => {
          const sink = on.sinks.sink(...args)
          const open: typeof sink.open = async (...opened) => {
            const session = await sink.open(...opened)
            return {
              ...session,
              write: async (...written) => {
                if (++writes % 3 === 0) throw new Error('before it was written')
                await session.write(...written)
                if (writes % 3 === 1) throw new Error('after it was written')
              },
            }
          }
          return { ...sink, open }
        },
      }
      const running = startBridge({ ...on, sinks: flaky })
      await Promise.all([1, 2, 3, 4].map(() => live(store, newOrderId())))
      await running.caughtUp()
      expect(running.bridge.status().errors).to.be.greaterThan(0)
      expect(running.bridge.status().lastError?.message).to.match(/it was written/)
      await running.stop()
      await expectExact(on.topic)
    })

    it('stops at a topic that another store has written', async () => {
      const on = await setup()
      await live(store, newOrderId())
      const first = startBridge(on)
      await first.caughtUp()
      await first.stop()
      const second = startBridge(on, { storeId: 'store-2' })
      const error = await second.ended
      expect(error).to.be.instanceOf(BridgeStopped)
      expect(`${error}`).to.match(/written from the event store store-1, and this is store-2.*bridge replay --to/)
      expect(second.bridge.status().state).to.equal('stopped')
    })

    it('stops at a progress whose event is not there: the store was put back', async () => {
      const on = await setup()
      await live(store, newOrderId())
      const first = startBridge(on)
      await first.caughtUp()
      await first.stop()
      const older: Store = { ...store, eventAt: async () => undefined }
      const second = startBridge({ ...on, store: older })
      expect(`${await second.ended}`).to.match(/put back to an older state/)
    })

    it('knows its place by events that no erasure removes', async () => {
      const on = await setup()
      await live(store, newOrderId())
      const at = new Date().toISOString()
      const renamed = { id: randomUUID(), type: 'UserRenamed', data: { name: 'Ann', at }, metadata: {} }
      await store.append(`user-${newOrderId()}`, [renamed], noStream)
      const measured = { id: randomUUID(), type: '$latencyMeasured', data: {}, metadata: {} }
      await store.append(`latency-${randomUUID()}`, [measured], noStream)
      const first = startBridge(on)
      await first.caughtUp()
      await first.stop()
      const scavenged: Store = {
        ...store,
        eventAt: async (position) => {
          const event = await store.eventAt(position)
          return /^(user|latency)-/.test(event?.streamId ?? '') ? undefined : event
        },
      }
      const second = startBridge({ ...on, store: scavenged })
      await second.caughtUp()
      expect(second.bridge.status()).to.include({ state: 'running', records: 0 })
      await second.stop()
    })

    it('stops at an accepted event that has no public record, instead of leaving it out', async () => {
      const on = await setup()
      const orderId = newOrderId()
      const [request, placed] = lifeOf(orderId)
      const broken = { ...placed!, data: { ...placed!.data, price: 'much' } } as unknown as typeof placed
      // In a store of its own: the others of this file read everything.
      const other = await startEventStore()
      const broke = connectStore(other.url)
      const brokenFeed = createFeed({ store: broke, log: silent })
      await live(broke, orderId, [request!, broken!])
      const running = startBridge({ ...on, store: broke, feed: brokenFeed })
      expect(`${await running.ended}`).to.match(/OrderPlaced .* has no public record: price/)
      expect(await topics.readAll(database, on.topic)).to.deep.equal([])
      await brokenFeed.close()
      await broke.close()
      await other.stop()
    })
  })
}

contract('into Postgres', postgresTopics)

const { KAFKA_BROKERS } = process.env
const tls = tlsVariables()
if (KAFKA_BROKERS) contract('into Kafka', kafkaTopics({ KAFKA_BROKERS }))
if (tls) contract('into Kafka over TLS, with SCRAM', kafkaTopics(tls))
