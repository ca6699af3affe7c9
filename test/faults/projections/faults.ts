import { type ChildProcess, fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { spawnEventStore } from '../../../src/embedded/eventstore/spawn.js'
import { startPostgres } from '../../../src/embedded/postgres/server.js'
import { connectStore } from '../../../src/eventstore/client.js'
import { type Store, StoreUnavailable } from '../../../src/eventstore/store.js'
import { connectDatabase, type Database, migrate } from '../../../src/platform/database.js'
import { projections } from '../../../src/projections/all.js'
import { verify } from '../../../src/projections/operations/verify.js'
import { rebuild } from '../../../src/projections/rebuild/rebuild.js'
import { caughtUp, expectRows, quiet } from '../../projections/support/engine.js'
import { createHistory, randomOf, type Written } from '../../projections/support/history.js'

/**
 * Real faults under load, one a round: after each, the rows equal the history's own account of itself, and what their streams fold to.
 * SECONDS (60) or ROUNDS end it, SEED repeats the same faults in the same order.
 */
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))
const rounds = Number(process.env.ROUNDS ?? Number.POSITIVE_INFINITY)
const until = performance.now() + Number(process.env.SECONDS ?? 60) * 1_000
const random = randomOf(seed)
console.log(`SEED=${seed}`)

const home = await mkdtemp(join(tmpdir(), 'tillroll-faults-'))
const folders = { eventstore: join(home, 'eventstore'), postgres: join(home, 'postgres') }
let eventstore = await spawnEventStore({ folder: folders.eventstore })
let postgres = await startPostgres({ folder: folders.postgres })
const { port: storePort, url: storeUrl } = eventstore
const { port: postgresPort, url: databaseUrl } = postgres
await migrate(databaseUrl)
const store = connectStore(storeUrl)
const database: Database = connectDatabase(databaseUrl)

const runners = new Map<string, ChildProcess>()
const startRunner = (name: string): void => {
  const script = fileURLToPath(new URL('./runner-process.ts', import.meta.url))
  runners.set(name, fork(script, [storeUrl, databaseUrl, name], { execArgv: ['--import', 'tsx'] }))
}
const gone = (child: ChildProcess) => new Promise((resolve) => child.once('exit', resolve))
const holder = async (): Promise<string> => {
  const { rows } = await database.pool.query(`select holder from tillroll.lease where name = 'projections'`)
  return runners.has(rows[0]?.holder) ? rows[0].holder : 'one'
}

const history = createHistory(seed)
const revisions = new Map<string, number>()
/** Written for certain, whatever happens to the store: the same ids again until it answers. */
const write = async ({ streamId, type, data }: Written, to: Store): Promise<void> => {
  const event = { id: randomUUID(), type, data, metadata: {} }
  const revision = revisions.get(streamId) ?? -1
  for (;;) {
    try {
      await to.append(streamId, [event], revision, 2_000)
      revisions.set(streamId, revision + 1)
      return
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
      await sleep(50)
    }
  }
}

let writing = true
const load = async () => {
  while (writing) {
    await write(history.step(), store)
    if (random.below(10) === 0) await sleep(5)
  }
}

const faults: { readonly [name: string]: () => Promise<void> } = {
  'all connections terminated': async () => {
    for (let i = 0; i < 5; i++) {
      await database.pool.query(
        'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
      )
      await sleep(random.below(200))
    }
  },
  'Postgres stopped and started': async () => {
    await postgres.stop()
    await sleep(random.below(2_000))
    postgres = await startPostgres({ folder: folders.postgres, port: postgresPort })
  },
  'Postgres killed and started': async () => {
    postgres.kill()
    await postgres.exited
    postgres = await startPostgres({ folder: folders.postgres, port: postgresPort })
  },
  'the event store killed and started': async () => {
    eventstore.kill()
    await eventstore.exited
    await sleep(random.below(1_000))
    eventstore = await spawnEventStore({ folder: folders.eventstore, port: storePort })
  },
  'the holder killed': async () => {
    const name = await holder()
    const child = runners.get(name)!
    child.kill('SIGKILL')
    await gone(child)
    startRunner(name)
  },
  'the holder stopped, and continued after the takeover': async () => {
    const name = await holder()
    const child = runners.get(name)!
    child.kill('SIGSTOP')
    const began = performance.now()
    while ((await holder()) === name && performance.now() - began < 10_000) await sleep(50)
    const took = performance.now() - began
    child.kill('SIGCONT')
    if (took > 5_000) throw new Error(`the takeover took ${Math.round(took)} ms`)
  },
  'a slow Postgres': async () => {
    const client = await database.pool.connect()
    await client.query('begin')
    await client.query(`select 1 from tillroll.checkpoint for update`)
    await sleep(1_000 + random.below(2_000))
    await client.query('commit')
    client.release()
  },
  'a rebuild cut off, and another': async () => {
    const cut = new AbortController()
    const options = { database, store, projections, holder: 'faults', leaseTtl: 1_500, log: quiet, parallel: 2, processes: true }
    const first = rebuild({ ...options, signal: cut.signal })
    setTimeout(() => cut.abort(), random.below(1_500))
    await Promise.allSettled([first])
    const rebuilt = await rebuild({ ...options, signal: new AbortController().signal })
    const wrong = rebuilt.filter(({ live, comparison }) => !live || (comparison?.differing ?? 0) > 0)
    if (wrong.length > 0) throw new Error(`rebuilt otherwise: ${JSON.stringify(wrong)}`)
  },
}

const check = async (): Promise<void> => {
  for (const projection of projections) {
    const { differences } = await verify(database.pool, store, projection)
    if (differences.length > 0) throw new Error(`not as its stream says: ${JSON.stringify(differences[0])}`)
  }
  await expectRows(database, history.expected())
}

let passed = 0
let failed = 0
startRunner('one')
startRunner('two')
let loading = load()
await caughtUp(database, store).catch(() => undefined)
const names = Object.keys(faults)
for (let round = 0; round < rounds && performance.now() < until; round++) {
  const name = names[round % names.length]!
  try {
    await faults[name]!()
    writing = false
    await loading
    await caughtUp(database, store)
    await check()
    passed++
    console.log(`passed: ${name} (${revisions.size} streams)`)
  } catch (error) {
    failed++
    console.log(`FAILED: ${name}: ${(error as Error).stack}`)
  }
  await loading
  writing = true
  loading = load()
}
writing = false
await loading
for (const child of runners.values()) child.kill('SIGKILL')
await Promise.all([store.close(), database.close()])
await Promise.all([eventstore.stop(), postgres.stop()])
await rm(home, { recursive: true })
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed > 0 ? 1 : 0)
