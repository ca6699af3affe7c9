import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EventStoreDBClient, type ResolvedEvent } from '@eventstore/db-client'
import { expect } from 'chai'
import fc from 'fast-check'
import { collect, event } from '../../eventstore/contract/store.js'
import { startEventStore, type TestEventStore } from '../../support/eventstore.js'
import { type Answer, createModel, type Expectation, type Metadata, type Model, type ModelEvent } from './model.js'

type Step =
  | { do: 'append'; stream: string; count: number; expectation: Expectation; atOnce: number }
  | { do: 'repeat'; which: number; expectation: Expectation | 'same'; length: number }
  | { do: 'remove'; stream: string; expectation: Expectation; hard: boolean }
  | { do: 'metadata'; stream: string; metadata: Metadata }
  | { do: 'read'; stream: string; from: number; count: number; backwards: boolean }
  | { do: 'readAll'; at: number; backwards: boolean }
  | { do: 'subscribe'; at: number }
  | { do: 'restart'; crash: boolean }

const stream = fc.constantFrom('a-1', 'a-2', 'b-1')
const expectation = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom<Expectation>('any', 'no_stream', 'stream_exists') },
  { weight: 2, arbitrary: fc.nat(6) },
)
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant('append' as const),
        stream,
        count: fc.nat(3),
        expectation,
        atOnce: fc.integer({ min: 1, max: 3 }),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant('repeat' as const),
        which: fc.nat(20),
        expectation: fc.oneof(expectation, fc.constant('same' as const)),
        length: fc.integer({ min: 1, max: 4 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant('remove' as const), stream, expectation, hard: fc.nat(5).map((n) => n === 0) }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('metadata' as const),
        stream,
        metadata: fc.oneof(fc.record({ maxCount: fc.integer({ min: 1, max: 4 }) }), fc.record({ truncateBefore: fc.nat(8) })),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant('read' as const),
        stream,
        from: fc.nat(8),
        count: fc.integer({ min: 1, max: 6 }),
        backwards: fc.boolean(),
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('readAll' as const), at: fc.nat(30), backwards: fc.boolean() }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('subscribe' as const), at: fc.nat(30) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const), crash: fc.boolean() }) },
  ),
  { minLength: 5, maxLength: 40 },
)

const shape = ({ event: one }: ResolvedEvent): ModelEvent => ({
  stream: one!.streamId,
  id: one!.type.startsWith('$') ? undefined : one!.id,
  type: one!.type,
  revision: one!.type === '$streamDeleted' ? Number.POSITIVE_INFINITY : Number(one!.revision),
})
const clientExpectation = (value: Expectation) => (typeof value === 'number' ? BigInt(value) : value)

/** One run: the node, the model, and what both were asked so far. */
type Run = {
  store: TestEventStore
  client: EventStoreDBClient
  readonly folder: string
  readonly model: Model
  readonly appended: { stream: string; ids: string[]; expectation: Expectation }[]
  readonly subscribers: { seen: ResolvedEvent[]; from: number; leave: () => Promise<void>; follow: () => void }[]
}

const start = async (folder: string) => {
  const store = await startEventStore({ folder, segmentBytes: 3_000 })
  const client = EventStoreDBClient.connectionString(store.url)
  // A port can be one that an earlier node had: the client remembers, for the whole process, that it could not reach it.
  for (let attempt = 0; attempt < 100; attempt++) {
    if ((await outcome(collect(client.readAll({ maxCount: 1 })))) === 'ok') break
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return { store, client }
}

const all = async (run: Run): Promise<ResolvedEvent[]> => (await collect(run.client.readAll())).slice(1)

const outcome = async (work: Promise<unknown>): Promise<'ok' | string> =>
  work.then(
    () => 'ok',
    (error: { type: string }) => error.type,
  )

const append = async (run: Run, name: string, ids: readonly string[], value: Expectation): Promise<void> => {
  const events = ids.map((id) => event('Happened', {}, id))
  const answer = run.model.append(name, ids, value)
  const options = { expectedRevision: clientExpectation(value) }
  const result = await run.client.appendToStream(name, events, options).then(
    ({ nextExpectedRevision }): Answer => ({ ok: true, last: Number(nextExpectedRevision) }),
    (error: { type: 'wrong-expected-version' }): Answer => ({ ok: false, error: error.type }),
  )
  // No revision says where a stream without events is, and the client says 0.
  if (answer.ok && answer.last < 0) expect(result.ok).to.equal(true)
  else expect(result).to.deep.equal(answer)
}

const subscribe = async (run: Run, at: number): Promise<void> => {
  const position = (await all(run))[at]?.event?.position
  const subscriber: Run['subscribers'][number] = {
    seen: [],
    from: position ? at + 1 : 0,
    leave: async () => undefined,
    follow: () => {
      const last = subscriber.seen.at(-1)?.event?.position ?? position
      const subscription = run.client.subscribeToAll({ fromPosition: last ?? 'start' })
      subscription.on('data', (one: ResolvedEvent) => {
        if (one.event!.type !== '$storeCreated') subscriber.seen.push(one)
      })
      subscription.on('error', () => undefined)
      subscriber.leave = () => subscription.unsubscribe()
    },
  }
  subscriber.follow()
  run.subscribers.push(subscriber)
}

const restart = async (run: Run, crash: boolean): Promise<void> => {
  for (const subscriber of run.subscribers) await subscriber.leave()
  await run.client.dispose()
  if (crash) await run.store.node.store.abandon()
  await run.store.node.close()
  Object.assign(run, await start(run.folder))
  for (const subscriber of run.subscribers) subscriber.follow()
}

const take = async (run: Run, step: Step): Promise<void> => {
  switch (step.do) {
    case 'append': {
      for (let i = 0; i < step.atOnce; i++) {
        const ids = Array.from({ length: step.count }, () => randomUUID() as string)
        run.appended.push({ stream: step.stream, ids, expectation: step.expectation })
        await append(run, step.stream, ids, step.expectation)
      }
      break
    }
    case 'repeat': {
      const earlier = run.appended[step.which % Math.max(1, run.appended.length)]
      if (!earlier) break
      const ids = [...earlier.ids, randomUUID()].slice(0, step.length)
      await append(run, earlier.stream, ids, step.expectation === 'same' ? earlier.expectation : step.expectation)
      break
    }
    case 'remove': {
      const answer = run.model.remove(step.stream, step.expectation, step.hard)
      // The client's delete has no word for a stream that exists.
      const options = { expectedRevision: clientExpectation(step.expectation) as bigint }
      if (step.expectation === 'stream_exists') return removeExisting(run, step.stream, step.hard, answer)
      const work = step.hard ? run.client.tombstoneStream(step.stream, options) : run.client.deleteStream(step.stream, options)
      expect(await outcome(work)).to.equal(answer.ok ? 'ok' : answer.error)
      break
    }
    case 'metadata': {
      const answer = run.model.setMetadata(step.stream, step.metadata)
      const { deleted: _, ...metadata } = step.metadata
      expect(await outcome(run.client.setStreamMetadata(step.stream, metadata))).to.equal(answer.ok ? 'ok' : answer.error)
      break
    }
    case 'read': {
      const expected = run.model.read(step.stream)
      const found = await collect(
        run.client.readStream(step.stream, {
          fromRevision: BigInt(step.from),
          maxCount: step.count,
          direction: step.backwards ? 'backwards' : 'forwards',
        }),
      ).catch((error: { type: string }) => error.type)
      if (typeof expected === 'string') expect(found).to.equal(expected)
      else {
        const side = expected.filter(({ revision }) => (step.backwards ? revision <= step.from : revision >= step.from))
        const wanted = (step.backwards ? side.reverse() : side).slice(0, step.count)
        expect((found as ResolvedEvent[]).map(shape)).to.deep.equal(wanted)
      }
      break
    }
    case 'readAll': {
      const position = (await all(run))[step.at]?.event?.position
      if (!position) break
      const found = await collect(
        run.client.readAll({ fromPosition: position, direction: step.backwards ? 'backwards' : 'forwards' }),
      )
      const shapes = found.filter((one) => one.event!.type !== '$storeCreated').map(shape)
      const expected = step.backwards ? run.model.all.slice(0, step.at).reverse() : run.model.all.slice(step.at)
      expect(shapes).to.deep.equal(expected)
      break
    }
    case 'subscribe':
      await subscribe(run, step.at)
      break
    case 'restart':
      await restart(run, step.crash)
      break
  }
}

const removeExisting = (run: Run, name: string, hard: boolean, answer: Answer): Promise<void> =>
  new Promise((resolve, reject) => {
    run.store.node.store.remove(name, -4, hard, Number.POSITIVE_INFINITY, (found) => {
      const kind = found.kind === 'written' ? 'ok' : found.kind === 'deleted' ? 'stream-deleted' : 'wrong-expected-version'
      if (kind === (answer.ok ? 'ok' : answer.error)) resolve()
      else reject(new Error(`expected ${JSON.stringify(answer)}, found ${found.kind}`))
    })
  })

const finish = async (run: Run): Promise<void> => {
  const found = await all(run)
  expect(found.map(shape)).to.deep.equal(run.model.all)
  for (const subscriber of run.subscribers) {
    const expected = run.model.all.slice(subscriber.from)
    for (let i = 0; subscriber.seen.length < expected.length && i < 200; i++)
      await new Promise((resolve) => setTimeout(resolve, 5))
    expect(subscriber.seen.map(shape)).to.deep.equal(expected)
    await subscriber.leave()
  }
}

describe('the embedded event store beside a model of it', () => {
  it('answers alike, whatever it is asked, in any order, over restarts and crashes', async function () {
    this.timeout(60_000)
    await fc.assert(
      fc.asyncProperty(steps, async (todo) => {
        const folder = await mkdtemp(join(tmpdir(), 'tillroll-model-'))
        const run: Run = { ...(await start(folder)), folder, model: createModel(), appended: [], subscribers: [] }
        try {
          for (const step of todo) await take(run, step)
          await finish(run)
        } finally {
          await run.client.dispose()
          await run.store.node.close()
          await rm(folder, { recursive: true, force: true })
        }
      }),
      { numRuns: Number(process.env.RUNS ?? 40), ...(process.env.SEED && { seed: Number(process.env.SEED) }) },
    )
  })
})
