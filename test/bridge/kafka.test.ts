import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import type { Admin } from 'kafkajs'
import { createGenerations } from '../../src/bridge/generations.js'
import { kafkaSinks } from '../../src/bridge/kafka.js'
import { progressTopic } from '../../src/bridge/kafka-progress.js'
import { type KafkaSettings, kafkaClient, readKafkaSettings } from '../../src/bridge/kafka-settings.js'
import type { PublicRecord } from '../../src/bridge/message.js'
import { BatchTooLarge, BridgeStopped, Fenced } from '../../src/bridge/sink.js'
import { ConfigError } from '../../src/platform/config.js'
import { connectDatabase, type Database } from '../../src/platform/database.js'
import { createDatabase, type TestDatabase } from '../support/postgres.js'
import { readTopic } from './support/kafka.js'

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
  ]
  for (const [env, message] of wrong) {
    it(`refuse ${Object.keys(env)}`, () => expect(() => readKafkaSettings(['a:1'], env)).to.throw(ConfigError, message))
  }
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
      expect(error).to.be.instanceOf(Fenced)
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
  })
}
