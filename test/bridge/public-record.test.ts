import { expect } from 'chai'
import { messageOf, Unpublishable } from '../../src/bridge/public-record.js'
import type { OrderEvent } from '../../src/domain/order.js'
import type { RecordedEvent } from '../../src/eventstore/store.js'
import { breaches } from './support/published.js'

const orderId = '694799600000000000003039'
const customerId = 'ffffffff00000000001fffff'
const productId = '0123456789abcdef01234567'
const at = '2026-01-02T03:04:05.678Z'
const storeId = '8a1f7f2e-2f60-4b0f-9f6e-0a4b7c9d1e21'

const recorded = (event: { type: string; data: unknown }, more: Partial<RecordedEvent> = {}): RecordedEvent => ({
  id: '11111111-2222-4333-8444-555555555555',
  streamId: `order-${orderId}`,
  metadata: {},
  revision: 3,
  position: 12_345n,
  preparePosition: 12_345n,
  created: new Date(),
  ...event,
  ...more,
})

const placed = {
  type: 'OrderPlaced',
  data: {
    orderId,
    customerId,
    items: [
      { productId, quantity: 2, price: 1_999 },
      { productId: orderId, quantity: 1 },
    ],
    price: 4_998,
    status: 'new',
    at,
  },
}
const order = { _id: orderId, id: 3704199577612345 }

describe('the public record', () => {
  it('says an accepted order in CloudEvents, with ids in both spellings and prices as decimals', () => {
    const record = messageOf(recorded(placed, { metadata: { traceparent: '00-aa-bb-01', actor: 'secret' } }), storeId)!
    expect(record.key).to.equal(orderId)
    expect(record.headers).to.deep.equal({
      ce_specversion: '1.0',
      ce_id: '11111111-2222-4333-8444-555555555555',
      ce_source: `/stores/${storeId}/orders`,
      ce_type: 'tillroll.OrderPlaced.v1',
      ce_time: at,
      ce_subject: orderId,
      'content-type': 'application/json',
      traceparent: '00-aa-bb-01',
      ce_revision: '3',
      ce_position: '12345',
    })
    expect(JSON.parse(record.value)).to.deep.equal({
      order,
      customer: { _id: customerId, id: 9007199254740991 },
      items: [
        { product: { _id: productId }, quantity: 2, price: 19.99 },
        { product: order, quantity: 1 },
      ],
      price: 49.98,
      status: 'new',
      at,
    })
    expect(record.time).to.deep.equal(new Date(at))
    expect(breaches(record)).to.deep.equal([])
  })

  const said: readonly (readonly [OrderEvent['type'], object, string, object])[] = [
    [
      'OrderChanged',
      { items: [{ productId, quantity: 1 }], price: 5, status: 'paid' },
      'OrderItemsChanged',
      { items: [{ product: { _id: productId }, quantity: 1 }], price: 0.05, status: 'paid' },
    ],
    ['OrderRepriced', { price: 1_000_000_010 }, 'OrderRepriced', { price: 10_000_000.1 }],
    ['OrderStatusChanged', { status: 'shipped' }, 'OrderStatusChanged', { status: 'shipped' }],
    ['OrderStatusChanged', { status: 'paid', price: 29 }, 'OrderStatusChanged', { status: 'paid', price: 0.29 }],
  ]
  for (const [type, data, as, value] of said) {
    it(`says ${type} ${JSON.stringify(value)}`, () => {
      const record = messageOf(recorded({ type, data: { orderId, ...data, at } }), storeId)!
      expect(record.headers.ce_type).to.equal(`tillroll.${as}.v1`)
      expect(JSON.parse(record.value)).to.deep.equal({ order, ...value, at })
      expect(breaches(record)).to.deep.equal([])
    })
  }

  it('marks what a replay writes', () => {
    const record = messageOf(recorded(placed), storeId, { replayed: true })!
    expect(record.headers.ce_replayed).to.equal('true')
    expect(breaches(record)).to.deep.equal([])
  })

  it('would be refused by the published schemas if it were another', () => {
    const { key, headers, value } = messageOf(recorded(placed), storeId)!
    const { price: _, ...unpriced } = JSON.parse(value)
    const wrong: readonly (readonly [Parameters<typeof breaches>[0], RegExp])[] = [
      [{ key, headers, value: JSON.stringify(unpriced) }, /price/],
      [{ key, headers, value: value.replace('49.98', '49.987') }, /price/],
      [{ key, headers, value: value.replace(orderId, 'x') }, /order/],
      [{ key, headers: { ...headers, ce_id: 'x' }, value }, /ce_id/],
      [{ key, headers: { ...headers, ce_type: 'tillroll.OrderPlaced.v2' }, value }, /not published/],
      [{ key: customerId, headers, value }, /another order/],
    ]
    for (const [record, message] of wrong) expect(breaches(record).join()).to.match(message)
  })

  const silent = ['OrderRequested', 'OrderRejected', 'OrderChangeRequested', 'OrderChangeAbandoned', 'OrderSettled']
  for (const type of silent) {
    it(`says nothing of ${type}`, () => expect(messageOf(recorded({ ...placed, type }), storeId)).to.equal(undefined))
  }

  it('says nothing of other streams', () => {
    expect(messageOf(recorded(placed, { streamId: `cart-${orderId}` }), storeId)).to.equal(undefined)
  })

  it('refuses to leave out what it cannot say', () => {
    const broken = { ...placed, data: { ...placed.data, price: 'much' } }
    expect(() => messageOf(recorded(broken), storeId)).to.throw(Unpublishable, 'revision 3 of order-694799600000000000003039')
    expect(() => messageOf(recorded({ type: 'OrderPlaced', data: null }), storeId)).to.throw(Unpublishable)
  })
})
