import { connectStore } from '../../../src/eventstore/client.js'
import { createFeed } from '../../../src/eventstore/feed.js'
import { connectDatabase } from '../../../src/platform/database.js'
import { projections } from '../../../src/projections/all.js'
import { runProjections } from '../../../src/projections/runner.js'

/** A process that projects, to be killed and stopped: node --import tsx runner-process.ts <event store> <database> <name> */
const [storeUrl, databaseUrl, holder] = process.argv.slice(2) as [string, string, string]
const ending = new AbortController()
process.once('disconnect', () => process.exit(0))
process.once('SIGTERM', () => ending.abort())
const log = { info: () => undefined, warn: () => undefined, error: () => undefined }
const store = connectStore(storeUrl)
const database = connectDatabase(databaseUrl)
const feed = createFeed({ store, log })
await runProjections({
  database,
  store,
  feed,
  projections,
  storeId: 'faults',
  log,
  holder,
  leaseTtl: 1_500,
  signal: ending.signal,
})
process.exit(0)
