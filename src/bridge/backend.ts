import type { Config } from '../platform/config.js'
import type { Database } from '../platform/database.js'
import { kafkaLog } from './kafka/log.js'
import { readKafkaSettings } from './kafka/settings.js'
import { kafkaSinks } from './kafka/sink.js'
import { postgresLog } from './postgres/log.js'
import { postgresSinks, type Sinks } from './service.js'
import { createTopic, type Topic } from './topic.js'

/** Kafka where brokers are named, else Postgres. Throws `ConfigError`. */
export const createSinks = (
  database: Database,
  { kafkaBrokers, topicPartitions }: Pick<Config, 'kafkaBrokers' | 'topicPartitions'>,
): Sinks =>
  kafkaBrokers ? kafkaSinks(database, readKafkaSettings(kafkaBrokers), topicPartitions) : postgresSinks(database, topicPartitions)

/** The topic that the bridge writes, for those who read it: where it is written. Throws `ConfigError`. */
export const openTopic = (database: Database, { kafkaBrokers }: Pick<Config, 'kafkaBrokers'>, topic = 'orders'): Topic =>
  createTopic(kafkaBrokers ? kafkaLog(readKafkaSettings(kafkaBrokers), topic) : postgresLog(database, topic))
