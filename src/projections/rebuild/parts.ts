import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { positionOf, type Store, StoreUnavailable } from '../../eventstore/store.js'
import type { Database } from '../../platform/database.js'
import { projections } from '../all.js'
import type { Part } from './fill.js'
import { type BuildingTable, fillPart, partsOf } from './part.js'

/** What a process is given. */
export type PartWork = {
  readonly storeUrl: string
  readonly databaseUrl: string
  readonly tables: readonly { readonly name: string; readonly generation: number }[]
  readonly part: number
  readonly parts: number
  readonly memory: number
  readonly epoch: number
}

/** What a process tells: events since the last time and up to where, that it has come to the end, or why it has not. */
export type PartReport =
  | { readonly events: number; readonly commit?: string; readonly done?: true }
  | { readonly error: PartFailure }

type PartFailure = { readonly name: string; readonly message: string; readonly code?: string }

export type ReadPartsOptions = {
  readonly database: Pick<Database, 'url' | 'pool'>
  readonly store: Pick<Store, 'url' | 'read' | 'readAll' | 'last'>
  readonly tables: readonly BuildingTable[]
  readonly memory: number
  readonly epoch: number
  readonly signal: AbortSignal
  /** Leaves this process free. Only for this release's own projections, over a store that another process can reach. */
  readonly processes: boolean
  readonly onProgress: (events: number, done: number) => void
}

/** Folds all parts to the history's end, each on its own. Answers how many events one of them went through at most. */
export const readParts = async (options: ReadPartsOptions): Promise<number> => {
  const { database, store, tables, signal, onProgress } = options
  const target = Number(positionOf(await store.last())?.commit ?? 0n)
  const all: Part[] = []
  for (const table of tables) all.push(...(await partsOf(database.pool, table)))
  const parts = Math.max(...all.map((part) => part.parts))
  const starts = Array.from({ length: parts }, (_, k) => {
    const own = all.filter(({ part }) => part === k).map(({ at }) => Number(at?.commit ?? 0n))
    return { events: 0, start: Math.min(target, ...own), at: Math.min(target, ...own) }
  })
  // One that fails takes the others with it: they all begin again together.
  const failed = new AbortController()
  const work = starts.map((state, part) => {
    const separate =
      options.processes && store.url !== undefined && tables.every(({ projection }) => projections.includes(projection))
    return (separate ? inProcess : fillPart)({
      ...options,
      part,
      parts,
      signal: AbortSignal.any([signal, failed.signal]),
      onProgress: (events, { commit }) => {
        state.events += events
        state.at = Math.max(state.at, Number(commit))
        const done = starts.map(({ start, at }) => (target > start ? Math.min(1, (at - start) / (target - start)) : 1))
        onProgress(Math.min(...starts.map((each) => each.events)), Math.min(...done))
      },
    }).catch((error: unknown) => {
      failed.abort()
      throw error
    })
  })
  const outcomes = await Promise.allSettled(work)
  const failure = outcomes.find((outcome) => outcome.status === 'rejected')
  if (failure) throw failure.reason
  return Math.max(...starts.map(({ events }) => events))
}

type PartOptions = Parameters<typeof fillPart>[0] & { readonly database: Pick<Database, 'url' | 'pool'> }

const inProcess = async ({
  database,
  store,
  tables,
  part,
  parts,
  memory,
  epoch,
  signal,
  onProgress,
}: PartOptions): Promise<void> => {
  const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const child = fork(fileURLToPath(new URL(`./part-process.${ending}`, import.meta.url)), {
    execArgv: [...process.execArgv, `--max-old-space-size=${heapOf(parts)}`, '--max-semi-space-size=8'],
    // glibc keeps a heap for each thread, and what lies free in one is of no use to the others.
    env: { ...process.env, MALLOC_ARENA_MAX: '1' },
  })
  const work: PartWork = {
    storeUrl: store.url!,
    databaseUrl: database.url,
    tables: tables.map(({ projection, generation }) => ({ name: projection.name, generation })),
    part,
    parts,
    memory,
    epoch,
  }
  const stop = () => {
    if (child.connected) child.disconnect()
    // One that is still loading its code does not hear that. What it has not committed is read again.
    setTimeout(() => child.kill('SIGKILL'), 500).unref()
  }
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  else child.send(work)
  try {
    await new Promise<void>((resolve, reject) => {
      let outcome: Error | 'done' | undefined
      child.on('message', (report: PartReport) => {
        if ('error' in report) outcome = errorOf(report.error)
        else if (report.done) outcome = 'done'
        else onProgress(report.events, { commit: BigInt(report.commit!), prepare: BigInt(report.commit!) })
      })
      child.on('error', reject)
      child.on('exit', (code, killed) => {
        if (outcome === 'done' || signal.aborted) resolve()
        else reject(outcome ?? new Error(`a process of the rebuild ended with ${killed ?? code}`))
      })
    })
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/** MB of each process's heap: all together stay far below what a small machine has. */
const heapOf = (parts: number): number => Math.max(96, Math.floor(160 / parts))

const errorOf = ({ name, message, code }: PartFailure): Error =>
  name === 'StoreUnavailable' ? new StoreUnavailable(message) : Object.assign(new Error(message), { name, code })
