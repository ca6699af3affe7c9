import { expect } from 'chai'
import { positionOf } from '../../src/eventstore/store.js'
import type { HistoryEvent } from '../../src/history/engine/event.js'
import { UnknownName } from '../../src/history/engine/names.js'
import { followHistory } from '../../src/history/follow.js'
import { pageAfter, pageBefore } from '../../src/history/page.js'
import { NoStream, showStream } from '../../src/history/show.js'
import { requestsOf, trace } from '../../src/history/trace.js'
import { failure } from '../eventstore/contract/store.js'
import { day, type ShopHistory, startShopHistory, writeShop } from './shop-history.js'

const names = (events: readonly HistoryEvent[]) => events.map(({ stream, revision }) => `${stream} ${revision}`)

describe('pages of the history', () => {
  let shop: ShopHistory

  before(async () => {
    shop = await startShopHistory()
    await writeShop(shop, 12)
  })
  after(() => shop.stop())

  const all = async () => (await pageAfter(shop, {}, undefined, { limit: 1_000 })).events

  it('are, one after another, the whole, forwards and backwards', async () => {
    const whole = names(await all())
    expect(whole).to.have.length(19)
    const forwards: string[] = []
    for (let after: bigint | undefined = -1n; after !== undefined; ) {
      const page: Awaited<ReturnType<typeof pageAfter>> = await pageAfter(shop, {}, after < 0n ? undefined : after, { limit: 4 })
      forwards.push(...names(page.events))
      after = page.cursor
    }
    const backwards: string[] = []
    for (let before: bigint | undefined = 2n ** 62n; before !== undefined; ) {
      const page: Awaited<ReturnType<typeof pageBefore>> = await pageBefore(shop, {}, before, { limit: 4 })
      backwards.unshift(...names(page.events))
      before = page.cursor
    }
    expect(forwards).to.deep.equal(whole)
    expect(backwards).to.deep.equal(whole)
  })

  it('have what the filter lets through, masked', async () => {
    const { events } = await pageBefore(shop, { types: ['UserRegistered', 'OrderPlaced'], to: { time: day(4) } }, undefined, {
      limit: 3,
    })
    expect(names(events)).to.deep.equal(['user-u2 0', 'order-o0 0', 'order-o1 0'])
    expect(events[0]!.data).not.to.have.any.keys('name', 'email')
  })

  it('end where so much was looked at, and say where to go on', async () => {
    const found: string[] = []
    for (let after: bigint | undefined = 0n; after !== undefined; ) {
      const page: Awaited<ReturnType<typeof pageAfter>> = await pageAfter(shop, { stream: 'order-o11' }, after, {
        limit: 5,
        budget: 1,
      })
      found.push(...names(page.events))
      if (page.cursor !== undefined) expect(page.cursor > after).to.equal(true)
      after = page.cursor
    }
    expect(found).to.deep.equal(['order-o11 0'])
  })

  it('name the near ones of a type that there is none of', async () => {
    const error = await failure(pageAfter(shop, { types: ['OrderPlacd'] }, undefined, { limit: 1 }))
    expect(error).to.be.instanceOf(UnknownName).with.property('message').that.includes('OrderPlaced')
  })

  it('are followed from where somebody is, as it happens', async () => {
    const end = positionOf(await shop.store.last())
    const ending = new AbortController()
    const head = async () => (await shop.store.last())?.position
    const following = followHistory(shop, { stream: 'product-' }, { after: end, signal: ending.signal, head })
    const next = following.next()
    await shop.append('cart-u2', ['CartItemAdded', { cartId: 'u2', productId: 'p1', amount: 1, at: day(20) }])
    await shop.append('product-p1', ['ProductPriced', { productId: 'p1', price: 500, at: day(20) }])
    expect(names((await next).value as readonly HistoryEvent[])).to.deep.equal(['product-p1 1'])
    ending.abort()
    expect((await following.next()).done).to.equal(true)
  })

  it('of one stream say what each event changed', async () => {
    const shown = await showStream(shop.store, 'product-p1')
    expect(shown.at(-1)!.changes).to.deep.equal([{ column: 'price', before: 450, after: 500 }])
    const [registered, ...rest] = await showStream(shop.store, 'user-u1')
    expect(rest, 'what is secret').to.deep.equal([])
    expect(registered!.event.data).not.to.have.property('name')
    expect(registered!.changes.find(({ column }) => column === 'name')).to.include({ after: 'left out' })
    const [unmasked] = await showStream(shop.store, 'user-u2', { personal: true })
    expect(unmasked!.event.data).to.include({ name: 'Bob' })
    expect(await failure(showStream(shop.store, 'produkt-p1')))
      .to.be.instanceOf(UnknownName)
      .with.property('message')
      .that.includes('product-')
    expect(await failure(showStream(shop.store, 'product-p9'))).to.be.instanceOf(NoStream)
  })

  it('are traced by what caused them', async () => {
    const request = { $correlationId: 'one', actor: 'u1', schema: 1 }
    const [first, second, third] = ['11111111', '22222222', '33333333'].map((id) => `${id}-0000-4000-8000-000000000000`)
    const data = { productId: 'p7', at: day(21) }
    const added = { id: first!, type: 'ProductAdded', data: { ...data, name: 'Oat', stock: 1 }, metadata: request }
    await shop.store.append('product-p7', [added], -1)
    const placed = {
      id: second!,
      type: 'CartItemAdded',
      data: { cartId: 'u9', ...data },
      metadata: { ...request, $causationId: first! },
    }
    await shop.store.append('cart-u9', [placed], -1)
    const priced = { id: third!, type: 'ProductPriced', data: { ...data, price: 3 }, metadata: request }
    await shop.store.append('product-p7', [priced], 0)

    const { correlations, began } = await requestsOf(shop.store, 'cart-u9')
    expect(began).to.equal(day(21))
    const [found, ...others] = await trace(shop, correlations, { from: day(20) })
    expect(others).to.deep.equal([])
    expect(found).to.include({ correlation: 'one', actor: 'u1', at: day(21) })
    const [stream, ...more] = found!.streams
    expect(more).to.deep.equal([])
    expect(stream!.events.map(({ event, caused }) => [event.type, caused.map((one) => one.event.stream)])).to.deep.equal([
      ['ProductAdded', ['cart-u9']],
      ['ProductPriced', []],
    ])
    expect(await trace(shop, new Set(['none']))).to.deep.equal([])
  })
})
