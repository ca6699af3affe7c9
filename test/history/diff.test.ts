import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import fc from 'fast-check'
import type { RecordedEvent } from '../../src/eventstore/store.js'
import { projectionNamed } from '../../src/history/blame.js'
import { diff, NothingBetween, TooMuch } from '../../src/history/diff.js'
import { differences } from '../../src/history/engine/changes.js'
import type { Place } from '../../src/history/engine/range.js'
import { projections } from '../../src/projections/all.js'
import { evolved, type Folded } from '../../src/projections/engine/fold.js'
import { type AnyProjection, categoryOf, idOfStream } from '../../src/projections/projection.js'
import { createHistory } from '../projections/support/history.js'
import { createMemoryStore } from '../projections/support/memory.js'
import { day, type ShopHistory, startShopHistory, writeShop } from './shop-history.js'

type Rows = ReadonlyMap<string, Record<string, unknown>>

/** The plain way: every event of the log, but for those of a stream that come after one that is later. */
const rowsAsOf = (projection: AnyProjection, log: readonly RecordedEvent[], isLater: (event: RecordedEvent) => boolean): Rows => {
  const folded = new Map<string, Folded>()
  const ended = new Set<string>()
  for (const event of log) {
    if (categoryOf(event.streamId) !== projection.category || ended.has(event.streamId)) continue
    if (isLater(event)) ended.add(event.streamId)
    else folded.set(event.streamId, evolved(projection.evolve, folded.get(event.streamId), event))
  }
  return new Map([...folded].flatMap(([stream, { row }]) => (row ? [[idOfStream(stream), row]] : [])))
}

describe('what changed between two moments', () => {
  let shop: ShopHistory
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tillroll-diff-'))
    shop = await startShopHistory()
    await writeShop(shop)
    await shop.append('product-p1', ['StockCounted', { productId: 'p1', stock: 12, at: day(5) }])
    await shop.append('product-p1', ['StockCounted', { productId: 'p1', stock: 10, at: day(6) }])
    await shop.append('user-u2', ['UserRenamed', { userId: 'u2', name: 'Bobby', at: day(6) }])
    await shop.append('user-u2', ['UserErased', { userId: 'u2', at: day(8) }])
  })
  after(async () => {
    await shop.stop()
    await rm(folder, { recursive: true })
  })
  const time = (n: number): Place => ({ time: day(n) })
  const between = async (from: Place, to: Place, name: string, personal = false) => {
    const [found] = await diff(shop, from, to, { projection: projectionNamed(name), personal })
    return found!
  }

  it('is told by projection, and by the request that did it', async () => {
    const all = await diff(shop, time(2), time(3))
    expect(all.map(({ projection, made, changed, gone }) => [projection, made, changed, gone])).to.deep.equal([
      ['users', 0, 0, 0],
      ['products', 0, 0, 0],
      ['carts', 0, 0, 0],
      ['orders', 1, 0, 0],
    ])
    const [request] = all[3]!.requests
    expect(request).to.deep.include({ actor: 'u1', correlation: 'c-order-o0', at: day(2, 9), events: ['OrderPlaced'] })
    expect(request!.rows[0]).to.deep.include({ id: 'o0', change: 'made' })
    expect(request!.rows[0]!.columns).to.deep.include({ column: 'price', before: undefined, after: 450 })
  })

  it('tells what was changed and changed back, and does not count it', async () => {
    const { changed, requests } = await between(time(4), time(7), 'products')
    expect(changed).to.equal(0)
    const stocks = await between(time(4), time(5), 'products')
    expect(stocks).to.deep.include({ made: 0, changed: 1, gone: 0 })
    expect(stocks.requests[0]!.rows).to.deep.equal([
      { id: 'p1', change: 'changed', columns: [{ column: 'stock', before: 10, after: 12 }] },
    ])
    // Both of one request, which changed nothing in all.
    expect(requests).to.deep.equal([])
  })

  it('is the same between the positions of the events', async () => {
    const [placed] = await shop.store.read('order-o1')
    const { position } = placed!
    expect((await between({ position: position - 1n }, { position }, 'orders')).made).to.equal(1)
    expect((await between({ position }, { position: position + 1n }, 'orders')).made).to.equal(0)
    expect((await between(time(1), { position }, 'orders')).made).to.equal(2)
  })

  it('shows no personal data that was not asked for, and none of who was erased, even later', async () => {
    const text = async (personal: boolean, name = 'users') =>
      JSON.stringify((await between(time(0), time(7), name, personal)).requests, (_, one) => (typeof one === 'bigint' ? 0 : one))
    expect(await text(false))
      .to.include('left out')
      .and.not.match(/Countess|Bob|example\.org/)
    expect(await text(true))
      .to.include('Countess')
      .and.not.match(/Bob/)
    const { gone, requests } = await between(time(7), time(9), 'users', true)
    expect(gone).to.equal(1)
    expect(JSON.stringify(requests.map(({ rows }) => rows))).to.not.match(/Bob/)
  })

  it('counts secret events too, without their name', async () => {
    const { requests } = await between({ time: new Date(0).toISOString() }, time(2), 'users')
    expect(requests[0]!.events).to.deep.equal(['UserRegistered', 'secret'])
    expect(requests[0]!.rows[0]!.columns.map(({ column }) => column)).to.include('epoch')
  })

  it('refuses moments the wrong way round, and more than was asked for at most', async () => {
    const refusal = (work: Promise<unknown>) => work.then(String, (error: unknown) => error)
    expect(await refusal(diff(shop, time(3), time(2)))).to.be.instanceOf(NothingBetween)
    expect(await refusal(diff(shop, { position: 9n }, { position: 3n }))).to.be.instanceOf(NothingBetween)
    for (const most of [
      { streams: 3, events: 1_000 },
      { streams: 1_000, events: 3 },
    ])
      expect(await refusal(diff(shop, time(0), time(9), { most }))).to.be.instanceOf(TooMuch)
    expect(await diff(shop, time(0), time(9), { most: { streams: 1_000, events: 1_000 } })).to.have.length(4)
    const ended = AbortSignal.abort(new Error('enough'))
    expect(String(await refusal(diff(shop, time(0), time(9), { signal: ended })))).to.equal('Error: enough')
  })

  it('says which rows stand still before an event that no fold can take', async () => {
    const { store, write } = createMemoryStore()
    const productId = 'p9'
    write(
      { streamId: 'product-p9', type: 'ProductAdded', data: { productId, name: 'Rice', stock: 1, at: day(1) } },
      { streamId: 'product-p9', type: 'ProductPriced', data: { productId, price: 9, at: day(2) } },
      { streamId: 'product-p9', type: 'ProductRenamed', data: null as never },
    )
    const source = { store, storeId: 'memory', folder }
    const [found] = await diff(source, { position: 100n }, { position: 300n }, { projection: projectionNamed('products') })
    expect(found).to.deep.include({ changed: 1 })
    expect(found!.parked[0]!.error).to.match(/TypeError/)
    const [later] = await diff(source, { position: 300n }, { position: 400n }, { projection: projectionNamed('products') })
    expect(later).to.deep.include({ changed: 0, parked: [] })
  })

  it('leads from every state of any history to every later one', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 1_000_000 }),
        fc.nat(149),
        fc.nat(149),
        fc.boolean(),
        async (seed, a, b, timed) => {
          const { store, log, write } = createMemoryStore()
          write(...createHistory(seed).steps(150))
          const [first, last] = [log[Math.min(a, b, log.length - 1)]!, log[Math.min(Math.max(a, b), log.length - 1)]!]
          const timeOf = (event: RecordedEvent): string => (event.data as { at: string }).at
          const [from, to] = [first, last].map((event): Place => (timed ? { time: timeOf(event) } : { position: event.position }))
          const rows = (projection: AnyProjection, event: RecordedEvent): Rows =>
            rowsAsOf(projection, log, (one) => (timed ? timeOf(one) > timeOf(event) : one.position > event.position))
          for (const [i, found] of (await diff({ store, storeId: 'memory', folder }, from!, to!, { personal: true })).entries()) {
            const [before, after] = [rows(projections[i]!, first), rows(projections[i]!, last)]
            const erased = new Set<string>(
              log.filter(({ type }) => type === 'UserErased').map(({ streamId }) => idOfStream(streamId)),
            )
            const reached = new Map<string, Record<string, unknown>>(before)
            for (const { id, change, columns } of found.requests.flatMap((request) => request.rows)) {
              if (change === 'gone') reached.delete(id)
              else
                reached.set(id, {
                  ...reached.get(id),
                  ...Object.fromEntries(columns.map(({ column, after: value }) => [column, value])),
                })
            }
            const visible = (shown: Rows) => Object.fromEntries([...shown].filter(([id]) => !erased.has(id)))
            expect(visible(reached)).to.deep.equal(visible(after))
            const ids = new Set([...before.keys(), ...after.keys()])
            const count = { made: 0, changed: 0, gone: 0 }
            for (const id of ids) {
              const [old, now] = [before.get(id), after.get(id)]
              if (!old) count.made++
              else if (!now) count.gone++
              else if (differences(old, now).length > 0) count.changed++
            }
            expect(found).to.deep.include(count)
          }
        },
      ),
      { numRuns: 40 },
    )
  })
})
