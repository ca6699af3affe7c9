import { expect } from 'chai'
import type { OrderId, ProductId, UserId } from '../../src/domain/ids.js'
import { createAsOf, OutsideHistory } from '../../src/history/as-of.js'
import type { Place } from '../../src/history/engine/range.js'
import { createMemoryStore } from '../projections/support/memory.js'

const at = (minute: number) => new Date(Date.UTC(2026, 0, 1, 10, minute)).toISOString()
const ann = '000000010000000000000001' as UserId
const tea = '000000010000000000000002' as ProductId
const milk = '000000010000000000000003' as ProductId
const orderId = '000000010000000000000004' as OrderId
const terms = { items: [{ productId: tea, quantity: 1 }], price: 250, status: 'new' }

describe('as of then', () => {
  const { store, write } = createMemoryStore()
  const past = createAsOf({ store, storeId: 'memory', folder: '/nowhere' })
  write(
    { streamId: `product-${tea}`, type: 'ProductAdded', data: { productId: tea, name: 'Tea', stock: 7, price: 200, at: at(0) } },
    { streamId: `cart-${ann}`, type: 'CartItemAdded', data: { cartId: ann, productId: tea, amount: 1, at: at(1) } },
    { streamId: `cart-${ann}`, type: 'CartItemAdded', data: { cartId: ann, productId: milk, amount: 2, at: at(2) } },
    { streamId: `product-${tea}`, type: 'ProductPriced', data: { productId: tea, price: 250, at: at(3) } },
    { streamId: `cart-${ann}`, type: 'CartItemRemoved', data: { cartId: ann, productId: milk, at: at(4) } },
    { streamId: `order-${orderId}`, type: 'OrderRequested', data: { orderId, customerId: ann, ...terms, at: at(5) } },
    { streamId: `order-${orderId}`, type: 'OrderPlaced', data: { orderId, customerId: ann, ...terms, at: at(5) } },
    { streamId: `order-${orderId}`, type: 'OrderStatusChanged', data: { orderId, status: 'paid', at: at(6) } },
    {
      streamId: `user-${ann}`,
      type: 'UserRegistered',
      data: { userId: ann, name: 'Ann', email: 'a@x', login: 'l', claimRevision: 0, at: at(7) },
    },
    { streamId: `user-${ann}`, type: 'UserErased', data: { userId: ann, at: at(8) } },
  )

  it('is the state at a revision', async () => {
    expect(await past.product(tea, { revision: 0 })).to.deep.include({
      value: { productId: tea, name: 'Tea', stock: 7, price: 200, retired: false },
      revision: 0,
      at: at(0),
    })
    expect((await past.product(tea, { revision: 1 }))?.value?.price).to.equal(250)
    expect(await past.product(tea, { revision: 2 })).to.equal(undefined)
  })
  it('is the longest prefix that is not later than a time', async () => {
    expect((await past.product(tea, { time: at(2) }))?.value?.price).to.equal(200)
    expect((await past.product(tea, { time: at(3) }))?.value?.price).to.equal(250)
    expect((await past.product(tea, { time: '2026-01-01T12:03:00+02:00' }))?.value?.price).to.equal(250)
    expect((await past.product(tea, { time: at(59) }))?.revision).to.equal(1)
  })
  it('is nothing before the stream began, and nothing of a stream that is not there', async () => {
    expect(await past.user(ann, { time: at(6) })).to.equal(undefined)
    expect(await past.user(ann, { position: 900n })).to.deep.include({ revision: 0 })
    expect(await past.user(ann, { position: 800n })).to.equal(undefined)
    expect(await past.product(milk, { revision: 0 })).to.equal(undefined)
  })
  it('is refused before the beginning and after now, with where that is', async () => {
    const refusal = async (moment: Place) => {
      const error = await past.product(tea, moment).catch((reason: unknown) => reason)
      expect(error).to.be.instanceOf(OutsideHistory)
      return (error as Error).message
    }
    expect(await refusal({ time: '2025-12-31T00:00:00Z' })).to.include(`the first event is of ${at(0)}`)
    expect(await refusal({ position: 99n })).to.include('the first event is at 100')
    expect(await refusal({ time: new Date(Date.now() + 3_600_000).toISOString() })).to.include('is after now')
    expect(await refusal({ position: 10n ** 9n })).to.include('after the last event')
    const none = createAsOf({ store: createMemoryStore().store, storeId: 'none', folder: '/nowhere' })
    expect(String(await none.product(tea, { position: 0n }).catch((reason: unknown) => reason))).to.include('no events yet')
  })
  it('is at a position what had happened up to it', async () => {
    expect((await past.product(tea, { position: 399n }))?.value?.price).to.equal(200)
    expect((await past.product(tea, { position: 400n }))?.value?.price).to.equal(250)
    expect((await past.cart(ann, { position: 300n }))?.value?.lines[0]?.product?.price).to.equal(200)
    expect((await past.order(orderId, { position: 700n }))?.value?.status).to.equal('new')
  })
  it('is a cart with its products as they were', async () => {
    const before = await past.cart(ann, { time: at(2) })
    expect(before?.value?.lines).to.deep.equal([
      { productId: tea, amount: 1, product: { productId: tea, name: 'Tea', stock: 7, price: 200, retired: false } },
      { productId: milk, amount: 2 },
    ])
    expect((await past.cart(ann, { revision: 1 }))?.value?.lines).to.deep.equal(before?.value?.lines)
    expect((await past.cart(ann, { revision: 2 }))?.value?.lines[0]?.product?.price).to.equal(250)
  })
  it('is an order once it was accepted', async () => {
    expect(await past.order(orderId, { revision: 0 })).to.equal(undefined)
    expect((await past.order(orderId, { time: at(5) }))?.value).to.deep.include({
      orderId,
      status: 'new',
      placedAt: new Date(at(5)),
    })
    expect((await past.order(orderId, { time: at(6) }))?.value).to.deep.include({ status: 'paid', updatedAt: new Date(at(6)) })
  })
  it('is a user until the erasure', async () => {
    expect((await past.user(ann, { time: at(7) }))?.value?.name).to.equal('Ann')
    expect(await past.user(ann, { time: at(8) })).to.equal(undefined)
  })
  it('stands still before an event that no fold can take, and says why', async () => {
    const bad = '000000010000000000000009'
    write(
      { streamId: `product-${bad}`, type: 'ProductAdded', data: { productId: bad, name: 'Rice', stock: 1, at: at(11) } },
      { streamId: `product-${bad}`, type: 'ProductRenamed', data: null as never },
      { streamId: `order-${bad}`, type: 'OrderSettled', data: { orderId: bad, at: at(11) } },
      { streamId: `cart-${bad}`, type: 'CartItemAdded', data: { cartId: bad, productId: tea, amount: 'three', at: at(11) } },
    )
    for (const moment of [{ revision: 1 }, { time: at(12) }]) {
      const stood = await past.product(bad as ProductId, moment)
      expect(stood).to.deep.include({ revision: 0 })
      expect(stood?.value?.name).to.equal('Rice')
      expect(stood?.parked).to.match(/TypeError/)
    }
    expect(await past.product(bad as ProductId, { revision: 0 })).not.to.have.property('parked')
    const nothing = await past.order(bad as OrderId, { time: at(12) })
    expect(nothing).to.deep.include({ value: undefined, parked: 'OrderSettled before OrderRequested' })
    expect(await past.order(bad as OrderId, { time: at(10) })).to.equal(undefined)
    expect(await past.cart(bad as UserId, { revision: 0 })).to.deep.include({
      value: undefined,
      parked: 'the amount is three, which is no whole number',
    })
  })
  it('reads a long stream page by page', async () => {
    const streamId = `product-${milk}-long`
    const counted = (stock: number) => ({ streamId, type: 'StockCounted', data: { stock, at: at(10) } })
    write({ streamId, type: 'ProductAdded', data: { productId: milk, name: 'Milk', stock: 1, at: at(9) } })
    write(...Array.from({ length: 2_500 }, (_, i) => counted(i)))
    const id = `${milk}-long` as ProductId
    expect((await past.product(id, { time: at(10) }))?.value?.stock).to.equal(2_499)
    expect((await past.product(id, { revision: 1_500 }))?.value?.stock).to.equal(1_499)
    expect((await past.product(id, { revision: 2_000 }))?.value?.stock).to.equal(1_999)
  })
})
