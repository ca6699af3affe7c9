import type { Admin, ITopicConfig, Kafka } from 'kafkajs'
import { sleep } from '../../platform/async.js'
import { BridgeStopped } from '../engine/sink.js'
import { isLeaderless, protocolError } from './errors.js'
import { progressTopic } from './progress.js'
import type { KafkaSettings } from './settings.js'

/**
 * Makes the topic and its progress topic where they are not there and that is allowed, and answers how many partitions the topic has.
 * Throws `BridgeStopped` where they can't be used.
 */
export const prepareTopics = async (
  kafka: Kafka,
  { createTopics, replication }: Pick<KafkaSettings, 'createTopics' | 'replication'>,
  topic: string,
  partitions: number,
): Promise<number> => {
  const admin = kafka.admin()
  try {
    await admin.connect()
    const wanted = [recordsOf(topic, partitions, replication), progressOf(topic, replication)]
    const existing = new Set(await admin.listTopics())
    const missing = wanted.filter((config) => !existing.has(config.topic))
    if (missing.length > 0) await create(admin, missing, createTopics)
    await led(admin, wanted)
    const { topics } = await admin.fetchTopicMetadata({ topics: wanted.map((config) => config.topic) })
    const count = (name: string) => topics.find((found) => found.name === name)?.partitions.length ?? 0
    if (count(progressTopic(topic)) !== 1) {
      throw new BridgeStopped(`the topic ${progressTopic(topic)} has ${count(progressTopic(topic))} partitions and must have one`)
    }
    return count(topic)
  } finally {
    await admin.disconnect()
  }
}

/** Kept for ever: it is the shop's public record. Who wants less sets less, or makes the topic before. */
const recordsOf = (topic: string, numPartitions: number, replicationFactor: number): ITopicConfig => ({
  topic,
  numPartitions,
  replicationFactor,
  configEntries: [
    { name: 'cleanup.policy', value: 'delete' },
    { name: 'retention.ms', value: '-1' },
  ],
})

/** One record of it counts, and a thousand are written a minute. */
const progressOf = (topic: string, replicationFactor: number): ITopicConfig => ({
  topic: progressTopic(topic),
  numPartitions: 1,
  replicationFactor,
  configEntries: [
    { name: 'cleanup.policy', value: 'compact' },
    { name: 'segment.ms', value: '3600000' },
    { name: 'min.cleanable.dirty.ratio', value: '0.1' },
  ],
})

const create = async (admin: Admin, topics: ITopicConfig[], allowed: boolean): Promise<void> => {
  const names = topics.map(({ topic }) => topic).join(' and ')
  if (!allowed) throw new BridgeStopped(`${names}: no such topic, and KAFKA_CREATE_TOPICS=false says not to make it`)
  try {
    await admin.createTopics({ topics, waitForLeaders: false })
  } catch (error) {
    const errors = error instanceof AggregateError || hasErrors(error) ? error.errors : [error]
    const others = errors.filter((one) => protocolError(one) !== 'TOPIC_ALREADY_EXISTS')
    if (others.length > 0)
      throw new Error(`${names} could not be made: ${others.map((one) => `${one}`).join('; ')}`, { cause: error })
  }
}

/** Milliseconds. */
const patience = 15_000

/**
 * Waits until the leader of each partition answers for it: a topic is made before every broker has heard of it, and before the one that
 * leads it knows that. The library looks once, and gives up.
 */
const led = async (admin: Admin, topics: readonly ITopicConfig[]): Promise<void> => {
  for (const end = performance.now() + patience; ; await sleep(50)) {
    try {
      for (const { topic } of topics) await admin.fetchTopicOffsets(topic)
      return
    } catch (error) {
      if (!isLeaderless(error) || performance.now() > end) throw error
    }
  }
}

const hasErrors = (error: unknown): error is { readonly errors: readonly unknown[] } =>
  typeof error === 'object' && error !== null && 'errors' in error && Array.isArray(error.errors)
