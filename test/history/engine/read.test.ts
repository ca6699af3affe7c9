import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { connectStore } from '../../../src/eventstore/client.js'
import { noStream, type Store } from '../../../src/eventstore/store.js'
import type { HistoryEvent } from '../../../src/history/engine/event.js'
import { blockSize } from '../../../src/history/engine/places.js'
import { readPlace } from '../../../src/history/engine/range.js'
import { endsOf, type HistorySource, type ReadHistory, readHistory } from '../../../src/history/engine/read.js'
import { startEventStore, type TestEventStore } from '../../support/eventstore.js'

describe('reading the history', () => {
  let node: TestEventStore
  let store: Store
  let folder: string
  const source = (): HistorySource => ({ store, storeId: 'store', folder })

  const read = async (options: ReadHistory = {}, from: HistorySource = source()) => {
    const found: HistoryEvent[] = []
    for await (const events of readHistory(from, options)) found.push(...events)
    return found
  }
  const append = (streamId: string, at: number, events: readonly (readonly [string, object])[], metadata: object = {}) =>
    store.append(
      streamId,
      events.map(([type, data]) => ({ id: randomUUID(), type, data, metadata: { schema: 1, ...metadata } })),
      at,
    )
  const day = (n: number) => new Date(Date.UTC(2026, 0, n)).toISOString()
  const registered = (userId: string, n: number) =>
    ['UserRegistered', { userId, name: 'Ada', email: 'ada@example.org', login: 'l', claimRevision: 0, at: day(n) }] as const

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tillroll-history-'))
    node = await startEventStore()
    store = connectStore(node.url)
    await append('tillroll-store', noStream, [['StoreFounded', { emailKeyCheck: 'x', at: day(1) }]])
    await append('user-1', noStream, [registered('1', 1), ['PasswordSet', { userId: '1', hash: 'x', at: day(1) }]], {
      actor: 'anonymous',
      $correlationId: 'c1',
    })
    await append('user-2', noStream, [registered('2', 2)], { actor: 'anonymous', $correlationId: 'c2' })
    await append('product-1', noStream, [['ProductAdded', { productId: '1', name: 'Tea', stock: 3, price: 450, at: day(4) }]], {
      actor: '1',
    })
    // Of a later place, and an earlier time.
    await append('product-2', noStream, [['ProductAdded', { productId: '2', name: 'Milk', stock: 3, at: day(3) }]], {
      actor: '2',
    })
    await append('user-2', 0, [['UserErased', { userId: '2', at: day(5) }]])
    await append('future-1', noStream, [['SomethingNew', { email: 'ada@example.org', at: day(6) }]])
  })
  after(async () => {
    await store.close()
    await node.stop()
    await rm(folder, { recursive: true })
  })

  it('shows what the shop wrote, and nothing secret or personal', async () => {
    const events = await read()
    expect(events.map(({ type }) => type)).to.deep.equal([
      'UserRegistered',
      'UserRegistered',
      'ProductAdded',
      'ProductAdded',
      'UserErased',
      'SomethingNew',
    ])
    const [ada, , tea] = events
    expect(ada).to.deep.include({ stream: 'user-1', category: 'user', revision: 0, actor: 'anonymous', correlation: 'c1' })
    expect(ada!.data).to.deep.equal({ userId: '1', login: 'l', claimRevision: 0, at: day(1) })
    expect(tea!.data).to.deep.equal({ productId: '1', name: 'Tea', stock: 3, price: 450, at: day(4) })
    // Nobody knows yet what is personal in it.
    expect(events.at(-1)!.data).to.deep.equal({})
  })

  it('shows personal data where it is asked for, but for who was erased', async () => {
    const events = await read({ personal: true })
    expect(events[0]!.data).to.include({ name: 'Ada', email: 'ada@example.org' })
    expect(events[1]!.data).to.not.have.any.keys('name', 'email')
    expect(events.some(({ type }) => type === 'PasswordSet')).to.equal(false)
  })

  it('filters', async () => {
    const positions = async (options: ReadHistory) => (await read(options)).map(({ stream, type }) => `${stream} ${type}`)
    expect(await positions({ types: ['UserErased'] })).to.deep.equal(['user-2 UserErased'])
    expect(await positions({ stream: 'user-1' })).to.deep.equal(['user-1 UserRegistered'])
    expect(await positions({ stream: 'product-' })).to.deep.equal(['product-1 ProductAdded', 'product-2 ProductAdded'])
    expect(await positions({ actor: '2' })).to.deep.equal(['product-2 ProductAdded'])
    expect(await positions({ correlation: 'c1' })).to.deep.equal(['user-1 UserRegistered'])
    expect(await positions({ from: readPlace('2026-01-03'), to: readPlace('2026-01-05') })).to.deep.equal([
      'product-1 ProductAdded',
      'product-2 ProductAdded',
    ])
    expect(await positions({ to: readPlace('2026-01-04') })).to.deep.equal([
      'user-1 UserRegistered',
      'user-2 UserRegistered',
      'product-2 ProductAdded',
    ])
    const [, , tea, milk] = await read()
    expect(await positions({ from: { position: tea!.position }, to: { position: milk!.position } })).to.deep.equal([
      'product-1 ProductAdded',
    ])
    // A position between two events.
    expect((await read({ from: { position: tea!.position + 1n } }))[0]!.stream).to.equal('product-2')
    const after = { commit: tea!.position, prepare: tea!.preparePosition }
    expect((await read({ after }))[0]!.stream).to.equal('product-2')
  })

  it('finds the first and the last event', async () => {
    const { first, last } = await endsOf(source())
    expect([first!.type, last!.type]).to.deep.equal(['UserRegistered', 'SomethingNew'])
  })

  it('reads the same of a store that only the client reaches', async () => {
    const { url: _, ...unreachable } = store
    const from = { ...source(), store: unreachable, folder: join(folder, 'client') }
    expect(await read({ personal: true }, from)).to.deep.equal(await read({ personal: true }))
  })

  it('reads only what may hold the time, once it has read it all', async () => {
    const count = 3 * blockSize
    let revision = noStream
    for (let done = 0; done < count; done += 1_024) {
      const batch = Array.from({ length: 1_024 }, (_, i): readonly [string, object] => [
        'StockCounted',
        { productId: '9', stock: i, at: new Date(Date.UTC(2026, 1, 1) + (done + i) * 1_000).toISOString() },
      ])
      revision = (await append('product-9', revision, batch)).revision
    }
    const range = { from: readPlace('2026-02-01T05:00'), to: readPlace('2026-02-01T05:01') }
    let scanned = 0
    const onProgress = (progress: { scanned: number }) => {
      scanned = progress.scanned
    }
    const first = await read({ ...range, onProgress })
    expect(first).to.have.length(60)
    expect(scanned).to.be.greaterThan(count)
    expect(await read({ ...range, onProgress })).to.deep.equal(first)
    expect(scanned).to.be.lessThan(2 * blockSize)
  })
})
