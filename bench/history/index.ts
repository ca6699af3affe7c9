/**
 * What analysts ask of the history, beside reading it in bulk alone, in the same run.
 * npm run bench:history -- [--events 1000000] [--data <data folder of a seeded store>] [--rows ndjson,sql] [--json]
 */
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { spawnEventStore } from '../../src/embedded/eventstore/spawn.js'
import { startPostgres } from '../../src/embedded/postgres/server.js'
import { connectStore } from '../../src/eventstore/client.js'
import { storeIdentity } from '../../src/eventstore/identity.js'
import { scanAll } from '../../src/eventstore/scan.js'
import { connectDatabase, migrate } from '../../src/platform/database.js'
import { projections } from '../../src/projections/all.js'
import { transaction } from '../../src/projections/engine/batch.js'
import { beginCheckpoint } from '../../src/projections/engine/generations.js'
import { rebuild } from '../../src/projections/rebuild/rebuild.js'
import { type Bench, type Measured, questions, rowNames, timed } from './rows.js'

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '1000000' },
    data: { type: 'string' },
    rows: { type: 'string', default: rowNames.join(',') },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
const chosen = values.rows.split(',')
const unknown = chosen.find((row) => !rowNames.includes(row))
if (values.help || unknown !== undefined || !(Number(values.events) >= 1)) {
  if (unknown !== undefined) console.error(`there is no row ${unknown}`)
  console.error(`npm run bench:history -- [options]
  --events n      in the store that is made for it, default 1000000
  --data <folder> of an event store that bench:seed has filled, instead; a stream of 1,000 events is added to it
  --rows a,b      some rows: ${rowNames.join(', ')}
  --json          for machines`)
  process.exit(values.help ? 0 : 2)
}

const home = await mkdtemp(join(tmpdir(), 'tillroll-bench-'))
const folder = values.data ?? join(home, 'eventstore')
const say = (text: string): void => {
  if (!values.json) console.log(text)
}

if (!values.data) {
  const seed = fileURLToPath(new URL('../seed.ts', import.meta.url))
  execFileSync(process.execPath, ['--import', 'tsx', seed, '--events', values.events, '--data', folder], {
    stdio: values.json ? 'ignore' : ['ignore', 'inherit', 'ignore'],
  })
}
const eventstore = await spawnEventStore({ folder })
const postgres = await startPostgres({ folder: join(home, 'postgres') })
const store = connectStore(eventstore.url)
const database = connectDatabase(postgres.url, { statementTimeout: 0 })

let peak = 0
const memory = setInterval(() => {
  peak = Math.max(peak, process.memoryUsage.rss())
}, 100)

const readInBulk = async (): Promise<Measured> => {
  const { value, ...spent } = await timed(async () => {
    let events = 0
    for await (const batch of scanAll(eventstore.url)) events += batch.length
    return events
  })
  return { events: value, ...spent }
}

type Row = {
  readonly row: string
  readonly seconds: number
  /** Of reading in bulk, in the same minute. */
  readonly share?: number
  readonly eventsPerSecond?: number
  readonly target?: string
  /** CPU of this process for each event, DuckDB's threads included. */
  readonly microseconds?: number
  readonly peakMegabytes: number
}
const rows: Row[] = []

const asText = ({ row, seconds, share, eventsPerSecond, target = '', microseconds, peakMegabytes }: Row): string => {
  const time = seconds < 1 ? `${(seconds * 1_000).toFixed(1)} ms` : `${seconds.toFixed(2)} s`
  const rate = eventsPerSecond === undefined ? '' : `${Math.round(eventsPerSecond).toLocaleString('en')}/s`
  const part = share === undefined ? '' : `${(share * 100).toFixed(0)} %`
  const cpu = microseconds === undefined ? '' : `${microseconds.toFixed(1)} µs`
  const cells = [time.padStart(9), rate.padStart(10), part.padStart(7), cpu.padStart(8), `${peakMegabytes} MB`.padStart(8)]
  return [row.padEnd(52), ...cells, target].join(' ')
}

const note = (
  name: string,
  { seconds, events, cpu }: Measured,
  of: { readonly bulk?: number; readonly target?: string },
): void => {
  const rate = events === undefined ? undefined : events / seconds
  const row: Row = {
    row: name,
    seconds,
    ...(rate !== undefined && { eventsPerSecond: rate }),
    ...(rate !== undefined && of.bulk !== undefined && { share: rate / of.bulk }),
    ...(of.target !== undefined && { target: of.target }),
    ...(events !== undefined && cpu !== undefined && { microseconds: (cpu / events) * 1e6 }),
    peakMegabytes: Math.round(peak / 1e6),
  }
  rows.push(row)
  say(asText(row))
}

try {
  await migrate(postgres.url)
  const { storeId } = await storeIdentity(store, 'the e-mail key of a measurement, long enough')
  const client = await database.pool.connect()
  await transaction(client, async () => beginCheckpoint(client, projections, storeId, await store.last()))
  client.release()
  const log = { info: () => undefined, warn: console.warn }
  const signal = new AbortController().signal
  await rebuild({ database, store, projections, holder: 'bench', leaseTtl: 3_000, parallel: 2, processes: true, log, signal })
  const bench: Bench = { home, store, storeId, database }
  say([''.padEnd(52), 'time'.padStart(9), 'rate'.padStart(10), 'of bulk', 'CPU each', 'memory'.padStart(8), 'target'].join(' '))
  // What is measured once is measured warm, as everything after it is.
  await readInBulk()
  for (const question of questions.filter(({ name }) => chosen.includes(name))) {
    peak = 0
    const bulk = question.besideBulk ? await readInBulk() : undefined
    if (bulk) note('reading in bulk alone', bulk, {})
    peak = 0
    const measured = await question.ask(bench)
    for (const [name, one] of Object.entries(measured))
      note(name, one, { ...(bulk && { bulk: bulk.events! / bulk.seconds }), ...(question.target && { target: question.target }) })
  }
  const { size } = await stat(join(home, 'events.ndjson')).catch(() => ({ size: 0 }))
  if (size > 0) say(`the lines of JSON are ${Math.round(size / 1e6)} MB`)
  if (values.json) console.log(JSON.stringify({ events: Number(values.events), rows }))
} finally {
  clearInterval(memory)
  await Promise.all([store.close(), database.close()])
  await Promise.all([eventstore.stop(), postgres.stop()])
  await rm(home, { recursive: true })
}
