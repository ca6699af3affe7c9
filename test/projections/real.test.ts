import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { connectStore } from '../../src/eventstore/client.js'
import type { Store } from '../../src/eventstore/store.js'
import { projections } from '../../src/projections/all.js'
import { verify } from '../../src/projections/operations/verify.js'
import { rebuild } from '../../src/projections/rebuild/rebuild.js'
import { startEventStore } from '../support/eventstore.js'
import { caughtUp, expectRows, openDatabase, quiet, type Running, start } from './support/engine.js'
import { createHistory } from './support/history.js'

describe('projections over the real event store', () => {
  let eventstore: Awaited<ReturnType<typeof startEventStore>>
  let database: Awaited<ReturnType<typeof openDatabase>>
  let store: Store
  let running: Running
  const history = createHistory(99)
  const revisions = new Map<string, number>()
  const write = async (count: number): Promise<void> => {
    const streams = new Map<string, { type: string; data: object }[]>()
    for (const { streamId, type, data } of history.steps(count)) {
      streams.set(streamId, [...(streams.get(streamId) ?? []), { type, data }])
    }
    const appends = [...streams].map(async ([streamId, events]) => {
      const made = events.map((event) => ({ ...event, id: randomUUID(), metadata: { schema: 1 } }))
      const { revision } = await store.append(streamId, made, revisions.get(streamId) ?? -1)
      revisions.set(streamId, revision)
    })
    await Promise.all(appends)
  }

  before(async () => {
    eventstore = await startEventStore()
    database = await openDatabase()
    store = connectStore(eventstore.url)
    await write(300)
    running = start(database, store)
  })
  after(async () => {
    await running.stop()
    await Promise.all([store.close(), database.drop()])
    await eventstore.stop()
  })

  it('are live, rebuilt by processes of their own, and verified', async () => {
    await caughtUp(database, store)
    await write(300)
    await caughtUp(database, store)
    await expectRows(database, history.expected())
    const seen: string[] = []
    const rebuilt = await rebuild({
      database,
      store,
      projections,
      holder: 'test',
      leaseTtl: 3_000,
      log: quiet,
      signal: new AbortController().signal,
      parallel: 2,
      processes: true,
      onProgress: ({ phase }) => seen.push(phase),
    })
    expect(rebuilt.map(({ live, comparison }) => [live, comparison?.differing])).to.deep.equal(Array(4).fill([true, 0]))
    expect(new Set(seen)).to.include.all.keys('indexing', 'joining', 'comparing')
    await write(100)
    await caughtUp(database, store)
    await expectRows(database, history.expected())
    for (const projection of projections) expect((await verify(database.pool, store, projection)).differences).to.deep.equal([])
  })

  it('end a rebuild within 2 seconds when it is told to, also while its processes load their code', async () => {
    const ending = new AbortController()
    const work = rebuild({
      database,
      store,
      projections,
      holder: 'test',
      leaseTtl: 3_000,
      log: quiet,
      signal: ending.signal,
      parallel: 2,
      processes: true,
    })
    const outcome = work.then(
      () => 'done',
      (error: Error) => error.message,
    )
    const begun = async () =>
      (await database.pool.query("select 1 from tillroll.generation where state = 'building'")).rows.length === projections.length
    while (!(await begun())) await new Promise((resolve) => setTimeout(resolve, 5))
    const told = performance.now()
    ending.abort()
    expect(await outcome).to.match(/cut off; another goes on/)
    expect(performance.now() - told).to.be.below(2_000)
  })
})
