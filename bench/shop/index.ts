/**
 * What the shop does beside one without events, in turn with it, and beside an empty route. `npm run bench -- --help` lists the options;
 * the README of the folder above says what each row means.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { compare } from './compare.js'
import { fill } from './fill.js'
import { type Loaded, loaded, measure, quiet } from './measure.js'
import { readOptions } from './options.js'
import { hasFailed, machine, type Result, show } from './report.js'
import type { Target } from './requests.js'
import { startBaseline, startFloor, startOurs } from './shops.js'

const options = readOptions()
const { rows, connections, growth } = options
const size = { customers: 500, products: 50, logins: 16 }
/** bcrypt's, while the shops are filled. */
const cost = 4

const folder = await mkdtemp(join(tmpdir(), 'tillroll-bench-'))
const closers: (() => unknown)[] = [() => rm(folder, { recursive: true, force: true })]
const tell = (line: string): void => void process.stderr.write(`${line}\n`)

const withLoad = (pids: readonly number[], target: Target): Loaded => {
  const load = loaded(pids, target)
  closers.push(load.close)
  return load
}

/** Until the code that matters is compiled: the first seconds would tell of nothing else. */
const warm = async (shop: Loaded): Promise<Loaded> => {
  for (const request of ['mix', 'order', 'add', 'change'] as const) await shop.load({ request, connections: 32, seconds: 1 })
  await quiet(shop.pids)
  return shop
}

const ours = async (home: string): Promise<Loaded> => {
  const node = options.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${options.profile}`]
  const started = await startOurs({ folder: home, cost, node })
  closers.push(started.stop)
  const { shop, target } = await fill(started, size, ({ stop }) => closers.push(stop))
  return warm(withLoad(shop.pids, target))
}

const plain = async (): Promise<Loaded> => {
  const { workers, pool } = options
  const started = await startBaseline({ folder: join(folder, 'plain'), cost, workers, pool })
  closers.push(started.stop)
  const { shop, target } = await fill(started, size, ({ stop }) => closers.push(stop))
  return warm(withLoad(shop.pids, target))
}

const floor = async (): Promise<readonly Result[]> => {
  const { port, pids, stop } = await startFloor(join(folder, 'floor'))
  closers.push(stop)
  const empty = withLoad(pids, { port, customers: [], products: [], logins: [] })
  const row = { name: 'an empty route', request: 'floor' } as const
  const results: Result[] = []
  await measure(empty, { request: 'floor', connections: 64, seconds: 2 })
  for (const count of connections) results.push(await compare(row, count, empty, undefined, options))
  return results
}

const all = async (own: Loaded, other: Loaded | undefined, named = ''): Promise<readonly Result[]> => {
  const results: Result[] = []
  for (const row of rows) {
    for (const count of row.connections ? [row.connections] : connections) {
      const result = await compare({ ...row, name: `${row.name}${named}` }, count, own, other, options)
      const beside = result.ratio === undefined ? '' : `, ${result.ratio.toFixed(2)} of the other`
      tell(
        `${result.row} at ${count}: ${Math.round(result.ours.rate)}/s${beside}; the slowest took ${Math.round(result.ours.slowest)} ms`,
      )
      results.push(result)
    }
  }
  return results
}

const run = promisify(execFile)
const seed = fileURLToPath(new URL('../seed.ts', import.meta.url))

const grown = async (events: number): Promise<Loaded> => {
  tell(`a shop with ${events} events in its store`)
  const home = join(folder, `${events}`)
  await run(process.execPath, ['--import', 'tsx', seed, '--events', `${events}`, '--data', join(home, 'data/eventstore')])
  return ours(home)
}

/** Each larger store beside the smallest. */
const growing = async (): Promise<readonly Result[]> => {
  const [smallest = 0, ...larger] = growth
  const small = await grown(smallest)
  const results: Result[] = []
  for (const events of larger) results.push(...(await all(await grown(events), small, `, ${events.toLocaleString('en')} events`)))
  return results
}

const beside = async (): Promise<readonly Result[]> => {
  tell('starting and filling the shops')
  const own = await ours(join(folder, 'ours'))
  const other = options.alone ? undefined : await plain()
  return [...(await all(own, other)), ...(await floor())]
}

/** One that fails must not leave the others running. */
const closeAll = async (): Promise<void> => {
  for (let close = closers.pop(); close; close = closers.pop()) {
    try {
      await close()
    } catch (error) {
      tell(`at the end: ${error}`)
      process.exitCode = 1
    }
  }
}
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, async () => {
    await closeAll()
    process.exit(1)
  })

try {
  const results = growth.length > 0 ? await growing() : await beside()
  const other = growth.length > 0 ? `${growth[0]!.toLocaleString('en')} events` : 'plain'
  show(results, { format: options.format, machine: machine(), other })
  if (hasFailed(results)) process.exitCode = 1
} finally {
  await closeAll()
}
