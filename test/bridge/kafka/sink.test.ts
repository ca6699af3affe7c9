import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import type { Admin } from 'kafkajs'
import { createGenerations } from '../../../src/bridge/engine/generations.js'
import { BatchTooLarge, BridgeStopped, TopicFenced } from '../../../src/bridge/engine/sink.js'
import { kafkaLog } from '../../../src/bridge/kafka/log.js'
import { progressTopic } from '../../../src/bridge/kafka/progress.js'
import { type KafkaSettings, kafkaClient, readKafkaSettings } from '../../../src/bridge/kafka/settings.js'
import { kafkaSinks } from '../../../src/bridge/kafka/sink.js'
import type { PublicRecord } from '../../../src/bridge/public-record.js'
import { createTopic, type RecordsFrom, type Topic } from '../../../src/bridge/topic.js'
import { idOfInteger } from '../../../src/domain/ids.js'
import { ConfigError } from '../../../src/platform/config.js'
import { connectDatabase, type Database } from '../../../src/platform/database.js'
import { createDatabase, type TestDatabase } from '../../support/postgres.js'
import { until } from '../../support/until.js'
import { readTopic } from '../support/kafka.js'

describe('the settings of Kafka', () => {
  it('are plain where nothing is set', () => {
    expect(readKafkaSettings(['a:1', 'b:2'], {})).to.deep.equal({
      ...{ brokers: ['a:1', 'b:2'], tls: false, sasl: undefined, createTopics: true, replication: -1 },
    })
  })
  it('are TLS where there is a user, SCRAM unless another mechanism is named', () => {
    const env = { KAFKA_SASL_USERNAME: 'u', KAFKA_SASL_PASSWORD: 'p', KAFKA_REPLICATION: '3', KAFKA_CREATE_TOPICS: 'false' }
    expect(readKafkaSettings(['a:1'], env)).to.deep.equal({
      ...{ brokers: ['a:1'], tls: true, createTopics: false, replication: 3 },
      sasl: { mechanism: 'scram-sha-512', username: 'u', password: 'p' },
    })
    expect(readKafkaSettings(['a:1'], { ...env, KAFKA_TLS: 'false', KAFKA_SASL_MECHANISM: 'plain' })).to.deep.include({
      ...{ tls: false, sasl: { mechanism: 'plain', username: 'u', password: 'p' } },
    })
  })
  const wrong: readonly (readonly [NodeJS.ProcessEnv, RegExp])[] = [
    [{ KAFKA_SASL_USERNAME: 'u' }, /KAFKA_SASL_USERNAME: goes together/],
    [{ KAFKA_CERT: 'c' }, /KAFKA_CERT: goes together/],
    [{ KAFKA_CA: '/not/there' }, /KAFKA_CA: ENOENT/],
    [{ KAFKA_TLS: 'perhaps' }, /KAFKA_TLS/],
    [{ KAFKA_SASL_MECHANISM: 'gssapi' }, /KAFKA_SASL_MECHANISM/],
    [{ KAFKA_TLS: 'false', KAFKA_CA: 'ca.pem' }, /KAFKA_TLS: false contradicts KAFKA_CA/],
    [{ KAFKA_TSL: 'true' }, /KAFKA_TSL: no such setting; did you mean KAFKA_TLS\?/],
    [{ KAFKA_SASL_USER: 'u' }, /KAFKA_SASL_USER: .*KAFKA_SASL_USERNAME\?/],
    [{ KAFKA_SSL: 'true' }, /KAFKA_SSL: no such setting/],
  ]
  for (const [env, message] of wrong) {
    it(`refuse ${Object.keys(env)}`, () => expect(() => readKafkaSettings(['a:1'], env)).to.throw(ConfigError, message))
  }
})

describe('the addresses of Kafka', () => {
  for (const broker of ['localhost', '', 'kafka://a:1', 'a:b', 'a b:1']) {
    it(`refuse ${JSON.stringify(broker)}`, () =>
      expect(() => readKafkaSettings(['a:1', broker], {})).to.throw(ConfigError, `KAFKA_BROKERS: "${broker}" is not host:port`))
  }
  it('are names or numbers, among variables of others', () => {
    const brokers = ['kafka-1.shop:9092', '127.0.0.1:9092', '[::1]:9092']
    const env = {
      KAFKA_SERVICE_HOST: '10.0.0.1',
      KAFKA_TLS_PORT: 'tcp://10.0.0.1:9092',
      KAFKA_HOME: '/opt',
      KAFKA_BROKERS_TLS: 'a:1',
    }
    expect(readKafkaSettings(brokers, env).brokers).to.deep.equal(brokers)
  })
})

const { KAFKA_BROKERS } = process.env
if (KAFKA_BROKERS) {
  describe('a topic in Kafka', () => {
    const settings = readKafkaSettings(KAFKA_BROKERS.split(','), {})
    const kafka = kafkaClient(settings)
    let admin: Admin
    let test: TestDatabase
    let database: Database
    const made: string[] = []
    const { signal } = new AbortController()

    before(async () => {
      admin = kafka.admin()
      await admin.connect()
      test = await createDatabase()
      database = connectDatabase(test.url)
    })
    after(async () => {
      const existing = await admin.listTopics()
      await admin.deleteTopics({ topics: existing.filter((name) => made.some((topic) => name.startsWith(topic))) })
      await admin.disconnect()
      await database.close()
      await test.drop()
    })

    const newTopic = () => {
      const topic = `test-${randomUUID()}`
      made.push(topic)
      return topic
    }
    const begin = async (topic: string, more: Partial<KafkaSettings> = {}) => {
      const sinks = kafkaSinks(database, { ...settings, ...more }, 3)
      await createGenerations(database, 'kafka').begin(topic, await sinks.prepare(topic))
      return sinks.sink(topic, { name: 'any', ttl: 1_000 })
    }
    const record = (position: bigint, size = 10): PublicRecord => ({
      ...{ key: '694799600000000000003039', headers: { ce_id: `${position}` }, value: JSON.stringify('x'.repeat(size)) },
      ...{ time: new Date(), eventId: `event-${position}`, position },
    })
    const at = (position: bigint) => ({ storeId: 's', at: { commit: position, prepare: position, eventId: `event-${position}` } })

    it('is made with its partitions, and a compacted one for the progress', async () => {
      const topic = newTopic()
      expect(await kafkaSinks(database, settings, 3).prepare(topic)).to.equal(3)
      const { topics } = await admin.fetchTopicMetadata({ topics: [progressTopic(topic)] })
      expect(topics[0]!.partitions).to.have.length(1)
      const { resources } = await admin.describeConfigs({
        includeSynonyms: false,
        resources: [{ type: 2, name: progressTopic(topic), configNames: ['cleanup.policy'] }],
      })
      expect(resources[0]!.configEntries[0]!.configValue).to.equal('compact')
      expect(await kafkaSinks(database, settings, 9).prepare(topic)).to.equal(3)
    })

    it('is not made where that is not allowed', async () => {
      const topic = newTopic()
      const error = await kafkaSinks(database, { ...settings, createTopics: false }, 3)
        .prepare(topic)
        .catch((reason: unknown) => reason)
      expect(error).to.be.instanceOf(BridgeStopped)
      expect(`${error}`).to.include(topic)
    })

    it('remembers both positions and the store', async () => {
      const sink = await begin(newTopic())
      const first = await sink.open(1, signal)
      expect(first.progress).to.equal(undefined)
      const progress = { storeId: 's', at: { commit: 2n ** 60n, prepare: 2n ** 60n - 1n, eventId: 'e' } }
      await first.write([], progress)
      await first.close()
      const second = await sink.open(2, signal)
      expect(second.progress).to.deep.equal(progress)
      await second.close()
    })

    it('finds the progress behind many tries of others', async () => {
      const sink = await begin(newTopic())
      const first = await sink.open(1, signal)
      await first.write([record(1n)], at(1n))
      await first.close()
      for (let epoch = 2; epoch < 22; epoch++) await (await sink.open(epoch, signal)).close()
      const last = await sink.open(22, signal)
      expect(last.progress).to.deep.equal(at(1n))
      await last.close()
    })

    it('shuts out the writer before, in the middle of a transaction too', async () => {
      const topic = newTopic()
      const sink = await begin(topic)
      const first = await sink.open(1, signal)
      await first.write([record(1n)], at(1n))
      const second = await sink.open(2, signal)
      const error = await first.write([record(2n)], at(2n)).catch((reason: unknown) => reason)
      expect(error).to.be.instanceOf(TopicFenced)
      await second.write([record(3n)], at(3n))
      await Promise.all([first.close(), second.close()])
      const seen = await readTopic(kafka, topic)
      expect(seen.map(({ headers }) => headers.ce_id)).to.deep.equal(['1', '3'])
    })

    it('says of several records that they are too large, and stops at one', async () => {
      const topic = newTopic()
      const sink = await begin(topic)
      const several = await sink.open(1, signal)
      const error = await several.write([record(1n, 600_000), record(2n, 600_000)], at(2n)).catch((reason: unknown) => reason)
      expect(error).to.be.instanceOf(BatchTooLarge)
      await several.close()
      const one = await sink.open(2, signal)
      const stopped = await one.write([record(3n, 1_200_000)], at(3n)).catch((reason: unknown) => reason)
      expect(stopped).to.be.instanceOf(BridgeStopped)
      expect(`${stopped}`).to.match(/event event-3 of order 694799600000000000003039 is larger than .*max\.message\.bytes/)
      await one.close()
      const after = await sink.open(3, signal)
      expect(after.progress).to.equal(undefined)
      await after.write([record(1n)], at(1n))
      await after.close()
      expect(await readTopic(kafka, topic)).to.have.length(1)
    })

    it('is refused where records are in it that no bridge has written', async () => {
      const topic = newTopic()
      const sink = await begin(topic)
      const producer = kafka.producer()
      await producer.connect()
      await producer.send({ topic, messages: [{ value: 'somebody else’s' }] })
      await producer.disconnect()
      const error = await sink.open(1, signal).catch((reason: unknown) => reason)
      expect(error).to.be.instanceOf(BridgeStopped)
      expect(`${error}`).to.match(/holds records that no bridge has written/)
    })

    describe('that is read', () => {
      const keys = Array.from({ length: 12 }, (_, i) => idOfInteger(3704199577612345 + i)!)
      const recordsOf = (from: number, to: number) =>
        keys.slice(from, to).map((key, i) => {
          const position = BigInt(from + i + 1)
          return { ...record(position), key, headers: { ce_position: `${position}` } }
        })
      const positions = async (reader: Topic, from: RecordsFrom) =>
        (await reader.records(from)).map(({ position }) => Number(position))

      it('leaves out what was given up, what is still open, and what somebody else has put there', async () => {
        const topic = newTopic()
        const session = await (await begin(topic)).open(1, signal)
        const reader = createTopic(kafkaLog(settings, topic))
        const other = kafka.producer({ transactionalId: `other-${topic}`, idempotent: true, maxInFlightRequests: 1 })
        const plain = kafka.producer()
        await Promise.all([other.connect(), plain.connect()])
        const theirs = { topic, messages: keys.map((key) => ({ key, value: '{}', headers: { ce_position: '99' } })) }
        await session.write(recordsOf(0, 6), at(6n))
        const givenUp = await other.transaction()
        await givenUp.send(theirs)
        await givenUp.abort()
        await session.write(recordsOf(6, 9), at(9n))
        await plain.send({ topic, messages: [{ key: 'x', value: 'no JSON' }] })
        const stillOpen = await other.transaction()
        await stillOpen.send(theirs)
        const byPartition = async () => (await Promise.all([0, 1, 2].map((partition) => positions(reader, { partition })))).flat()
        await until(async () => (await byPartition()).length === 9)
        expect((await byPartition()).sort()).to.deep.equal([1, 2, 3, 4, 5, 6, 7, 8, 9])
        // While something is undecided, what may come before it is not given out: a beginning is.
        const whole = await positions(reader, {})
        expect(whole).to.deep.equal([1, 2, 3, 4, 5, 6, 7, 8, 9].slice(0, whole.length))
        await stillOpen.abort()
        await session.write(recordsOf(9, 12), at(12n))
        await until(async () => (await positions(reader, { after: 5n })).length === 7)
        expect(await positions(reader, {})).to.deep.equal([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
        await Promise.all([session.close(), other.disconnect(), plain.disconnect(), reader.close()])
      })

      it('begins with the oldest that is kept, also for one who was on his way', async () => {
        const topic = newTopic()
        const session = await (await begin(topic)).open(1, signal)
        const reader = createTopic(kafkaLog(settings, topic))
        await session.write(recordsOf(0, 12), at(12n))
        await until(async () => (await positions(reader, {})).length === 12)
        const all = await reader.records({})
        const { partition } = all.find((one) => one.offset > 0)!
        const log = kafkaLog(settings, topic)
        const onTheWay = log.open({ partition })
        const first = await onTheWay.next(1_000)
        await session.write(
          recordsOf(0, 12).map((one) => ({ ...one, headers: { ce_position: `${one.position + 12n}` } })),
          at(24n),
        )
        await until(async () => (await positions(reader, {})).length === 24)
        const later = (await reader.records({ partition })).slice(first.length)
        // Otherwise the library doesn't know who leads it.
        await admin.fetchTopicOffsets(topic)
        await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: `${later[0]!.offset + 1}` }] })
        expect(await onTheWay.next(1_000)).to.deep.equal(later.slice(1))
        await log.close()
        const kept = (await reader.records({})).filter((one) => one.partition === partition)
        expect(kept).to.deep.equal(later.slice(1))
        expect(await reader.records({ partition, offset: 0 })).to.deep.equal(kept)
        expect(await reader.records({ after: 1n })).to.deep.equal(
          (await reader.records({})).filter(({ position }) => position !== '1'),
        )
        await Promise.all([session.close(), reader.close()])
      })
    })
  })
}
