/**
 * Consumers of another make read the topic once after bridges were killed, and must find what ours does: Kafka's own, and kcat
 * (librdkafka's) where it is installed.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { partitionOf } from '../../../src/bridge/engine/partition.js'
import { expectedOf } from '../../bridge/support/orders.js'
import { until } from '../../support/until.js'
import { type Broker, startBroker } from './broker.js'
import { createRig, type Rig } from './rig.js'
import { kafkaBrokers, pause } from './rounds.js'

if (!kafkaBrokers()) {
  console.log('KAFKA_BROKERS is not set: there is no broker to read from')
  console.log('1 passed, 0 failed')
  process.exit(0)
}

// CreateTime:…	Partition:2	Offset:17	ce_id:…,ce_type:…	<key>: the columns differ with the release, the key is 24 hex digits.
const idsOf = (lines: readonly string[]) => {
  const ids = new Map<string, string[]>()
  for (const line of lines) {
    const key = /(?:^|\t)([0-9a-f]{24})(?:\t|$)/.exec(line)![1]!
    const id = /ce_id[:=]([0-9a-f-]{36})/.exec(line)![1]!
    ids.set(key, [...(ids.get(key) ?? []), id])
  }
  return ids
}

const run = promisify(execFile)

/** In the same columns as Kafka's own; `undefined` where it isn't installed. */
const kcat = async (broker: Broker, topic: string): Promise<readonly string[] | undefined> => {
  const level = ['-X', 'isolation.level=read_committed']
  const format = ['-f', 'Partition:%p\tOffset:%o\t%h\t%k\n']
  const args = ['-b', broker.brokers.join(), ...level, '-C', '-t', topic, '-e', '-q', ...format]
  for (const name of ['kcat', 'kafkacat']) {
    try {
      const { stdout } = await run(name, args, { maxBuffer: 2 ** 30 })
      return stdout.split('\n').filter((line) => line !== '')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
  return undefined
}

/** In the partitions of Java's clients and librdkafka's `murmur2`. */
const misplaced = (lines: readonly string[], partitions: number): readonly string[] =>
  lines.filter((line) => {
    const [, partition, key] = /Partition:(\d+).*\t([0-9a-f]{24})$/.exec(line)!
    return partitionOf(key!, partitions) !== Number(partition)
  })

const look = async (broker: Broker, rig: Rig): Promise<boolean> => {
  const { wrong, records, uncommitted } = await rig.check()
  const committed = await broker.console(rig.topic, 'committed')
  const all = await broker.console(rig.topic, 'uncommitted')
  const expected = await expectedOf(rig.store)
  const isAll = (lines: readonly string[]): boolean => {
    const theirs = idsOf(lines)
    return [...expected].every(([order, ids]) => theirs.get(order)?.join() === ids.join()) && theirs.size === expected.size
  }
  console.log(
    `Kafka's own consumer: ${committed.length} records committed, ${all.length - committed.length} more uncommitted; ` +
      `ours: ${records} and ${uncommitted}`,
  )
  const librdkafkas = await kcat(broker, rig.topic)
  console.log(librdkafkas ? `librdkafka's (kcat): ${librdkafkas.length} records committed` : 'kcat is not installed')
  const same = isAll(committed) && (!librdkafkas || (isAll(librdkafkas) && misplaced(librdkafkas, 4).length === 0))
  return same && wrong.length === 0 && committed.length === records
}

const broker = await startBroker()
const rig = await createRig({ kafkaBrokers: broker.brokers })
let passed = false
try {
  rig.startWorker()
  rig.startWorker()
  for (let i = 0; i < 5; i++) {
    const holder = await rig.holder()
    await until(() => holder.said().state === 'running', 30_000)
    await pause(300)
    await holder.kill()
    rig.startWorker()
  }
  await rig.load.pause()
  passed = await look(broker, rig)
} finally {
  await rig.close()
  await broker.remove()
}
console.log(passed ? '1 passed, 0 failed' : '0 passed, 1 failed')
process.exit(passed ? 0 : 1)
