import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { spawnEventStore } from '../../src/embedded/eventstore/spawn.js'
import { startPostgres } from '../../src/embedded/postgres/server.js'
import { connectStore } from '../../src/eventstore/client.js'
import { scanAll } from '../../src/eventstore/scan.js'
import { connectDatabase, migrate } from '../../src/platform/database.js'
import { projections } from '../../src/projections/all.js'
import { transaction } from '../../src/projections/engine/batch.js'
import { beginCheckpoint } from '../../src/projections/engine/generations.js'
import { foldedOf, openTable, type StoredRow } from '../../src/projections/engine/tables.js'
import { copyRows } from '../../src/projections/rebuild/copy.js'
import { rebuild } from '../../src/projections/rebuild/rebuild.js'
import { cpuSeconds, residentBytes } from './cpu.js'
import { measureLag } from './live.js'

const usage = `npm run bench:projections -- <folder of an event store, as bench:seed makes one> [options]
  --parts n     the rebuild's, each in a process of its own; default 1, which is the fastest on two cores
  --seconds n   of each live load, default 10`
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { parts: { type: 'string', default: '1' }, seconds: { type: 'string', default: '10' }, help: { type: 'boolean' } },
})
const [folder] = positionals
const parallel = Number(values.parts)
const seconds = Number(values.seconds)
if (values.help || !folder || !(parallel >= 1) || !(seconds > 0)) {
  console.log(usage)
  process.exit(values.help ? 0 : 1)
}
const log = { info: console.log, warn: console.warn, error: console.error }

const home = await mkdtemp(join(tmpdir(), 'tillroll-bench-'))
const eventstore = await spawnEventStore({ folder })
const postgres = await startPostgres({ folder: join(home, 'postgres') })
const store = connectStore(eventstore.url)
const database = connectDatabase(postgres.url, { statementTimeout: 0 })

let peak = 0
const memory = setInterval(() => {
  peak = Math.max(peak, residentBytes(process.pid, [eventstore.pid, postgres.pid]))
}, 200)

/** Answers the rate a second. */
const measured = async (name: string, work: () => Promise<number>): Promise<number> => {
  peak = 0
  // The event store and Postgres are this process's children; what else it started belongs to it.
  const usage = () => ({
    here: cpuSeconds(process.pid, [eventstore.pid, postgres.pid]),
    ofStore: cpuSeconds(eventstore.pid),
    ofPostgres: cpuSeconds(postgres.pid),
  })
  const before = usage()
  const began = performance.now()
  const count = await work()
  const seconds = (performance.now() - began) / 1_000
  const after = usage()
  const micro = (cpu: number) => `${((cpu / count) * 1e6).toFixed(1)} µs`
  console.log(
    `${name}: ${count} in ${seconds.toFixed(1)} s, ${Math.round(count / seconds)}/s; CPU each: here ${micro(after.here - before.here)}, ` +
      `event store ${micro(after.ofStore - before.ofStore)}, Postgres ${micro(after.ofPostgres - before.ofPostgres)}; here at most ${Math.round(peak / 1e6)} MB`,
  )
  return count / seconds
}

try {
  await migrate(postgres.url)
  let events = 0
  await measured("the client's readAll alone", async () => {
    for await (const _ of store.readAll()) events++
    return events
  })
  const reading = await measured('reading in bulk alone', async () => {
    let count = 0
    for await (const batch of scanAll(eventstore.url)) count += batch.length
    return count
  })
  const last = (await store.last())!
  const client = await database.pool.connect()
  await transaction(client, () => beginCheckpoint(client, projections, 'bench', last))
  client.release()
  const rebuilding = await measured('rebuild --all, with index and comparison', async () => {
    const rebuilt = await rebuild({
      database,
      store,
      projections,
      holder: 'bench',
      leaseTtl: 3_000,
      parallel,
      processes: true,
      log,
      signal: new AbortController().signal,
    })
    if (!rebuilt.every(({ live }) => live)) throw new Error('not live')
    return events
  })
  console.log(`the rebuild of ${projections.length} projections beside reading in bulk: ${(rebuilding / reading).toFixed(2)}`)
  for (const { name } of projections) {
    const { rows } = await database.pool.query(`select count(*)::int8 as count from tillroll.${name}_1`)
    console.log(`${name}: ${rows[0].count} rows`)
  }
  await measured('COPY of the same rows alone', async () => {
    let rows = 0
    for (const projection of projections) {
      const from = await openTable(database.pool, projection, 1)
      await database.pool.query(`create table copied (like ${from.name} including all)`)
      const all = await database.pool.query<StoredRow>(
        `select stream_id, revision::text, position::text, row_to_json(t)::text as row from ${from.name} t`,
      )
      const into = await database.pool.connect()
      await copyRows(into, { ...from, name: 'copied' }, all.rows.map(foldedOf))
      await into.query('drop table copied')
      into.release()
      rows += all.rows.length
    }
    return rows
  })
  await measureLag(store, database, seconds)
} finally {
  clearInterval(memory)
  await Promise.all([store.close(), database.close()])
  await Promise.all([eventstore.stop(), postgres.stop()])
  await rm(home, { recursive: true })
}
