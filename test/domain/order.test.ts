import { expect } from 'chai'
import type { OrderId, ProductId, UserId } from '../../src/domain/ids.js'
import { type OrderEvent, order, type UpdateOrder } from '../../src/domain/order.js'
import { mergeItems, type OrderItem, sumOf } from '../../src/domain/terms.js'
import { scenarios } from '../support/given.js'

const at = '2026-01-01T00:00:00.000Z'
const orderId = '0000000000000000000000b1' as OrderId
const customerId = '000000000000000000000001' as UserId
const stranger = '000000000000000000000002' as UserId
const tea: OrderItem = { productId: '0000000000000000000000a1' as ProductId, quantity: 2, price: 450 }
const milk: OrderItem = { productId: '0000000000000000000000a2' as ProductId, quantity: 1, price: 120 }
const gift: OrderItem = { productId: '0000000000000000000000a3' as ProductId, quantity: 1 }
const terms = (items: readonly OrderItem[], price: number, status = 'new') => ({ items, price, status })
const both = terms([tea, milk], 1020)
const requested: OrderEvent = { type: 'OrderRequested', data: { orderId, customerId, ...both, at } }
const placed: OrderEvent = { type: 'OrderPlaced', data: { orderId, customerId, ...both, at } }
const rejected: OrderEvent = { type: 'OrderRejected', data: { orderId, reason: 'StockShort', at } }
const settled: OrderEvent = { type: 'OrderSettled', data: { orderId, at } }
const status = (word: string, price?: number): OrderEvent => ({
  type: 'OrderStatusChanged',
  data: { orderId, status: word, ...(price !== undefined && { price }), at },
})
const moreTea = terms([{ ...tea, quantity: 3 }], 1350)
const changeRequested: OrderEvent = { type: 'OrderChangeRequested', data: { orderId, ...moreTea, at } }
const changed: OrderEvent = { type: 'OrderChanged', data: { orderId, ...moreTea, at } }
const abandoned: OrderEvent = { type: 'OrderChangeAbandoned', data: { orderId, reason: 'StockShort', at } }
const request = { type: 'RequestOrder' as const, orderId, customerId, items: [milk, tea], price: 1020, status: 'new', at }
const mine = { userId: customerId, staff: false }
const staff = { userId: stranger, staff: true }
const update = (more: Partial<UpdateOrder>): UpdateOrder => ({ type: 'UpdateOrder', orderId, by: mine, at, ...more })
const { given, fold } = scenarios(order)

describe('order', () => {
  describe('placing', () => {
    it('requests the items merged and sorted by product', () => {
      given().when(request).then(requested)
      given()
        .when({ ...request, items: [milk, { ...tea, quantity: 1 }, { ...tea, quantity: 1 }] })
        .then(requested)
    })
    it('keeps its status without what surrounds the word', () => {
      given()
        .when({ ...request, status: ' new ' })
        .then(requested)
      given(requested, placed)
        .when(update({ status: ' packed ' }))
        .then(status('packed'))
    })
    it('agrees on the price', () => {
      given()
        .when({ ...request, price: 1000 })
        .rejected('PriceDiffers', { sum: 1020 })
      const { price: _, ...unpriced } = request
      given().when(unpriced).then(requested)
      given()
        .when({ ...unpriced, items: [gift] })
        .rejected('PriceRequired')
      given()
        .when({ ...request, items: [gift], price: 77 })
        .then({ type: 'OrderRequested', data: { orderId, customerId, ...terms([gift], 77), at } })
    })
    it('refuses the words that end an order', () => {
      for (const word of ['cancelled', ' Cancelled ', 'shipped', 'DELIVERED', 'completed', '\u017fhipped', 'can\u034fcelled']) {
        given()
          .when({ ...request, status: word })
          .rejected('StatusNotAllowed')
      }
    })
    it('is placed with all that was requested, and settled', () => {
      given(requested).when({ type: 'Accept', orderId, at }).then(placed)
      expect(fold([requested, placed])).to.include({ placed: true, placedRevision: 1, settled: true, open: undefined })
    })
    it('is rejected, and then asks for a fence in every product', () => {
      given(requested).when({ type: 'GiveUp', orderId, reason: 'StockShort', at }).then(rejected)
      const { todo, settled: done, placed: ever } = fold([requested, rejected])
      expect(done).to.equal(false)
      expect(ever).to.equal(false)
      expect(todo).to.deep.equal([
        { productId: tea.productId, quantity: 0, fence: true },
        { productId: milk.productId, quantity: 0, fence: true },
      ])
      given(requested, rejected).when({ type: 'Settle', orderId, at }).then(settled)
      given(requested, rejected, settled).when({ type: 'Settle', orderId, at }).then()
    })
    it('may be rejected before its request came', () => {
      given().when({ type: 'GiveUp', orderId, reason: 'StockShort', at }).then(rejected)
      expect(fold([rejected])).to.include({ settled: true, placed: false })
    })
    it('may be requested again once it is rejected and settled', () =>
      expect(fold([requested, rejected, settled, requested, placed])).to.include({
        placed: true,
        placedRevision: 4,
        settled: true,
      }))
  })

  describe('an update', () => {
    it('does nothing where nothing changes', () => {
      given(requested, placed).when(update({})).then()
      given(requested, placed)
        .when(update({ customerId, items: [milk, tea], price: 1020, status: ' NEW ' }))
        .then()
      given(requested, placed, status('cancelled'), settled)
        .when(update({ items: [tea, milk], status: 'Cancelled' }))
        .then()
    })
    it('is of the customer, or of staff', () => {
      given(requested, placed)
        .when(update({ by: { userId: stranger, staff: false }, price: 1 }))
        .rejected('OrderNotFound')
      given(requested, placed)
        .when(update({ by: staff, status: 'packed' }))
        .then(status('packed'))
      given(requested)
        .when(update({ status: 'packed' }))
        .rejected('OrderNotFound')
      given()
        .when(update({ status: 'packed' }))
        .rejected('OrderNotFound')
    })
    it('takes one event for status and price', () => {
      const unpriced = { type: 'OrderPlaced' as const, data: { orderId, customerId, ...terms([gift], 77), at } }
      given(unpriced)
        .when(update({ status: 'packed', price: 80 }))
        .then(status('packed', 80))
      given(unpriced)
        .when(update({ price: 80 }))
        .then({ type: 'OrderRepriced', data: { orderId, price: 80, at } })
      expect(fold([unpriced, status('packed', 80)]).terms).to.deep.equal(terms([gift], 80, 'packed'))
    })
    it('requests items, price and an ordinary status as one change', () => {
      given(requested, placed)
        .when(update({ items: [{ ...tea, quantity: 3 }] }))
        .then(changeRequested)
      given(requested, placed)
        .when(update({ items: [{ ...tea, quantity: 3 }], price: 1350, status: 'packed' }))
        .then({ type: 'OrderChangeRequested', data: { orderId, ...moreTea, status: 'packed', at } })
      given(requested, placed, changeRequested).when({ type: 'Accept', orderId, at }).then(changed)
    })
    it('keeps the price that an item was ordered at', () =>
      given(requested, placed)
        .when(update({ items: [{ ...tea, quantity: 3, price: 999 }] }))
        .then(changeRequested))
    it('holds the price against the sum', () => {
      given(requested, placed)
        .when(update({ price: 1 }))
        .rejected('PriceDiffers', { sum: 1020 })
      given(requested, placed)
        .when(update({ items: [{ ...tea, quantity: 3 }], price: 1020 }))
        .rejected('PriceDiffers', { sum: 1350 })
    })
    it('refuses items together with a word that ends the order', () => {
      for (const word of ['cancelled', 'shipped']) {
        given(requested, placed)
          .when(update({ by: staff, items: [milk], status: word }))
          .rejected('ItemsWithFinalStatus')
      }
    })
    it('leaves the words of staff to staff', () => {
      given(requested, placed)
        .when(update({ status: 'Shipped' }))
        .rejected('StaffOnly')
      given(requested, placed)
        .when(update({ by: staff, status: 'shipped' }))
        .then(status('shipped'))
      given(requested, placed, status('shipped'), settled)
        .when(update({ status: 'thanks' }))
        .rejected('StaffOnly')
    })
    it('takes what folds to one of its words for that word', () => {
      for (const word of ['\u017fhipped', '\uff33hipped', 'ship\u034fped\ufe0f']) {
        given(requested, placed)
          .when(update({ status: word }))
          .rejected('StaffOnly')
        given(requested, placed)
          .when(update({ by: staff, status: word }))
          .then(status('shipped'))
      }
      given(requested, placed)
        .when(update({ status: ' Stra\u00dfe ' }))
        .then(status('Stra\u00dfe'))
    })
    it('does not move the order to another customer', () =>
      given(requested, placed)
        .when(update({ by: staff, customerId: stranger }))
        .rejected('CustomerDiffers'))
    it('ends with cancelled', () => {
      given(requested, placed)
        .when(update({ status: 'cancelled' }))
        .then(status('cancelled'))
      given(requested, placed, status('cancelled'), settled)
        .when(update({ by: staff, status: 'new' }))
        .rejected('OrderCancelled')
      given(requested, placed, status('cancelled'), settled)
        .when(update({ items: [milk] }))
        .rejected('OrderCancelled')
    })
    it('changes no items of what was shipped, and cancels it no more', () => {
      given(requested, placed, status('shipped'), settled)
        .when(update({ by: staff, items: [milk] }))
        .rejected('OrderShipped')
      given(requested, placed, status('shipped'), settled)
        .when(update({ by: staff, status: 'cancelled' }))
        .rejected('OrderShipped')
      given(requested, placed, status('shipped'), settled)
        .when(update({ by: staff, status: 'delivered' }))
        .then(status('delivered'))
    })
    it('waits for what is unsettled', () =>
      given(requested, placed, status('cancelled'))
        .when(update({ status: 'new' }))
        .rejected('OrderUnsettled'))
  })

  describe('what an outcome asks for in the products', () => {
    const todoOf = (...events: OrderEvent[]) => fold(events).todo
    it('lowers after a change, which settles where nothing is lowered', () => {
      expect(todoOf(requested, placed, changeRequested, changed)).to.deep.equal([
        { productId: milk.productId, quantity: 0, fence: false },
      ])
      const onlyMore: OrderEvent = {
        type: 'OrderChanged',
        data: { orderId, ...terms([{ ...tea, quantity: 5 }, milk], 2370), at },
      }
      expect(fold([requested, placed, onlyMore]).settled).to.equal(true)
    })
    it('puts the raised ones back after an abandoned change, behind a fence', () => {
      expect(todoOf(requested, placed, changeRequested, abandoned)).to.deep.equal([
        { productId: tea.productId, quantity: 2, fence: true },
      ])
      given(requested, placed, changeRequested).when({ type: 'GiveUp', orderId, reason: 'StockShort', at }).then(abandoned)
      expect(fold([requested, placed, changeRequested, abandoned, settled]).terms).to.deep.equal(both)
    })
    it('gives everything back when cancelled', () =>
      expect(todoOf(requested, placed, status('cancelled')).map(({ quantity, fence }) => [quantity, fence])).to.deep.equal([
        [0, false],
        [0, false],
      ]))
    it('takes the goods when shipped, once', () => {
      expect(fold([requested, placed, status('shipped')])).to.include({ take: true, settled: false })
      expect(todoOf(requested, placed, status('shipped'))).to.have.length(2)
      expect(fold([requested, placed, status('shipped'), settled, status('delivered')])).to.include({ settled: true })
    })
  })

  it('adds up what is named twice, and sums only where each item has a price', () => {
    expect(mergeItems([milk, tea, milk])).to.deep.equal([tea, { ...milk, quantity: 2 }])
    expect(sumOf([tea, milk])).to.equal(1020)
    expect(sumOf([tea, gift])).to.equal(undefined)
  })

  describe('what an outcome still asks for in the products', () => {
    const todoOf = (...events: OrderEvent[]) => fold(events).todo
    const both = [requested, placed] as const

    it('is nothing of items that a change leaves as they are, or asks more of', () =>
      expect(
        todoOf(...both, changeRequested, { type: 'OrderChanged', data: { orderId, ...terms([tea, milk], 1020), at } }),
      ).to.deep.equal([]))

    it('is what a change takes away', () =>
      expect(
        todoOf(...both, changeRequested, { type: 'OrderChanged', data: { orderId, ...terms([milk], 120), at } }),
      ).to.deep.equal([{ productId: tea.productId, quantity: 0, fence: false }]))

    it('is a fence in each product of which an abandoned change wanted more, and in no other', () => {
      const more = terms([{ ...tea, quantity: 3 }, milk, gift], 1470)
      const wanted: OrderEvent = { type: 'OrderChangeRequested', data: { orderId, ...more, at } }
      expect(todoOf(...both, wanted, abandoned)).to.deep.equal([
        { productId: tea.productId, quantity: 2, fence: true },
        { productId: gift.productId, quantity: 0, fence: true },
      ])
    })

    it('is to take what is sent off, once', () => {
      const shipped = fold([...both, status('shipped')])
      expect([shipped.take, shipped.todo]).to.deep.equal([
        true,
        [
          { productId: tea.productId, quantity: 2, fence: false },
          { productId: milk.productId, quantity: 1, fence: false },
        ],
      ])
      expect(fold([...both, status('shipped'), settled, status('delivered')])).to.deep.include({ settled: true, todo: [] })
    })
  })

  it('takes a change of one item for a change, whatever stays', () => {
    given(requested, placed)
      .when(update({ items: [tea, { ...milk, quantity: 2 }] }))
      .then({ type: 'OrderChangeRequested', data: { orderId, ...terms([tea, { ...milk, quantity: 2 }], 1140), at } })
  })

  it('is priced anew, and stays what it is otherwise', () => {
    const unpriced: OrderEvent = { type: 'OrderPlaced', data: { orderId, customerId, ...terms([gift], 77), at } }
    const repriced: OrderEvent = { type: 'OrderRepriced', data: { orderId, price: 80, at } }
    expect(fold([unpriced, repriced])).to.deep.include({ terms: terms([gift], 80), phase: 'placed', settled: true })
  })
})
