/**
 * What the bridge reaches, beside what the same writer reaches with the same records and no bridge; and the time from an event's
 * append to a consumer that reads what is committed.
 *
 *   node --import tsx bench/bridge/index.ts [--events 100000] [--rate 500] [--seconds 30]
 *
 * Into Kafka where KAFKA_BROKERS is set (test/kafka.sh starts one), else into Postgres. Event store and Postgres are embedded, in
 * processes of their own.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createBridge } from '../../src/bridge/engine/bridge.js'
import { createGenerations } from '../../src/bridge/engine/generations.js'
import { inRuns } from '../../src/bridge/engine/sink.js'
import { readKafkaSettings } from '../../src/bridge/kafka/settings.js'
import { kafkaSinks } from '../../src/bridge/kafka/sink.js'
import { messageOf, type PublicRecord } from '../../src/bridge/public-record.js'
import { leaseOf, postgresSinks, type Sinks } from '../../src/bridge/service.js'
import { spawnEventStore } from '../../src/embedded/eventstore/spawn.js'
import { startPostgres } from '../../src/embedded/postgres/server.js'
import { connectStore } from '../../src/eventstore/client.js'
import { createFeed } from '../../src/eventstore/feed.js'
import { positionOf, type RecordedEvent, type Store } from '../../src/eventstore/store.js'
import { connectDatabase, type Database, migrate } from '../../src/platform/database.js'
import { expectedOf, live, newOrderId } from '../../test/bridge/support/orders.js'
import { silent } from '../../test/bridge/support/running.js'
import { until } from '../../test/support/until.js'
import { measureLag } from './lag.js'

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '100000' },
    rate: { type: 'string', default: '500' },
    seconds: { type: 'string', default: '30' },
  },
})
const storeId = 'bench'
const partitions = 8
const name = (what: string) => `bench-${process.pid}-${what}`
const folder = await mkdtemp(join(tmpdir(), 'tillroll-bench-'))
const node = await spawnEventStore({ folder: join(folder, 'eventstore') })
const postgres = await startPostgres({ folder: join(folder, 'postgres') })
const store = connectStore(node.url)
const { KAFKA_BROKERS } = process.env

const sinksOf = (database: Database): Sinks =>
  KAFKA_BROKERS
    ? kafkaSinks(database, readKafkaSettings(KAFKA_BROKERS.split(','), {}), partitions)
    : postgresSinks(database, partitions)

const begin = async (database: Database, sinks: Sinks, topic: string) => {
  await createGenerations(database, sinks.kind).begin(topic, await sinks.prepare(topic))
}

const fill = async (events: number): Promise<void> => {
  let orders = Math.ceil(events / 9)
  const filler = async () => {
    while (orders-- > 0) await live(store, newOrderId(), undefined, undefined, true)
  }
  await Promise.all(Array.from({ length: 64 }, filler))
}

const bridgeInto = (database: Database, sinks: Sinks, topic: string, from: Store) => {
  const feed = createFeed({ store: from, log: silent })
  const lease = { database, name: leaseOf(sinks.kind, topic), holder: 'bench', ttl: 3_000 }
  const ending = new AbortController()
  const bridge = createBridge({ feed, store: from, storeId, sink: sinks.sink(topic, lease), lease, log: console })
  const ended = bridge.run(ending.signal)
  const stop = async () => {
    ending.abort()
    await ended
    await feed.close()
  }
  return { bridge, stop }
}

const perSecond = (count: number, since: number) => Math.round((count / (performance.now() - since)) * 1_000)

/** The whole history, as fast as it goes. */
const benchBridge = async (database: Database, sinks: Sinks, topic: string): Promise<number> => {
  await begin(database, sinks, topic)
  const end = positionOf(await store.last())!.commit
  const began = performance.now()
  const { bridge, stop } = bridgeInto(database, sinks, topic, store)
  await until(() => bridge.status().batches > 0)
  const first = performance.now()
  await until(() => (bridge.status().position?.commit ?? 0n) >= end, 600_000)
  const { records, batches } = bridge.status()
  console.log(
    `bridge into ${sinks.kind}: ${perSecond(records, began)} records/s ` +
      `(${records} records in ${batches} transactions of ${Math.round(records / batches)}; first after ${Math.round(first - began)} ms)`,
  )
  await stop()
  return Math.round(records / batches)
}

/** The same records, in transactions of the same size, by the same writer. */
const benchWriter = async (database: Database, sinks: Sinks, topic: string, size: number): Promise<void> => {
  await begin(database, sinks, topic)
  const records: { record: PublicRecord; event: RecordedEvent }[] = []
  for await (const event of store.readAll()) {
    const record = messageOf(event, storeId)
    if (record) records.push({ record, event })
  }
  const lease = { name: leaseOf(sinks.kind, topic), ttl: 3_000 }
  await database.pool.query(`insert into tillroll.lease values ($1, 'bench', 1, 'infinity')`, [lease.name])
  const session = await sinks.sink(topic, lease).open(1, new AbortController().signal)
  const began = performance.now()
  for (let at = 0; at < records.length; at += size) {
    const batch = records.slice(at, at + size)
    const { event } = batch.at(-1)!
    for (const run of inRuns(
      batch.map(({ record }) => record),
      900_000,
    )) {
      await session.write(run, { storeId, at: { ...positionOf(event)!, eventId: event.id } })
    }
  }
  console.log(`writer alone: ${perSecond(records.length, began)} records/s in transactions of ${size}`)
  await session.close()
}

await migrate(postgres.url)
const database = connectDatabase(postgres.url)
const sinks = sinksOf(database)
try {
  console.log(`filling the event store with ${values.events} events`)
  await fill(Number(values.events))
  for (const round of ['a', 'b']) await benchBridge(database, sinks, name(round))
  const size = await benchBridge(database, sinks, name('all'))
  await benchWriter(database, sinks, name('writer'), size)
  await begin(database, sinks, name('lag'))
  const { bridge, stop } = bridgeInto(database, sinks, name('lag'), store)
  const end = positionOf(await store.last())!.commit
  await until(() => (bridge.status().position?.commit ?? 0n) >= end, 600_000)
  await measureLag({ store, database, topic: name('lag'), rate: Number(values.rate), seconds: Number(values.seconds) })
  await stop()
  const expected = await expectedOf(store)
  console.log(`${[...expected.values()].flat().length} accepted events in the store`)
} finally {
  await database.close()
  await store.close()
  await postgres.stop()
  await node.stop()
  await rm(folder, { recursive: true })
}
