import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { openTopic } from '../../src/bridge/backend.js'
import { kafkaClient, readKafkaSettings } from '../../src/bridge/kafka/settings.js'
import type { Store } from '../../src/eventstore/store.js'
import type { Database } from '../../src/platform/database.js'
import { lifeOf, live, newOrderId } from '../../test/bridge/support/orders.js'
import { until } from '../../test/support/until.js'

export type LagOptions = {
  readonly store: Store
  readonly database: Database
  readonly topic: string
  /** Accepted events a second. */
  readonly rate: number
  readonly seconds: number
}

/** Appends at a steady rate, each event by itself, and sees each arrive at a consumer of what is committed. */
export const measureLag = async ({ store, database, topic, rate, seconds }: LagOptions): Promise<void> => {
  const arrivals: number[] = []
  let sent = 0
  const arrived = (ceTime: string | undefined) => {
    const at = Date.parse(ceTime ?? '')
    if (at >= began) arrivals.push(Date.now() - at)
  }
  const began = Date.now()
  const stop = process.env.KAFKA_BROKERS ? await consume(topic, arrived) : await follow(database, topic, arrived)
  const end = performance.now() + seconds * 1_000
  const under: Promise<unknown>[] = []
  for (let due = performance.now(); due < end; due += 1_000 / rate) {
    await sleep(due - performance.now())
    // An accepted event by itself: the time in it is that of its append.
    const order = newOrderId()
    under.push(live(store, order, [lifeOf(order)[1]!]))
    sent++
  }
  await Promise.all(under)
  await until(() => arrivals.length >= sent, 30_000)
  await stop()
  arrivals.sort((a, b) => a - b)
  const at = (part: number) => arrivals[Math.min(arrivals.length - 1, Math.floor(arrivals.length * part))]
  console.log(
    `end to end at ${Math.round(sent / seconds)} events/s: ${arrivals.length} of ${sent} arrived; ` +
      `50% within ${at(0.5)} ms, 99% within ${at(0.99)} ms, all within ${at(1)} ms`,
  )
}

const consume = async (topic: string, arrived: (ceTime: string | undefined) => void): Promise<() => Promise<void>> => {
  const kafka = kafkaClient(readKafkaSettings(process.env.KAFKA_BROKERS!.split(','), {}))
  const consumer = kafka.consumer({ groupId: `bench-${randomUUID()}`, maxWaitTimeInMs: 20 })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: false })
  const joined = new Promise((resolve) => consumer.on('consumer.group_join', resolve))
  await consumer.run({ autoCommit: false, eachMessage: async ({ message }) => arrived(`${message.headers?.ce_time}`) })
  await joined
  await sleep(500)
  return () => consumer.disconnect()
}

const follow = async (database: Database, topic: string, arrived: (ceTime: string | undefined) => void) => {
  const reader = openTopic(database, { kafkaBrokers: undefined }, topic)
  const ending = new AbortController()
  const { rows } = await database.pool.query(
    'select coalesce(max(position), 0)::text as last from bridge.record where topic = $1',
    [topic],
  )
  const following = (async () => {
    for await (const record of reader.follow({ after: BigInt(rows[0].last), signal: ending.signal }))
      arrived(record.headers.ce_time)
  })()
  return async () => {
    ending.abort()
    await following
    await reader.close()
  }
}
