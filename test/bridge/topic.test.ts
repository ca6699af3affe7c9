import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import type { SinkSession } from '../../src/bridge/engine/sink.js'
import { createTopic, type Topic, type TopicLog, type TopicRecord } from '../../src/bridge/topic.js'
import { connectDatabase, type Database } from '../../src/platform/database.js'
import { createDatabase, type TestDatabase } from '../support/postgres.js'
import { until } from '../support/until.js'
import { kafkaTopics, tlsVariables } from './support/kafka.js'
import { postgresTopics, type Topics } from './support/topics.js'

/** What every kind of topic must answer. */
const contract = (name: string, topics: Topics) => {
  describe(`a topic that is read from ${name}`, () => {
    let test: TestDatabase
    let database: Database
    let log: TopicLog
    let topic: Topic
    let session: SinkSession
    let position = 0n
    const partitions = 4
    const orders = topics.newName()

    const append = async (keys: readonly string[], padding = '') => {
      const records = keys.map((key) => ({
        key,
        headers: { ce_type: 'tillroll.OrderRepriced.v1', ce_position: `${++position}` },
        value: JSON.stringify({ price: 1, padding }),
        time: new Date('2026-01-02T03:04:05.678Z'),
        eventId: `event-${position}`,
        position,
      }))
      await session.write(records, { storeId: 's', at: { commit: position, prepare: position, eventId: `event-${position}` } })
    }
    /** Kafka answers a commit a little before all of it is to be seen. */
    const readable = (records: number) => until(async () => (await topic.records({ limit: 10_000 })).length === records)

    before(async () => {
      test = await createDatabase()
      database = connectDatabase(test.url)
      log = topics.log(database, orders)
      topic = createTopic(log)
      await database.pool.query(`insert into tillroll.lease values ('bridge', 'test', 1, 'infinity')`)
      expect(await topic.records({}), 'before it is there').to.deep.equal([])
      const sinks = await topics.begin(database, orders, partitions)
      session = await sinks.sink(orders, { name: 'bridge', ttl: 3_000 }).open(1, new AbortController().signal)
    })
    after(async () => {
      await session.close()
      await topic.close()
      await topics.remove(orders)
      await database.close()
      await test.drop()
    })

    it('is empty at first', async () => {
      expect(await topic.records({})).to.deep.equal([])
      expect(await topic.records({ partition: 0 })).to.deep.equal([])
      expect(await topic.records({ partition: 0, offset: 1_000_000 })).to.deep.equal([])
      expect(await topic.records({ after: 5n })).to.deep.equal([])
    })

    it('is read by partition and offset', async () => {
      await append(['a', 'b', 'a', 'c', 'a'])
      await readable(5)
      const all = await topic.records({})
      expect(all.map(({ key }) => key)).to.deep.equal(['a', 'b', 'a', 'c', 'a'])
      const { partition } = all[0]!
      const own = all.filter((record) => record.partition === partition)
      expect(await topic.records({ partition })).to.deep.equal(own)
      const [second] = await topic.records({ partition, offset: 1, limit: 1 })
      expect(second).to.deep.equal(own[1])
      expect(all[0]).to.deep.equal({
        ...{ topic: orders, partition, offset: 0, key: 'a', time: '2026-01-02T03:04:05.678Z', position: '1' },
        headers: { ce_type: 'tillroll.OrderRepriced.v1', ce_position: '1' },
        value: { price: 1, padding: '' },
      })
    })

    it('is empty beyond its end, and in a partition that it does not have', async () => {
      expect(await topic.records({ partition: 0, offset: 1_000_000 })).to.deep.equal([])
      expect(await topic.records({ offset: Number.MAX_SAFE_INTEGER })).to.deep.equal([])
      expect(await topic.records({ partition: partitions })).to.deep.equal([])
      expect(await topic.records({ after: 1_000_000n })).to.deep.equal([])
    })

    it('is read over all partitions by position', async () => {
      const rest = await topic.records({ after: 2n, limit: 2 })
      expect(rest.map(({ position }) => position)).to.deep.equal(['3', '4'])
    })

    it('is followed: what there is, and then what comes', async () => {
      const ending = new AbortController()
      const keys: string[] = []
      for await (const { key } of topic.follow({ after: 3n, signal: ending.signal })) {
        keys.push(key)
        if (keys.length === 2) await append(['x', 'y'])
        if (keys.length === 4) ending.abort()
      }
      expect(keys).to.deep.equal(['c', 'a', 'x', 'y'])
    })

    it('is followed as Server-Sent Events, from the Last-Event-ID on', async () => {
      const stream = topic.events({ after: position - 1n })
      let text = ''
      stream.on('data', (chunk: Buffer) => {
        text += chunk.toString()
      })
      while (!text.includes('data:')) await once(stream, 'data')
      expect(text).to.match(/^:\n\nid: \d+\nevent: tillroll\.OrderRepriced\.v1\ndata: \{.*"key":"y".*\}\n\n$/)
      await append(['z'])
      while (!text.includes('"key":"z"')) await once(stream, 'data')
      stream.destroy()
      await once(stream, 'close')
    })

    it('is followed by many at once, each of whom misses nothing and sees nothing twice or out of order', async () => {
      const ending = new AbortController()
      const from = position
      const target = from + 200n
      const followers = Array.from({ length: 10 }, async () => {
        const seen: bigint[] = []
        for await (const record of topic.follow({ after: from, signal: ending.signal })) {
          seen.push(BigInt(record.position))
          if (seen.at(-1) === target) return seen
        }
        return seen
      })
      while (position < target) await append(['k', 'l', 'm', 'n', 'o', 'p', 'q', 'r'].slice(0, Number((position % 4n) * 2n + 2n)))
      const late = setTimeout(() => ending.abort(), 10_000)
      const expected = Array.from({ length: 200 }, (_, i) => from + BigInt(i) + 1n)
      for (const seen of await Promise.all(followers)) expect(seen.slice(0, 200)).to.deep.equal(expected)
      clearTimeout(late)
      await readable(Number(position))
    })

    it('is read in pages, from any position', async () => {
      const all = await topic.records({ limit: 1_000 })
      expect(all.map(({ position }) => Number(position))).to.deep.equal(Array.from({ length: Number(position) }, (_, i) => i + 1))
      const paged: TopicRecord[] = []
      for (let after = 0n; ; after = BigInt(paged.at(-1)!.position)) {
        const page = await topic.records({ after, limit: 7 })
        paged.push(...page)
        if (page.length < 7) break
      }
      expect(paged).to.deep.equal(all)
      for (let partition = 0; partition < partitions; partition++) {
        const own = all.filter((record) => record.partition === partition)
        for (const after of [0n, 50n, 111n, position - 1n]) {
          expect(await topic.records({ partition, after, limit: 1_000 })).to.deep.equal(
            own.filter((r) => BigInt(r.position) > after),
          )
        }
      }
    })

    it('is read no further than a slow reader has come', async () => {
      const keys = Array.from({ length: 60 }, (_, i) => `${i}`)
      for (let i = 0; i < 10; i++) await append(keys, 'x'.repeat(10_000))
      let pages = 0
      const counting: TopicLog = {
        ...log,
        open: (from) => {
          const { next } = log.open(from)
          const counted: typeof next = (limit) => {
            pages++
            return next(limit)
          }
          return { next: counted }
        },
        close: async () => undefined,
      }
      const slow = createTopic(counting)
      const stream = slow.events({})
      await once(stream, 'readable')
      await sleep(100)
      expect(stream.readableLength).to.be.lessThan(50_000)
      expect(pages).to.equal(1)
      stream.destroy()
      await once(stream, 'close')
      await slow.close()
    })
  })
}

contract('Postgres', postgresTopics)

const { KAFKA_BROKERS } = process.env
const tls = tlsVariables()
if (KAFKA_BROKERS) contract('Kafka', kafkaTopics({ KAFKA_BROKERS }))
if (tls) contract('Kafka over TLS, with SCRAM', kafkaTopics(tls))
