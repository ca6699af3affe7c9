import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { connectStore } from '../../../src/eventstore/client.js'
import { noStream, type Store } from '../../../src/eventstore/store.js'
import { lastBefore, positionsOfRows } from '../../../src/history/engine/find-time.js'
import { type HistorySource, readHistory } from '../../../src/history/engine/read.js'
import { connectDatabase } from '../../../src/platform/database.js'
import { startEventStore, type TestEventStore } from '../../support/eventstore.js'
import { createDatabase } from '../../support/postgres.js'

const hour = 3_600_000
const began = Date.UTC(2026, 0, 1)
const count = 300

describe('a time in the history', () => {
  let node: TestEventStore
  let store: Store
  let home: string
  const positions: bigint[] = []
  let clock = began

  /** An event an hour, each in a stream of its own, stored a moment after it happened. */
  before(async () => {
    home = await mkdtemp(join(tmpdir(), 'tillroll-find-'))
    node = await startEventStore({ now: () => clock })
    store = connectStore(node.url)
    for (let i = 0; i < count; i++) {
      const at = new Date(began + i * hour).toISOString()
      clock = began + i * hour + 5
      const event = {
        id: randomUUID(),
        type: 'StockCounted',
        data: { productId: `p${i}`, stock: i, at },
        metadata: { actor: 'u1', schema: 1 },
      }
      positions.push((await store.append(`product-p${i}`, [event], noStream)).position)
    }
  })
  after(async () => {
    await store.close()
    await node.stop()
    await rm(home, { recursive: true })
  })

  let folders = 0
  const source = (somePositions = async (): Promise<readonly bigint[]> => positions): HistorySource => ({
    store,
    storeId: 'store',
    folder: join(home, `history-${folders++}`),
    somePositions,
  })
  /** The stocks that were read, and how many events were looked at for them. */
  const read = async (of: HistorySource, hours: number): Promise<{ stocks: unknown[]; scanned: number }> => {
    const stocks: unknown[] = []
    let looked = 0
    const from = { time: new Date(began + hours * hour).toISOString() }
    const onProgress = ({ scanned }: { scanned: number }): void => {
      looked = scanned
    }
    for await (const events of readHistory(of, { from, onProgress })) stocks.push(...events.map(({ data }) => data.stock))
    return { stocks, scanned: looked }
  }
  const from = (hours: number): number[] => Array.from({ length: count - hours }, (_, i) => hours + i)

  it('is found without reading what was before it, also where nothing is noted yet', async () => {
    const { stocks, scanned } = await read(source(), 290)
    expect(stocks).to.deep.equal(from(290))
    // What happened within an hour before may say that it was later.
    expect(scanned).to.be.at.most(12)
  })

  it('is found at any hour, with any of the positions', async () => {
    for (const every of [1, 7, 50]) {
      const some = positions.filter((_, i) => i % every === 3 % every)
      for (const hours of [0, 1, 2, 3, 100, 298, 299]) {
        expect(
          (
            await read(
              source(async () => some),
              hours,
            )
          ).stocks,
          `${hours}, every ${every}`,
        ).to.deep.equal(from(hours))
      }
    }
  })

  it('is looked for from the beginning where no position is known', async () => {
    const { stocks, scanned } = await read(
      source(async () => []),
      290,
    )
    expect(stocks).to.deep.equal(from(290))
    expect(scanned).to.be.greaterThan(count)
  })

  it('passes over positions where no event stands', async () => {
    const odd = positions.flatMap((position) => [position - 1n, position])
    expect(
      (
        await read(
          source(async () => odd),
          290,
        )
      ).scanned,
    ).to.be.at.most(12)
  })

  it('holds what happened on a clock that is ahead, and what was written down later', async () => {
    const late = { id: randomUUID(), type: 'StockCounted', metadata: { actor: 'u1', schema: 1 } }
    const happened = [began + 100 * hour, clock + hour - 10]
    for (const [i, time] of happened.entries()) {
      const data = { productId: `late${i}`, stock: 1_000 + i, at: new Date(time).toISOString() }
      positions.push((await store.append(`product-late${i}`, [{ ...late, id: randomUUID(), data }], noStream)).position)
    }
    expect((await read(source(), 100)).stocks).to.include.members([99 + 1, 1_000, 1_001])
    expect((await read(source(), 299)).stocks).to.deep.equal([299, 1_001])
    expect((await read(source(), 299.9)).stocks).to.deep.equal([1_001])
  })

  it('is before all of them, or after', async () => {
    expect(await lastBefore(store, async () => positions, began - hour)).to.equal(undefined)
    expect((await lastBefore(store, async () => positions, began + 1_000 * hour))!.commit).to.equal(positions.at(-1))
    expect(await lastBefore(store, async () => positions, began + 1_000 * hour, positions.at(-1)!)).to.equal(undefined)
  })

  it('is looked for at the positions of the rows, where there are read models', async () => {
    const { url, drop } = await createDatabase()
    const database = connectDatabase(url)
    expect(await positionsOfRows(database)()).to.deep.equal([])
    await database.pool.query(`create view tillroll.orders as select (n * 10)::int8 as position from generate_series(1, 5000) n`)
    const found = await positionsOfRows(database)()
    expect(found.length).to.be.within(900, 1_001)
    expect(found.slice(0, 2)).to.deep.equal([10n, 60n])
    expect([...found].sort((a, b) => Number(a - b))).to.deep.equal(found)
    await database.close()
    await drop()
  })
})
