/**
 * What the shop does beside one without events, in turn with it, and beside an empty route. `npm run bench -- --help` lists the options;
 * README.md beside this says what each row means.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { fill } from './fill.js'
import { type Loaded, loaded, type Measured, measure, medians, quiet, ratioOf } from './measure.js'
import { machine, type Result, show } from './report.js'
import { type Row, rowsOf } from './rows.js'
import { startBaseline, startFloor, startOurs } from './shops.js'

const usage = `npm run bench -- [options]
  --quick               two minutes: 64 connections, two short rounds
  --rows a,b            some rows: add, change, cart, products, order, mix
  --connections 1,64    default 1,16,64,256
  --rounds n            default 3
  --seconds n           of each measurement, default 4
  --alone               ours only: what a request costs, twice as quick
  --workers n, --pool n how the shop without events is spread: processes, and connections to Postgres of each
  --profile <folder>    ours only, with a CPU profile of each of its processes
  --json, --markdown    instead of a table for people`

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rows: { type: 'string' },
    connections: { type: 'string' },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    alone: { type: 'boolean', default: false },
    profile: { type: 'string' },
    workers: { type: 'string' },
    pool: { type: 'string' },
    json: { type: 'boolean', default: false },
    markdown: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  console.log(usage)
  process.exit()
}
const { quick, profile, alone = profile !== undefined } = values
const connections = (values.connections ?? (quick ? '64' : '1,16,64,256')).split(',').map(Number)
const rounds = Number(values.rounds ?? (quick ? 2 : 3))
const seconds = Number(values.seconds ?? (quick ? 2 : 4))
const rows = rowsOf(values.rows)
const size = { customers: 500, products: 50, logins: 16 }
const quickly = 4

const folder = await mkdtemp(join(tmpdir(), 'tillroll-bench-'))
const closers: (() => unknown)[] = [() => rm(folder, { recursive: true, force: true })]
const tell = (line: string): void => void process.stderr.write(`${line}\n`)

const ours = async (): Promise<Loaded> => {
  const node = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]
  const { shop, target } = await fill(await startOurs({ folder: join(folder, 'ours'), cost: quickly, node }), size)
  closers.push(shop.stop)
  return withLoad(shop.pids, target)
}

const plain = async (): Promise<Loaded> => {
  const spread = { ...(values.workers && { workers: Number(values.workers) }), ...(values.pool && { pool: Number(values.pool) }) }
  const { shop, target } = await fill(await startBaseline({ folder: join(folder, 'plain'), cost: quickly, ...spread }), size)
  closers.push(shop.stop)
  return withLoad(shop.pids, target)
}

const floor = async (): Promise<Loaded> => {
  const { port, pids, stop } = await startFloor(join(folder, 'floor'))
  closers.push(stop)
  return withLoad(pids, { port, customers: [], products: [], logins: [] })
}

const withLoad = (pids: readonly number[], target: Parameters<typeof loaded>[1]): Loaded => {
  const load = loaded(pids, target)
  closers.push(load.close)
  return load
}

/** Until the code that matters is compiled: the first seconds would tell of nothing else. */
const warm = async (shop: Loaded): Promise<void> => {
  for (const request of ['mix', 'order', 'add', 'change'] as const) await shop.load({ request, connections: 32, seconds: 1 })
  await quiet(shop.pids)
}

/** One row at so many connections: ours and the other in turn. */
const compare = async (row: Row, count: number, ours: Loaded, other: Loaded | undefined): Promise<Result> => {
  const load = { request: row.request, connections: count, seconds, ...(row.narrow && { narrow: row.narrow }) }
  const of = { ours: [] as Measured[], plain: [] as Measured[] }
  for (const shop of other ? [other, ours] : [ours]) await measure(shop, { ...load, seconds: 1 })
  for (let round = 0; round < rounds; round++) {
    if (other) of.plain.push(await measure(other, load))
    of.ours.push(await measure(ours, load))
  }
  const ratio = other && { plain: medians(of.plain), ratio: ratioOf(of.ours, of.plain) }
  tell(
    `${row.name} at ${count}: ${Math.round(medians(of.ours).rate)}/s${ratio ? `, ${ratio.ratio.toFixed(2)} of the other` : ''}`,
  )
  return { row: row.name, connections: count, ours: medians(of.ours), ...ratio }
}

try {
  tell('starting and filling the shops')
  const [own, other] = [await ours(), alone ? undefined : await plain()]
  for (const shop of other ? [own, other] : [own]) await warm(shop)
  const results: Result[] = []
  for (const row of rows) for (const count of connections) results.push(await compare(row, count, own, other))
  const empty = await floor()
  for (const count of connections) {
    await measure(empty, { request: 'floor', connections: count, seconds: 1 })
    results.push({
      row: 'an empty route',
      connections: count,
      ours: await measure(empty, { request: 'floor', connections: count, seconds }),
    })
  }
  show(results, values.json ? 'json' : values.markdown ? 'markdown' : 'text', machine())
  if (results.some(({ ours, plain }) => [ours, plain].some((one) => one && Object.keys(one.others).length > 0)))
    process.exitCode = 1
} finally {
  for (const close of closers.reverse()) await close()
}
