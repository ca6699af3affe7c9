import { type ChildProcess, fork } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Load, LoadResult, Order } from './load.js'
import { cpuByPart, memoryByPart, type Usage } from './processes.js'
import type { Target } from './requests.js'

/** A shop that is loaded, from a process that knows it. */
export type Loaded = {
  readonly pids: readonly number[]
  readonly load: (load: Load) => Promise<LoadResult>
  /** At the same time as a load, by another process. */
  readonly aside: (load: Load) => Promise<LoadResult>
  readonly close: () => void
}

export type Measured = {
  /** Answers of the 2xx kind a second. */
  readonly rate: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
  readonly slowest: number
  /** Microseconds of CPU for each answer, until the shop was quiet again. */
  readonly cpu: Usage
  /** Bytes, when it was quiet again. */
  readonly memory: Usage
  /** What the load itself cost, in microseconds for each answer. */
  readonly load: number
  /** How many answers were none of the 2xx kind, by status: the row has failed. */
  readonly others: LoadResult['others']
  /** How many answers came with a warning that they may be old. */
  readonly stale: number
}

const program = fileURLToPath(new URL('../../dist/bench/shop/load.js', import.meta.url))

export const loaded = (pids: readonly number[], target: Target): Loaded => {
  const loader = (): ChildProcess => {
    const child = fork(program, [], { execArgv: [] })
    child.send({ target } satisfies Order)
    return child
  }
  const child = loader()
  const aside = async (load: Load): Promise<LoadResult> => {
    const other = loader()
    const result = await ask(other, load)
    other.disconnect()
    return result
  }
  return { pids, load: (load) => ask(child, load), aside, close: () => child.connected && child.disconnect() }
}

const ask = (child: ChildProcess, load: Load): Promise<LoadResult> =>
  new Promise((resolve, reject) => {
    const ended = () => reject(new Error('the process of the load has ended'))
    child.once('exit', ended)
    child.once('message', (result) => {
      child.off('exit', ended)
      resolve(result as LoadResult)
    })
    child.send({ run: load } satisfies Order)
  })

/** One load, and what it cost. What goes on beside it begins before and ends after it, is not counted, and adds to the CPU. */
export const measure = async (shop: Loaded, load: Load, beside?: Pick<Load, 'request' | 'connections'>): Promise<Measured> => {
  const before = cpuByPart(shop.pids)
  const going = beside && shop.aside({ ...beside, seconds: load.seconds + 1 })
  if (beside) await sleep(500)
  const { count, seconds, p50, p99, slowest, others, stale, micros } = await shop.load(load)
  await going
  await quiet(shop.pids)
  const after = cpuByPart(shop.pids)
  const each = (part: keyof Usage): number => ((after[part] - before[part]) / count) * 1e6
  const cpu = { app: each('app'), 'event store': each('event store'), Postgres: each('Postgres') }
  return { rate: count / seconds, p50, p99, slowest, cpu, memory: memoryByPart(shop.pids), load: micros, others, stale }
}

const patience = 30_000

/** Until what the requests left to do is done: projecting, above all. */
export const quiet = async (pids: readonly number[]): Promise<void> => {
  const used = () => Object.values(cpuByPart(pids)).reduce((sum, one) => sum + one, 0)
  for (const began = performance.now(); performance.now() - began < patience; ) {
    const before = used()
    await sleep(300)
    // A tenth of a core.
    if (used() - before <= 0.03) return
  }
}

const middle = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)]!

/** The median of each figure over several rounds; what failed is summed up. */
export const medians = (rounds: readonly Measured[]): Measured => {
  const of = (figure: (one: Measured) => number): number => middle(rounds.map(figure))
  const parts = (figure: 'cpu' | 'memory'): Usage => ({
    app: of((one) => one[figure].app),
    'event store': of((one) => one[figure]['event store']),
    Postgres: of((one) => one[figure].Postgres),
  })
  const others: Record<string, number> = {}
  for (const round of rounds)
    for (const [status, count] of Object.entries(round.others)) others[status] = (others[status] ?? 0) + count
  return {
    rate: of(({ rate }) => rate),
    p50: of(({ p50 }) => p50),
    p99: of(({ p99 }) => p99),
    slowest: Math.max(...rounds.map(({ slowest }) => slowest)),
    cpu: parts('cpu'),
    memory: parts('memory'),
    load: of(({ load }) => load),
    others,
    stale: rounds.reduce((sum, { stale }) => sum + stale, 0),
  }
}

/** The median of the ratios of a figure, each of two measurements that followed one another. */
export const ratioOf = (ours: readonly Measured[], plain: readonly Measured[]): number =>
  middle(ours.map(({ rate }, i) => rate / plain[i]!.rate))
