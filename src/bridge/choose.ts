import type { Config } from '../platform/config.js'
import type { Database } from '../platform/database.js'
import { kafkaSinks } from './kafka.js'
import { readKafkaSettings } from './kafka-settings.js'
import { postgresSinks, type Sinks } from './service.js'

/** Kafka where brokers are named, else Postgres. Throws `ConfigError`. */
export const sinksOf = (
  database: Database,
  { kafkaBrokers, topicPartitions }: Pick<Config, 'kafkaBrokers' | 'topicPartitions'>,
): Sinks =>
  kafkaBrokers ? kafkaSinks(database, readKafkaSettings(kafkaBrokers), topicPartitions) : postgresSinks(database, topicPartitions)
