import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { EachMessagePayload, Kafka } from 'kafkajs'
import { createGenerations } from '../../../src/bridge/engine/generations.js'
import { connectTopic } from '../../../src/bridge/kafka/fetch.js'
import { kafkaLog } from '../../../src/bridge/kafka/log.js'
import { progressTopic } from '../../../src/bridge/kafka/progress.js'
import { type KafkaSettings, kafkaClient, readKafkaSettings } from '../../../src/bridge/kafka/settings.js'
import { kafkaSinks } from '../../../src/bridge/kafka/sink.js'
import type { Seen, Topics } from './topics.js'

/**
 * Every record of the topic, each partition in its order; `uncommitted`: also those of transactions that were given up. A broker that has
 * just come, or come back, has no place for groups yet, and the library gives up over that: the reading is begun anew.
 */
export const readTopic = async (kafka: Kafka, topic: string, uncommitted = false): Promise<readonly Seen[]> => {
  for (const end = performance.now() + 60_000; ; await sleep(200)) {
    try {
      return await readOnce(kafka, topic, uncommitted)
    } catch (error) {
      if (!mayPass(error) || performance.now() > end) throw error
    }
  }
}

const mayPass = (error: unknown): boolean => {
  const { retriable, name } = error as { retriable?: boolean; name?: string }
  return retriable === true || name === 'KafkaJSNumberOfRetriesExceeded'
}

const readOnce = async (kafka: Kafka, topic: string, uncommitted: boolean): Promise<readonly Seen[]> => {
  const ends = new Map(await endsOf(kafka, topic))
  const reached = (partition: number, next: bigint) => {
    if (next >= ends.get(partition)!) ends.delete(partition)
    return ends.size === 0
  }
  for (const partition of [...ends.keys()]) reached(partition, 0n)
  if (ends.size === 0) return []

  const seen: Seen[] = []
  const consumer = kafka.consumer({
    groupId: `test-${randomUUID()}`,
    readUncommitted: uncommitted,
    maxWaitTimeInMs: 20,
    retry: { retries: 20, restartOnFailure: async () => false },
  })
  try {
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning: true })
    await new Promise<void>((resolve, reject) => {
      consumer.on('consumer.crash', ({ payload }) => reject(payload.error))
      consumer.on('consumer.end_batch_process', ({ payload }) => {
        if (reached(payload.partition, BigInt(payload.lastOffset) + 1n)) resolve()
      })
      const eachMessage = async ({ partition, message }: EachMessagePayload) => {
        const headers = Object.fromEntries(Object.entries(message.headers ?? {}).map(([name, value]) => [name, `${value}`]))
        seen.push({ partition, offset: BigInt(message.offset), key: `${message.key}`, headers, value: `${message.value}` })
      }
      consumer.run({ autoCommit: false, eachMessage }).catch(reject)
    })
  } finally {
    await consumer.disconnect()
  }
  return seen.sort((a, b) => a.partition - b.partition || Number(a.offset - b.offset))
}

/**
 * Behind all that is written, also where the transaction is still ending that its writer was told is committed: the broker marks that in
 * one partition after another, and what the library calls the end is the last mark.
 */
const endsOf = async (kafka: Kafka, topic: string): Promise<readonly (readonly [partition: number, end: bigint])[]> => {
  const { extents, fetch, close } = await connectTopic(kafka, topic)
  try {
    const places = (await extents()).map(({ partition, stable }) => ({ partition, offset: stable }))
    return (await fetch(places)).map(({ partition, end }) => [partition, end])
  } finally {
    await close()
  }
}

/** What a shop's environment would hold for the listener that speaks TLS; `undefined` where `test/kafka.sh` has started none. */
export const tlsVariables = (): (NodeJS.ProcessEnv & { KAFKA_BROKERS: string }) | undefined => {
  const { TEST_KAFKA_TLS_BROKERS, TEST_KAFKA_TLS_CA, TEST_KAFKA_TLS_USERNAME, TEST_KAFKA_TLS_PASSWORD } = process.env
  return TEST_KAFKA_TLS_BROKERS
    ? {
        KAFKA_BROKERS: TEST_KAFKA_TLS_BROKERS,
        KAFKA_CA: TEST_KAFKA_TLS_CA,
        KAFKA_SASL_USERNAME: TEST_KAFKA_TLS_USERNAME,
        KAFKA_SASL_PASSWORD: TEST_KAFKA_TLS_PASSWORD,
      }
    : undefined
}

/** Kafka, where the environment names brokers; `variables`: as they would stand in it. */
export const kafkaTopics = (
  variables: NodeJS.ProcessEnv & { KAFKA_BROKERS: string },
): Topics & { readonly settings: KafkaSettings } => {
  const settings = readKafkaSettings(variables.KAFKA_BROKERS.split(','), variables)
  const kafka = kafkaClient(settings)
  const sinks: Topics['sinks'] = (database, partitions) => kafkaSinks(database, settings, partitions)
  return {
    settings,
    sinks,
    newName: () => `test-${randomUUID()}`,
    readAll: (_, topic) => readTopic(kafka, topic),
    begin: async (database, topic, partitions) => {
      const made = sinks(database, partitions)
      await createGenerations(database, 'kafka').begin(topic, await made.prepare(topic))
      return made
    },
    log: (_, topic) => kafkaLog(settings, topic),
    remove: async (topic) => {
      const admin = kafka.admin()
      await admin.connect()
      await admin.deleteTopics({ topics: [topic, progressTopic(topic)] })
      await admin.disconnect()
    },
  }
}
