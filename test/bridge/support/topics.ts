import { createGenerations } from '../../../src/bridge/engine/generations.js'
import { postgresLog } from '../../../src/bridge/postgres/log.js'
import { postgresSinks, type Sinks } from '../../../src/bridge/service.js'
import type { TopicLog } from '../../../src/bridge/topic.js'
import type { Database } from '../../../src/platform/database.js'
import type { Expected } from './orders.js'

/** A record as any consumer of the topic finds it. */
export type Seen = {
  readonly partition: number
  readonly offset: bigint
  readonly key: string
  readonly headers: { readonly [name: string]: string }
  readonly value: string
}

/** What the contract needs of a kind of topic. */
export type Topics = {
  readonly sinks: (database: Database, partitions: number) => Sinks
  /** A name that was never used. */
  readonly newName: () => string
  /** Everything that was committed to the topic, each partition in its order. */
  readonly readAll: (database: Database, topic: string) => Promise<readonly Seen[]>
  /** Begins the topic. */
  readonly begin: (database: Database, topic: string, partitions: number) => Promise<Sinks>
  /** What the HTTP route reads. */
  readonly log: (database: Database, topic: string) => TopicLog
  readonly remove: (topic: string) => Promise<void>
}

type Row = Omit<Seen, 'offset'> & { readonly offset: number }

export const postgresTopics: Topics = {
  sinks: postgresSinks,
  newName: () => `orders-${Math.random().toString(36).slice(2)}`,
  readAll: async ({ pool }, topic) => {
    const { rows } = await pool.query<Row>(
      `select partition, "offset", key, headers, value::text from bridge.record where topic = $1 order by partition, "offset"`,
      [topic],
    )
    return rows.map((row) => ({ ...row, offset: BigInt(row.offset) }))
  },
  begin: async (database, topic, partitions) => {
    await createGenerations(database, 'postgres').begin(topic, partitions)
    return postgresSinks(database, partitions)
  },
  log: postgresLog,
  // It goes with its database.
  remove: async () => undefined,
}

/** For each order, the event ids of its records, in the order of its partition. */
export const idsOf = (seen: readonly Seen[]): Expected => {
  const ids = new Map<string, string[]>()
  for (const { key, headers } of seen) ids.set(key, [...(ids.get(key) ?? []), headers.ce_id!])
  return ids
}

/** What is wrong with a topic, in words; empty where each accepted event is there once, in order, in one partition. */
export const differences = (expected: Expected, seen: readonly Seen[]): readonly string[] => {
  const actual = idsOf(seen)
  const wrong: string[] = []
  for (const [order, ids] of expected) {
    const found = actual.get(order) ?? []
    if (found.join() !== ids.join()) wrong.push(`${order}: ${ids.length} expected (${ids}), ${found.length} found (${found})`)
  }
  for (const order of actual.keys()) if (!expected.has(order)) wrong.push(`${order}: not expected`)
  const partitions = new Map<string, number>()
  for (const { key, partition } of seen) {
    if ((partitions.get(key) ?? partition) !== partition) wrong.push(`${key}: in two partitions`)
    partitions.set(key, partition)
  }
  return wrong
}
