/** A bridge in a process of its own, as `rig.ts` starts it; it says over IPC how it is. */

import { createSinks } from '../../../src/bridge/backend.js'
import { createBridge } from '../../../src/bridge/engine/bridge.js'
import { leaseOf } from '../../../src/bridge/service.js'
import { connectStore } from '../../../src/eventstore/client.js'
import { createFeed } from '../../../src/eventstore/feed.js'
import { connectDatabase } from '../../../src/platform/database.js'

export type Setup = {
  readonly eventstoreUrl: string
  readonly databaseUrl: string
  readonly kafkaBrokers: readonly string[] | undefined
  readonly topic: string
  readonly leaseTtl: number
}

export type Said = {
  readonly state: string
  readonly records: number
  readonly errors: number
  readonly lastError: string | undefined
}

const { eventstoreUrl, databaseUrl, kafkaBrokers, topic, leaseTtl } = JSON.parse(process.env.BRIDGE_SETUP!) as Setup
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }
const database = connectDatabase(databaseUrl, { connections: 3 })
const store = connectStore(eventstoreUrl)
const feed = createFeed({ store, log: silent })
const sinks = createSinks(database, { kafkaBrokers: kafkaBrokers && [...kafkaBrokers], topicPartitions: 4 })
const lease = { database, name: leaseOf(sinks.kind, topic), holder: `pid ${process.pid}`, ttl: leaseTtl }
const bridge = createBridge({
  feed,
  store,
  storeId: 'faults',
  sink: sinks.sink(topic, lease),
  lease,
  log: silent,
  idleProgress: 200,
})

let last = ''
const tell = () => {
  const { state, records, errors, lastError } = bridge.status()
  const said: Said = { state, records, errors, lastError: lastError?.message }
  const text = JSON.stringify(said)
  if (text !== last) process.send!(said)
  last = text
}
setInterval(tell, 5)
process.on('disconnect', () => process.exit(0))
await bridge.run(new AbortController().signal).catch(tell)
