import type { Kafka, Message, Producer, RecordMetadata, Transaction } from 'kafkajs'
import { backoff } from '../../platform/async.js'
import type { Database } from '../../platform/database.js'
import { createGenerations } from '../engine/generations.js'
import { partitionOf } from '../engine/partition.js'
import {
  BatchTooLarge,
  BridgeStopped,
  type Sink,
  type SinkSession,
  sizeOf,
  TopicFenced,
  type TopicProgress,
} from '../engine/sink.js'
import type { PublicRecord } from '../public-record.js'
import type { Sinks } from '../service.js'
import { isConcurrent, isFenced, isTooLarge } from './errors.js'
import { keys, progressTopic, readProgress, written } from './progress.js'
import { type KafkaSettings, kafkaClient } from './settings.js'
import { prepareTopics } from './topics.js'

/** Below what a broker takes at once by default, also when all records are of one partition. */
const batchBytes = 900_000

/** Milliseconds after which the broker itself ends a transaction whose writer is gone, if no other comes and does it. */
const transactionTimeout = 15_000

/** Topics in Kafka. */
export const kafkaSinks = (database: Database, settings: KafkaSettings, partitions: number): Sinks => {
  const kafka = kafkaClient(settings)
  const generations = createGenerations(database, 'kafka')
  const sink = (topic: string): Sink => ({
    kind: 'kafka',
    topic,
    batchBytes,
    open: async (epoch, signal) => {
      const generation = await generations.find(topic)
      if (!generation) throw new BridgeStopped(`the topic ${topic} was never begun`)
      return openSession(kafka, topic, generation.partitions, epoch, signal)
    },
  })
  return {
    kind: 'kafka',
    prepare: (topic) => prepareTopics(kafka, settings, topic, partitions),
    sink,
    close: async () => undefined,
  }
}

/** A producer of its own; opening it shuts out the one before, whatever that still has on its way. */
const openSession = async (
  kafka: Kafka,
  topic: string,
  partitions: number,
  epoch: number,
  signal: AbortSignal,
): Promise<SinkSession> => {
  const producer = kafka.producer({
    transactionalId: `tillroll-bridge-${topic}`,
    transactionTimeout,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
    // The library sends anew to brokers that have answered already if another one's answer is missing, and the records would be
    // there twice in one transaction. What may be repeated is repeated here.
    retry: { retries: 0 },
  })
  try {
    await producer.connect()
    const found = await takeOver(kafka, producer, topic, epoch, signal)
    return {
      progress: found.progress,
      write: (records, progress) => write(producer, topic, partitions, records, progress),
      close: async () => {
        await Promise.allSettled([producer.disconnect()])
      },
    }
  } catch (error) {
    await Promise.allSettled([producer.disconnect()])
    throw isFenced(error) ? new TopicFenced(messageOf(error), { cause: error }) : error
  }
}

/** The first transaction initialises the producer, which ends the predecessor's; and its mark says where the past ends. */
const takeOver = async (kafka: Kafka, producer: Producer, topic: string, epoch: number, signal: AbortSignal) => {
  const transaction = await producer.transaction()
  const mark = { key: keys.writer, value: JSON.stringify({ epoch, at: new Date().toISOString() }) }
  const [place] = await firstSend(transaction, progressTopic(topic), { ...mark, partition: 0 })
  await transaction.commit()
  const { low, begun } = await extent(kafka, topic)
  const found = await readProgress(kafka, topic, { offset: BigInt(place!.baseOffset!), low }, signal)
  if (begun && !found.progress && !found.writtenBefore) {
    throw new BridgeStopped(
      `the topic ${topic} holds records that no bridge has written, or its ${progressTopic(topic)} is gone: ` +
        `publish the history into another one: tillroll bridge replay --to ${topic}.v2 --live`,
    )
  }
  return found
}

const extent = async (kafka: Kafka, topic: string): Promise<{ low: bigint; begun: boolean }> => {
  const admin = kafka.admin()
  try {
    await admin.connect()
    const [progress, records] = await Promise.all([admin.fetchTopicOffsets(progressTopic(topic)), admin.fetchTopicOffsets(topic)])
    return { low: BigInt(progress[0]!.low), begun: records.some(({ high }) => high !== '0') }
  } finally {
    await admin.disconnect()
  }
}

const write = async (
  producer: Producer,
  topic: string,
  partitions: number,
  records: readonly PublicRecord[],
  progress: TopicProgress,
): Promise<void> => {
  try {
    const transaction = await producer.transaction()
    await firstSend(transaction, progressTopic(topic), { key: keys.progress, value: written(progress), partition: 0 })
    if (records.length > 0) {
      const messages = records.map(({ key, headers, value, time }) => ({
        key,
        headers,
        value,
        timestamp: `${time.getTime()}`,
        partition: partitionOf(key, partitions),
      }))
      await transaction.send({ topic, messages })
    }
    await transaction.commit()
  } catch (error) {
    if (isFenced(error)) throw new TopicFenced(messageOf(error), { cause: error })
    if (isTooLarge(error)) throw tooLarge(topic, records, error)
    throw error
  }
}

/**
 * The broker is still ending the last transaction: that is told before anything is written, and only here, where one partition is
 * asked for, can it be said that nothing was. The library would wait 300 ms.
 */
const firstSend = async (transaction: Transaction, topic: string, message: Message): Promise<RecordMetadata[]> => {
  const end = performance.now() + transactionTimeout / 2
  for (const pause = backoff(undefined, { first: 1, most: 50 }); ; await pause()) {
    try {
      return await transaction.send({ topic, messages: [message] })
    } catch (error) {
      if (!isConcurrent(error) || performance.now() > end) throw error
    }
  }
}

const tooLarge = (topic: string, records: readonly PublicRecord[], cause: unknown): Error => {
  const [first] = records
  if (records.length !== 1 || !first)
    return new BatchTooLarge(`${records.length} records at once are too large for ${topic}`, { cause })
  return new BridgeStopped(
    `the record of event ${first.eventId} of order ${first.key} is larger than the topic ${topic} takes (${sizeOf(first)} bytes): ` +
      `raise the topic's max.message.bytes, and start the bridge again`,
    { cause },
  )
}

const messageOf = (error: unknown): string => `another writer has the topic (${error instanceof Error ? error.message : error})`
