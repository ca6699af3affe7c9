import { connectStore } from '../../eventstore/client.js'
import { connectDatabase } from '../../platform/database.js'
import { projections } from '../all.js'
import { fillPart } from './part.js'
import type { PartReport, PartWork } from './parts.js'

/** A process of a rebuild: folds one part, and tells its parent how far it is. Ends with its parent. */
const stopping = new AbortController()
process.once('disconnect', () => stopping.abort())
// A Ctrl-C reaches the whole group: the parent is who decides.
process.on('SIGINT', () => undefined)

const report = (message: PartReport): Promise<void> =>
  new Promise((resolve) => {
    if (process.connected) process.send!(message, () => resolve())
    else resolve()
  })

const run = async ({ storeUrl, databaseUrl, tables, ...work }: PartWork): Promise<void> => {
  const store = connectStore(storeUrl)
  const database = connectDatabase(databaseUrl, { statementTimeout: 0, connections: 2, applicationName: 'tillroll rebuild' })
  let unreported = 0
  let reported = 0
  try {
    await fillPart({
      ...work,
      database,
      store,
      tables: tables.map(({ name, generation }) => ({
        projection: projections.find((projection) => projection.name === name)!,
        generation,
      })),
      signal: stopping.signal,
      onProgress: (events, position) => {
        unreported += events
        if (performance.now() - reported < 50) return
        void report({ events: unreported, commit: position.commit.toString() })
        unreported = 0
        reported = performance.now()
      },
    })
    await report({ events: unreported, done: true })
  } catch (error) {
    const { name, message, code } = error as Error & { code?: string }
    await report({ error: { name, message, ...(code !== undefined && { code }) } })
  } finally {
    await Promise.all([store.close(), database.close()])
  }
}

process.once('message', async (work: PartWork) => {
  await run(work)
  if (process.connected) process.disconnect()
})
