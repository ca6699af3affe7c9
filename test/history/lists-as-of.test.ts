import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import type { UserId } from '../../src/domain/ids.js'
import type { RecordedEvent } from '../../src/eventstore/store.js'
import { createAsOf } from '../../src/history/as-of.js'
import type { CurrentRows } from '../../src/history/engine/list.js'
import { atOf, laterThan } from '../../src/history/engine/moment.js'
import { type Places, writePlaces } from '../../src/history/engine/places.js'
import type { Place } from '../../src/history/engine/range.js'
import { evolved, type Folded } from '../../src/projections/engine/fold.js'
import { type OrderRow, orders } from '../../src/projections/order.js'
import { type ProductRow, products } from '../../src/projections/product.js'
import { type AnyProjection, anyProjection, categoryOf, idOfStream } from '../../src/projections/projection.js'
import { createQueries, type Queries } from '../../src/queries/index.js'
import { caughtUp, openDatabase, type Running, start } from '../projections/support/engine.js'
import { createHistory } from '../projections/support/history.js'
import { createMemoryStore } from '../projections/support/memory.js'

type Then = readonly [streamId: string, row: Record<string, unknown>]

describe('lists as of then', () => {
  let database: Awaited<ReturnType<typeof openDatabase>>
  let running: Running
  let queries: Queries
  let folder: string
  const memory = createMemoryStore()
  const { log } = memory
  let reads = 0
  const counted = {
    ...memory.store,
    read: (...asked: Parameters<typeof memory.store.read>) => {
      reads++
      return memory.store.read(...asked)
    },
  }

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tillroll-lists-'))
    database = await openDatabase()
    queries = createQueries(database)
    memory.write(...createHistory(7).steps(900))
    const at = atOf(log.at(-1)!)
    const added = (n: number) => ({ productId: `ffff${n}`, name: 'Many', stock: n, at })
    memory.write(
      ...Array.from({ length: 230 }, (_, n) => ({ streamId: `product-ffff${n}`, type: 'ProductAdded', data: added(n) })),
    )
    running = start(database, memory.store)
    await caughtUp(database, memory.store)
  })
  after(async () => {
    await running.stop()
    await database.drop()
    await rm(folder, { recursive: true })
  })

  const source = () => ({ store: counted, storeId: 'memory', folder })
  const moments = (): readonly Place[] =>
    log.filter((_, i) => i % 45 === 3).flatMap((event): Place[] => [{ position: event.position }, { time: atOf(event) }])

  /** The plain way: every event that is not later. */
  const rowsThen = (projection: AnyProjection, moment: Place): readonly Then[] => {
    const isLater = laterThan(moment)
    const folded = new Map<string, Folded>()
    for (const event of log as readonly RecordedEvent[]) {
      if (categoryOf(event.streamId) !== projection.category || isLater(event)) continue
      folded.set(event.streamId, evolved(projection.evolve, folded.get(event.streamId), event))
    }
    return [...folded]
      .flatMap(([streamId, { row }]): Then[] => (row ? [[streamId, row]] : []))
      .sort(([a], [b]) => (a < b ? -1 : 1))
  }
  const productsThen = (moment: Place): readonly (readonly [id: string, stock: number])[] =>
    rowsThen(anyProjection(products), moment)
      .map(([stream, row]) => [idOfStream(stream), row as ProductRow] as const)
      .filter(([, { retired }]) => !retired)
      .map(([id, { stock }]) => [id, stock])
  const ordersThen = (moment: Place): readonly (OrderRow & { readonly id: string })[] =>
    rowsThen(anyProjection(orders), moment)
      .map(([stream, row]) => ({ ...(row as OrderRow), id: idOfStream(stream) }))
      .filter(({ placed }) => placed)
      .sort((a, b) => Date.parse(b.placed_at!) - Date.parse(a.placed_at!) || (a.id < b.id ? 1 : -1))

  const productRows: CurrentRows = (after, limit) => queries.productRows(after, limit)
  const listProducts = async (moment: Place, current = productRows) => {
    const found: (readonly [string, number])[] = []
    for await (const { productId, stock } of createAsOf(source()).products(moment, current)) found.push([productId, stock])
    return found
  }
  const listOrders = async (moment: Place, filter: { customerId?: UserId; status?: string; limit?: number } = {}) => {
    const current = (until: string | undefined): CurrentRows => {
      return (after, limit) => queries.orderRows({ customerId: filter.customerId, until, after, limit })
    }
    const found: (readonly [string, string, number])[] = []
    for await (const { orderId, status, price } of createAsOf(source()).orders(moment, filter.status, current))
      found.push([orderId, status, price])
    return found
  }

  const agree = () => {
    it('are the products that were sold then', async () => {
      for (const moment of moments()) expect(await listProducts(moment)).to.deep.equal(productsThen(moment))
    })

    it('are the orders that were placed by then, the newest first, as they were', async () => {
      for (const moment of moments()) {
        const expected = ordersThen(moment)
        expect(await listOrders(moment)).to.deep.equal(expected.map(({ id, status, price }) => [id, status, price]))
        const { customer_id, status_key } = expected[0] ?? {}
        if (!customer_id) continue
        const own = expected.filter((one) => one.customer_id === customer_id)
        expect(await listOrders(moment, { customerId: customer_id })).to.have.length(own.length)
        const same = expected.filter((one) => one.status_key === status_key)
        expect((await listOrders(moment, { status: ` ${status_key!.toUpperCase()}` })).map(([id]) => id)).to.deep.equal(
          same.map(({ id }) => id),
        )
      }
    })
  }

  describe('where nobody has noted yet where which times are', agree)

  describe('where it is noted', () => {
    before(async () => {
      const places: Places = Array.from({ length: Math.floor(log.length / 40) }, (_, i) => {
        const events = log.slice(i * 40, (i + 1) * 40)
        const times = events.map((event) => Date.parse(atOf(event)))
        const { id, position, preparePosition } = events.at(-1)!
        return {
          end: { commit: position, prepare: preparePosition },
          id,
          minAt: Math.min(...times),
          maxAt: Math.max(...times),
        }
      })
      await writePlaces(folder, 'memory', places)
    })
    agree()

    it('fold only what has had events since', async () => {
      reads = 0
      await listOrders({ time: atOf(log.at(-1)!) })
      const atTheEnd = reads
      reads = 0
      await listOrders({ time: atOf(log[Math.floor(log.length / 2)]!) })
      expect(atTheEnd).to.be.lessThan(reads)
      reads = 0
      await listProducts({ position: log.at(-1)!.position })
      expect(reads).to.equal(0)
    })
  })

  it('go on from chunk to chunk', async () => {
    const moment = { position: log.at(-1)!.position }
    const pages: number[] = []
    const current: CurrentRows = async (after, limit) => {
      const rows = await queries.productRows(after, limit)
      pages.push(rows.length)
      return rows
    }
    expect(await listProducts(moment, current)).to.deep.equal(productsThen(moment))
    expect(pages[0]).to.equal(50)
    expect(pages).to.have.length(2)
  })
})
