import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EventStoreDBClient } from '@eventstore/db-client'
import { expect } from 'chai'
import fc from 'fast-check'
import { connectStore } from '../../src/eventstore/client.js'
import { type NewEvent, noStream, type Store, StoreUnavailable, WrongRevision } from '../../src/eventstore/store.js'
import { startEventStore, type TestEventStore } from '../support/eventstore.js'
import { rejection } from '../support/rejection.js'
import { until } from '../support/until.js'

const event = (data: object = {}, type = 'Counted'): NewEvent => ({ id: randomUUID(), type, data, metadata: { actor: 'system' } })

describe('appends of our own', () => {
  let node: TestEventStore
  let direct: Store
  let byClient: Store
  before(async () => {
    node = await startEventStore()
    direct = connectStore(node.url)
    byClient = connectStore(node.url, { through: 'client' })
  })
  after(async () => {
    await Promise.all([direct.close(), byClient.close()])
    await node.stop()
  })

  it('store what the client stores', async () => {
    const json = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue())
    await fc.assert(
      fc.asyncProperty(fc.array(json, { minLength: 1, maxLength: 5 }), fc.string({ unit: 'grapheme' }), async (all, word) => {
        const events = all.map((data) => ({ ...event(data), type: `A${word}` }))
        const written = []
        for (const store of [direct, byClient]) {
          const name = `same-${word}${randomUUID()}`
          const first = await store.append(name, [event()], noStream)
          const { revision, position } = await store.append(name, events, 0)
          expect(position > first.position).to.equal(true)
          const read = await store.read(name)
          expect(read.at(-1)!.position).to.equal(position)
          written.push({ revision, read: read.slice(1).map(({ id, type, data, metadata }) => ({ id, type, data, metadata })) })
        }
        expect(written[0]).to.deep.equal(written[1])
        expect(written[0]!.read).to.deep.equal(JSON.parse(JSON.stringify(events)))
      }),
      { numRuns: 60 },
    )
  })

  it('answer a repeat as the first time', async () => {
    const events = [event({ n: 1 }), event({ n: 2 })]
    const first = await direct.append('repeat-1', events, noStream)
    expect(await direct.append('repeat-1', events, noStream)).to.deep.equal(first)
    expect(await byClient.append('repeat-1', events, noStream)).to.deep.equal(first)
  })

  it('are refused as those of the client', async () => {
    await direct.append('taken-1', [event()], noStream)
    const client = EventStoreDBClient.connectionString(node.url)
    await direct.append('gone-1', [event()], noStream)
    await client.tombstoneStream('gone-1')
    await client.dispose()
    const huge = event({ text: 'x'.repeat(1_100_000) })
    const refused: readonly [string, NewEvent, number][] = [
      ['taken-1', event(), noStream],
      ['taken-1', event(), 5],
      ['gone-1', event(), 0],
      ['huge-1', huge, noStream],
      ['$own-1', event(), noStream],
      ['nameless-1', event({}, ''), noStream],
    ]
    for (const [name, one, at] of refused) {
      const told = await Promise.all(
        [direct, byClient].map(async (store) => {
          const error = (await rejection(store.append(name, [one], at))) as Error
          const cause = error.cause as Error
          return { name: error.name, message: error.message, cause: cause?.constructor.name, why: cause?.message }
        }),
      )
      expect(told[0], name).to.deep.equal(told[1])
    }
    expect(await rejection(direct.append('taken-1', [event()], 5))).to.be.instanceOf(WrongRevision)
  })

  it('keep apart what is under way at once', async () => {
    const appended = await Promise.all(
      Array.from({ length: 300 }, async (_, i) => {
        const name = `many-${i % 100}`
        const outcome = await direct.append(name, [event({ i })], noStream).catch((error: Error) => error.name)
        return { name, i, outcome }
      }),
    )
    for (const { name, i, outcome } of appended) {
      if (typeof outcome === 'string') expect(outcome).to.equal('WrongRevision')
      else expect(((await direct.read(name))[0]!.data as { i: number }).i).to.equal(i)
    }
    expect(appended.filter(({ outcome }) => typeof outcome !== 'string')).to.have.length(100)
  })

  it('fail with their node, and go on with the next', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tillroll-appends-'))
    const first = await startEventStore({ folder })
    const store = connectStore(first.url)
    await store.append('life-1', [event()], noStream)
    await first.stop()
    expect(await rejection(store.append('life-1', [event()], 0, 1_000))).to.be.instanceOf(StoreUnavailable)
    const second = await startEventStore({ folder, port: first.port })
    await until(async () => (await store.append('life-1', [event()], 0).catch(() => undefined))?.revision === 1)
    await store.close()
    await second.stop()
    await rm(folder, { recursive: true })
  })

  it('are given up after their time, where nobody answers', async () => {
    const silent = connectStore('esdb://192.0.2.1:2113?tls=false')
    const began = performance.now()
    expect(await rejection(silent.append('never-1', [event()], noStream, 200))).to.be.instanceOf(StoreUnavailable)
    expect(performance.now() - began).to.be.lessThan(2_000)
    await silent.close()
  })
})
