import { projections } from '../../../src/projections/all.js'
import { readCheckpoint } from '../../../src/projections/engine/checkpoint.js'
import type { AnyProjection } from '../../../src/projections/projection.js'
import { type RebuildOptions, type Rebuilt, rebuild } from '../../../src/projections/rebuild/rebuild.js'
import type { RunnerOptions } from '../../../src/projections/runner.js'
import { openDatabase, quiet, type Running, start } from './engine.js'
import { createHistory } from './history.js'
import { createMemoryStore } from './memory.js'

/** For a `describe`: each of its tests gets a database, a store and a history of its own, and what runs on them is stopped after it. */
export const rebuilding = () => {
  const fresh = async () => ({
    database: await openDatabase(),
    memory: createMemoryStore(),
    history: createHistory(20),
    running: [] as Running[],
  })
  const here = {} as Awaited<ReturnType<typeof fresh>>
  beforeEach(async () => {
    Object.assign(here, await fresh())
  })
  afterEach(async () => {
    await Promise.all(here.running.map(({ stop }) => stop()))
    await here.database.drop()
  })
  return Object.assign(here, {
    run: (options: Partial<RunnerOptions> = {}): Running => {
      const one = start(here.database, here.memory.store, options)
      here.running.push(one)
      return one
    },
    build: (which: readonly AnyProjection[] = projections, options: Partial<RebuildOptions> = {}): Promise<readonly Rebuilt[]> =>
      rebuild({
        database: here.database,
        store: here.memory.store,
        projections: which,
        holder: 'test',
        leaseTtl: 3_000,
        lockWait: 200,
        log: quiet,
        signal: new AbortController().signal,
        ...options,
      }),
    live: async (name: string) => (await readCheckpoint(here.database.pool))!.generations[name]!,
  })
}
