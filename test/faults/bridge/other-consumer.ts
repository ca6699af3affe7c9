/** A consumer of another make, Kafka's own, reads the topic once while bridges were killed: it must find what ours does. */
import { expectedOf } from '../../bridge/support/orders.js'
import { until } from '../../bridge/support/running.js'
import { type Broker, startBroker } from './broker.js'
import { createRig, type Rig } from './rig.js'
import { kafkaBrokers, pause } from './rounds.js'

if (!kafkaBrokers()) {
  console.log('KAFKA_BROKERS is not set: there is no broker to read from')
  console.log('1 passed, 0 failed')
  process.exit(0)
}

// CreateTime:…	Partition:2	Offset:17	ce_id:…,ce_type:…	<key>: the columns differ with the release, the key is 24 hex digits.
const read = (lines: readonly string[]) => {
  const ids = new Map<string, string[]>()
  for (const line of lines) {
    const key = /(?:^|\t)([0-9a-f]{24})(?:\t|$)/.exec(line)![1]!
    const id = /ce_id:([0-9a-f-]{36})/.exec(line)![1]!
    ids.set(key, [...(ids.get(key) ?? []), id])
  }
  return ids
}

const look = async (broker: Broker, rig: Rig): Promise<boolean> => {
  const { wrong, records, uncommitted } = await rig.check()
  const committed = await broker.console(rig.topic, 'committed')
  const all = await broker.console(rig.topic, 'uncommitted')
  const theirs = read(committed)
  const expected = await expectedOf(rig.store)
  console.log(
    `Kafka's own consumer: ${committed.length} records committed, ${all.length - committed.length} more uncommitted; ` +
      `ours: ${records} and ${uncommitted}`,
  )
  const same = [...expected].every(([order, ids]) => theirs.get(order)?.join() === ids.join()) && theirs.size === expected.size
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
