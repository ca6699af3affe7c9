import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { fillDemo } from '../../src/cli/commands/demo.js'
import { tableOf } from '../../src/cli/commands/history/replay.js'
import type { ProductId } from '../../src/domain/ids.js'
import { connectStore } from '../../src/eventstore/client.js'
import type { Store } from '../../src/eventstore/store.js'
import { createAsOf } from '../../src/history/as-of.js'
import { loadFile } from '../../src/history/engine/analyst-file.js'
import type { HistoryEvent } from '../../src/history/engine/event.js'
import { readHistory } from '../../src/history/engine/read.js'
import { foldOf, type ReplayOptions, replay } from '../../src/history/replay.js'
import { changedFoldOf, whatIf } from '../../src/history/what-if.js'
import { projections } from '../../src/projections/all.js'
import { evolved, type Folded } from '../../src/projections/engine/fold.js'
import { startEventStore, type TestEventStore } from '../support/eventstore.js'
import { emailKey } from '../support/shop.js'

/** What the tests read of the events that have it. */
type Demo = Omit<HistoryEvent, 'data'> & {
  readonly data: {
    readonly productId: string
    readonly customerId: string
    readonly name: string
    readonly price: number
    readonly status: string
  }
}

/** Each example's answer is held against one that was found another way. */
describe('the examples, on the demo shop', () => {
  let node: TestEventStore
  let store: Store
  let folder: string
  let events: readonly Demo[]

  before(async function () {
    this.timeout(120_000)
    folder = await mkdtemp(join(tmpdir(), 'tillroll-examples-'))
    node = await startEventStore()
    store = connectStore(node.url)
    await fillDemo(store, { emailKey, bcryptCost: 4, claimYoung: 0, cacheStreams: 1_000 })
    const all: HistoryEvent[] = []
    for await (const some of readHistory(source())) all.push(...some)
    events = all as unknown as typeof events
  })
  after(async () => {
    await store.close()
    await node.stop()
    await rm(folder, { recursive: true })
  })
  const source = () => ({ store, storeId: 'demo', folder })

  const run = async <Value>(name: string, options: Partial<ReplayOptions> = {}) => {
    const file = await loadFile(fileURLToPath(new URL(`../../examples/${name}.ts`, import.meta.url)))
    const found: { period: string | undefined; value: Value }[] = []
    for await (const { period, value } of replay(source(), foldOf(file), { filter: {}, ...options }))
      found.push({ period: period?.label, value: value as Value })
    return found
  }
  const of = (type: string) => events.filter((event) => event.type === type)

  it('revenue a day', async () => {
    const days = await run<{ orders: number; revenue: number }>('revenue-a-day', { every: 'day' })
    expect(days.length).to.be.greaterThan(35)
    const placed = of('OrderPlaced')
    expect(placed.length).to.be.greaterThan(20)
    for (const { period, value } of days) {
      const own = placed.filter(({ at }) => at.startsWith(period!))
      expect(value.orders, period).to.equal(own.length)
      expect(value.revenue, period).to.be.closeTo(own.reduce((sum, { data }) => sum + data.price, 0) / 100, 0.001)
    }
    const [whole] = await run<{ orders: number }>('revenue-a-day')
    expect(whole!.value.orders).to.equal(placed.length)
  })

  it('abandoned carts', async () => {
    const [{ value: found } = { value: [] }] =
      await run<readonly { cart: string; products: number; pieces: number; since: string }[]>('abandoned-carts')
    const carts = projections.find(({ name }) => name === 'carts')!
    const rows = new Map<string, Folded>()
    for await (const event of store.readAll()) {
      if (event.streamId.startsWith('cart-')) rows.set(event.streamId, evolved(carts.evolve, rows.get(event.streamId), event))
    }
    const left = [...rows].flatMap(([stream, { row }]) => {
      const lines = row!.lines as readonly { amount: number }[]
      const pieces = lines.reduce((sum, { amount }) => sum + amount, 0)
      return lines.length > 0 ? [{ cart: stream.slice(5), products: lines.length, pieces }] : []
    })
    expect(left).to.not.deep.equal([])
    expect(found.map(({ since: _, ...rest }) => rest)).to.have.deep.members(left)
    expect(found.map(({ since }) => since)).to.deep.equal(found.map(({ since }) => since).sort())
  })

  it('products most often removed from a cart', async () => {
    const [{ value: found } = { value: [] }] = await run<readonly { name: string; removed: number }[]>('removed-from-carts')
    const names = new Map(of('ProductAdded').map(({ data }) => [data.productId, data.name]))
    const removals = of('CartItemRemoved').map(({ data }) => names.get(data.productId))
    expect(removals.length).to.be.greaterThan(5)
    expect(found.reduce((sum, { removed }) => sum + removed, 0)).to.equal(removals.length)
    for (const { name, removed } of found) expect(removed, name).to.equal(removals.filter((one) => one === name).length)
    expect(found.map(({ removed }) => removed)).to.deep.equal(found.map(({ removed }) => removed).sort((a, b) => b - a))
  })

  it('time from registration to first order', async () => {
    const value = (await run<Record<string, number>>('time-to-first-order'))[0]!.value
    const days = of('UserRegistered').flatMap(({ stream, at }) => {
      const first = of('OrderPlaced').find(({ data }) => `user-${data.customerId}` === stream)
      return first ? [(Date.parse(first.at) - Date.parse(at)) / 86_400_000] : []
    })
    expect(value.ordered).to.equal(days.length).and.to.be.greaterThan(5)
    expect(value['mean days']).to.be.closeTo(days.reduce((sum, one) => sum + one, 0) / days.length, 0.006)
    expect(value['median days']).to.be.closeTo(days.sort((a, b) => a - b)[Math.floor(days.length / 2)]!, 0.006)
  })

  it('stock of a product at noon of each day', async () => {
    const past = createAsOf(source())
    const [busiest] = [...of('ProductAdded')].sort((a, b) => busy(b.stream) - busy(a.stream))
    for (const [zone, noon] of [
      ['UTC', 'T12:00:00.999Z'],
      ['Asia/Kolkata', 'T12:00:00.999+05:30'],
    ] as const) {
      const days = await run<{ stock: number }>('stock-at-noon', { every: 'day', zone, filter: { stream: busiest!.stream } })
      expect(new Set(days.map(({ value }) => value.stock)).size).to.be.greaterThan(3)
      for (const { period, value } of days) {
        const time = `${period}${noon}`
        // The first day's noon may be before the shop, and the last one's is not there yet.
        if (Date.parse(time) < Date.parse(busiest!.at) || Date.parse(time) > Date.now()) continue
        const then = await past.product(busiest!.stream.slice('product-'.length) as ProductId, { time })
        expect(value.stock, `${period} ${zone}`).to.equal(then!.value!.stock)
      }
    }
  })
  const busy = (stream: string): number => events.filter((event) => event.stream === stream).length

  it('cancelled orders that cost nothing', async () => {
    const file = await loadFile(fileURLToPath(new URL('../../examples/cancelled-costs-nothing.ts', import.meta.url)))
    const orders = projections.find(({ name }) => name === 'orders')!
    const { columns, changed, parked } = await whatIf(source(), orders, changedFoldOf(file, orders))
    const cancelled = of('OrderStatusChanged').filter(({ data }) => data.status === 'cancelled')
    expect(cancelled).to.not.deep.equal([])
    expect({ columns, changed, parked }).to.deep.equal({
      columns: { price: cancelled.length },
      changed: cancelled.length,
      parked: [],
    })
  })

  it('all print something', async () => {
    for (const name of ['revenue-a-day', 'abandoned-carts', 'removed-from-carts', 'time-to-first-order', 'stock-at-noon']) {
      const [{ value } = { value: [] }] = await run<Record<string, unknown>>(name)
      expect(tableOf([value].flat()), name).to.match(/\n.*\d/)
    }
  })
})
