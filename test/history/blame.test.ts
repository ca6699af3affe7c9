import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import fc from 'fast-check'
import { connectStore } from '../../src/eventstore/client.js'
import { noStream, type Store } from '../../src/eventstore/store.js'
import { blame, projectionNamed } from '../../src/history/blame.js'
import { differences, tracked } from '../../src/history/engine/changes.js'
import { UnknownName } from '../../src/history/engine/names.js'
import { readStreams, wholeStream } from '../../src/history/engine/stream.js'
import { projections } from '../../src/projections/all.js'
import { evolved, type Folded } from '../../src/projections/engine/fold.js'
import { createHistory } from '../projections/support/history.js'
import { createMemoryStore } from '../projections/support/memory.js'
import { startEventStore, type TestEventStore } from '../support/eventstore.js'

const at = (minute: number) => new Date(Date.UTC(2026, 0, 1, 10, 0) + minute * 60_000).toISOString()

describe('blame', () => {
  const products = projectionNamed('products')
  const users = projectionNamed('users')
  let node: TestEventStore
  let store: Store
  const append = async (streamId: string, from: number, events: readonly (readonly [string, object])[], metadata: object) =>
    store.append(
      streamId,
      events.map(([type, data]) => ({ id: randomUUID(), type, data, metadata })),
      from,
    )

  before(async () => {
    node = await startEventStore()
    store = connectStore(node.url)
    await append('product-1', noStream, [['ProductAdded', { name: 'Tea', stock: 7, price: 200, at: at(0) }]], {
      actor: 'sam',
      $correlationId: 'c1',
    })
    await append('product-1', 0, [['StockReserved', { orderId: 'o', orderRevision: 0, was: 0, quantity: 2, at: at(1) }]], {
      actor: 'kim',
      $correlationId: 'c2',
      commandId: 'k2',
    })
    await append('product-1', 1, [['ProductPriced', { price: 250, at: at(2) }]], { actor: 'sam', $correlationId: 'c3' })
    const person = { userId: '1', name: 'Ada', email: 'ada@example.org', login: 'l', claimRevision: 0, at: at(3) }
    await append(
      'user-1',
      noStream,
      [
        ['UserRegistered', person],
        ['PasswordSet', { userId: '1', hash: 'x', at: at(3) }],
      ],
      { actor: 'anonymous' },
    )
  })
  after(async () => {
    await store.close()
    await node.stop()
  })

  it('names for each column the event that set its present value', async () => {
    const found = await blame(store, products, { id: '1' })
    expect(found?.columns.map(({ column, after, cause }) => [column, after, cause.type, cause.revision])).to.deep.equal([
      ['name', 'Tea', 'ProductAdded', 0],
      ['stock', 5, 'StockReserved', 1],
      ['price', 250, 'ProductPriced', 2],
      ['retired', false, 'ProductAdded', 0],
    ])
    expect(found?.columns[1]).to.deep.include({ before: 7, after: 5 })
    expect(found?.columns[1]?.cause).to.deep.include({ at: at(1), actor: 'kim', correlation: 'c2', command: 'k2' })
  })

  it('tells of one column, every change that it ever had', async () => {
    const found = await blame(store, products, { id: '1', column: 'price', all: true })
    expect(found?.columns.map(({ before, after }) => [before, after])).to.deep.equal([
      [undefined, 200],
      [200, 250],
    ])
    expect(await blame(store, products, { id: '2' })).to.equal(undefined)
    const refused = await blame(store, products, { id: '1', column: 'stok' }).catch((error: unknown) => error)
    expect(refused).to.be.instanceOf(UnknownName)
    expect(String(refused)).to.contain('stock')
    expect(() => projectionNamed('product')).to.throw(UnknownName, 'products')
  })

  it('leaves out personal data unless it is asked for, and always which event was secret', async () => {
    const hidden = JSON.stringify(await blame(store, users, { id: '1', all: true }), (_, each) =>
      typeof each === 'bigint' ? 0 : each,
    )
    expect(hidden).to.not.match(/Ada|example\.org|PasswordSet/)
    const shown = await blame(store, users, { id: '1', personal: true })
    expect(shown?.columns.find(({ column }) => column === 'email')?.after).to.equal('ada@example.org')
    expect(shown?.columns.find(({ column }) => column === 'epoch')?.cause.type).to.equal('secret')
  })

  it('shows nothing of who was erased, though it is asked for', async () => {
    const memory = createMemoryStore()
    const person = { userId: '7', name: 'Bob', email: 'bob@example.org', login: 'l', claimRevision: 0, at: at(0) }
    memory.write(
      { streamId: 'user-7', type: 'UserRegistered', data: person },
      { streamId: 'user-7', type: 'UserErased', data: { userId: '7', at: at(1) } },
    )
    for (const moment of [undefined, { revision: 0 }]) {
      const found = await blame(memory.store, users, { id: '7', all: true, personal: true, moment })
      expect(JSON.stringify(found?.columns.map(({ before, after }) => [before, after]))).to.not.match(/bob/i)
    }
  })

  it('stands still before what no fold can take, and says so', async () => {
    const memory = createMemoryStore()
    memory.write(
      { streamId: 'product-9', type: 'ProductAdded', data: { name: 'Rice', stock: 1, at: at(0) } },
      { streamId: 'product-9', type: 'ProductRenamed', data: null as never },
    )
    const found = await blame(memory.store, products, { id: '9', column: 'name' })
    expect(found?.parked).to.match(/TypeError/)
    expect(found?.columns[0]?.after).to.equal('Rice')
  })

  it('reads a stream in bulk as the client reads it', async () => {
    const streams = await readStreams(store)
    for (const stream of ['product-1', 'user-1', 'nothing-1'])
      expect(await wholeStream(streams, stream)).to.deep.equal(await store.read(stream))
    streams.close()
  })

  it('agrees with the plain fold about every row of any history', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000_000 }), (seed) => {
        const memory = createMemoryStore()
        const history = createHistory(seed)
        memory.write(...history.steps(150))
        for (const projection of projections) {
          const own = memory.log.filter(({ streamId }) => streamId.startsWith(`${projection.category}-`))
          for (const stream of new Set(own.map(({ streamId }) => streamId))) {
            const events = own.filter(({ streamId }) => streamId === stream)
            const { steps, parked } = tracked(projection, events)
            expect(parked).to.equal(undefined)
            let plain: Folded | undefined
            const present = new Map<string, unknown>()
            for (const [i, event] of events.entries()) {
              const before = plain?.row
              plain = evolved(projection.evolve, plain, event)
              expect(steps[i]!.folded.row).to.deep.equal(plain.row)
              expect(steps[i]!.changes).to.deep.equal(differences(before, plain.row))
              for (const { column, after } of steps[i]!.changes) present.set(column, after)
            }
            const rebuilt = Object.fromEntries([...present].filter(([, value]) => value !== undefined))
            expect(rebuilt).to.deep.equal(plain?.row ?? {})
          }
        }
      }),
      { numRuns: 25 },
    )
  })
})
