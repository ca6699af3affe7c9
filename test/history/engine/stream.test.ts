import { expect } from 'chai'
import { readStreams } from '../../../src/history/engine/stream.js'
import { day, type ShopHistory, startShopHistory } from '../shop-history.js'

describe('reading single streams', () => {
  let shop: ShopHistory
  before(async () => {
    shop = await startShopHistory()
    const counted = (n: number) => ['StockCounted', { productId: 'p1', stock: n, note: 'x'.repeat(400), at: day(1) }] as const
    await shop.append('product-p1', ...Array.from({ length: 400 }, (_, n) => counted(n)))
  })
  after(() => shop.stop())

  it('can be broken off as often as one likes, by several at once', async function () {
    this.timeout(60_000)
    const streams = await readStreams(shop.store)
    let events = 0
    const some = async (): Promise<void> => {
      for (let n = 0; n < 150; n++)
        for await (const page of streams.read('product-p1')) {
          events += page.length
          break
        }
    }
    await Promise.all(Array.from({ length: 16 }, some))
    expect(events).to.be.greaterThan(0)
    let whole = 0
    for await (const page of streams.read('product-p1')) whole += page.length
    expect(whole).to.equal(400)
    streams.close()
  })
})
