import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { createGenerations } from '../../src/bridge/generations.js'
import { createTopic, type Topic } from '../../src/bridge/reader.js'
import type { Session } from '../../src/bridge/sink.js'
import { createTopicSink } from '../../src/bridge/topic.js'
import { connectDatabase, type Database } from '../../src/platform/database.js'
import { createDatabase, type TestDatabase } from '../support/postgres.js'

describe('a topic in Postgres', () => {
  let test: TestDatabase
  let database: Database
  let topic: Topic
  let session: Session
  let position = 0n

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

  before(async () => {
    test = await createDatabase()
    database = connectDatabase(test.url)
    topic = createTopic(database)
    const lease = { name: 'bridge', ttl: 3_000 }
    await database.pool.query(`insert into tillroll.lease values ('bridge', 'test', 1, 'infinity')`)
    const generations = createGenerations(database, 'postgres')
    expect(await topic.partitions()).to.deep.equal([])
    await generations.begin('orders', 4)
    session = await createTopicSink({ database, generations, topic: 'orders', lease }).open(1, new AbortController().signal)
  })
  after(async () => {
    await topic.close()
    await database.close()
    await test.drop()
  })

  it('keeps the number of partitions that it began with', async () => {
    const again = await createGenerations(database, 'postgres').begin('orders', 9)
    expect(again.partitions).to.equal(4)
    expect(await topic.partitions()).to.have.length(4)
  })

  it('is read by partition and offset', async () => {
    await append(['a', 'b', 'a', 'c', 'a'])
    const all = await topic.records({})
    expect(all.map(({ key }) => key)).to.deep.equal(['a', 'b', 'a', 'c', 'a'])
    const { partition } = all[0]!
    const own = await topic.records({ partition, offset: 1, limit: 1 })
    expect(own).to.have.length(1)
    expect(own[0]).to.deep.include({ topic: 'orders', partition, offset: 1, time: '2026-01-02T03:04:05.678Z' })
    expect(own[0]!.value).to.deep.equal({ price: 1, padding: '' })
    const counted = (await topic.partitions()).reduce((sum, { nextOffset }) => sum + nextOffset, 0)
    expect(counted).to.equal(5)
  })

  it('is read over all partitions by position', async () => {
    const [, second] = await topic.records({})
    const rest = await topic.records({ after: BigInt(second!.position), limit: 2 })
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

  it('is read no further than a slow reader has come', async () => {
    await append(
      Array.from({ length: 1_000 }, (_, i) => `${i}`),
      'x'.repeat(10_000),
    )
    const queries: unknown[] = []
    const counting: Database = {
      ...database,
      pool: {
        query: (...args: Parameters<typeof database.pool.query>) => {
          queries.push(args)
          return database.pool.query(...args)
        },
      } as unknown as Database['pool'],
    }
    const slow = createTopic(counting)
    const stream = slow.events({})
    await once(stream, 'readable')
    await sleep(100)
    expect(stream.readableLength).to.be.lessThan(50_000)
    expect(queries).to.have.length(1)
    stream.destroy()
    await once(stream, 'close')
    await slow.close()
  })
})
