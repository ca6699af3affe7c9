import { expect } from 'chai'
import { idOfInteger, type OrderId, type ProductId } from '../../src/domain/ids.js'
import { maxUnits, product } from '../../src/domain/product.js'
import { listReservations, type Reservations } from '../../src/domain/reservations.js'
import { scenarios } from '../support/given.js'

const at = '2026-01-01T00:00:00.000Z'
const productId = '0000000000000000000000aa' as ProductId
const first = '0000000000000000000000b1' as OrderId
const second = '0000000000000000000000b2' as OrderId
const added = { type: 'ProductAdded' as const, data: { productId, name: 'Tea', stock: 7, price: 450, at } }
const counted = (stock: number) => ({ type: 'StockCounted' as const, data: { productId, stock, at } })
const reserved = (orderId: OrderId, quantity: number, was = 0, orderRevision = 0) => ({
  type: 'StockReserved' as const,
  data: { productId, orderId, orderRevision, quantity, was, at },
})
const taken = (orderId: OrderId, was: number) => ({
  type: 'StockTaken' as const,
  data: { productId, orderId, orderRevision: 2, was, at },
})
const retired = { type: 'ProductRetired' as const, data: { productId, at } }
const reserve = (orderId: OrderId, quantity: number) => ({
  type: 'Reserve' as const,
  productId,
  orderId,
  orderRevision: 0,
  quantity,
  at,
})
const holders = (reservations: Reservations) => listReservations(reservations).map(([orderId]) => orderId)
const { given, fold } = scenarios(product)

describe('product', () => {
  it('is added, with a price or without', () => {
    given().when({ type: 'AddProduct', productId, name: 'Tea', stock: 7, price: 450, at }).then(added)
    given()
      .when({ type: 'AddProduct', productId, name: 'Tea', stock: 7, at })
      .then({ type: 'ProductAdded', data: { productId, name: 'Tea', stock: 7, at } })
  })
  it('is updated where something changes', () => {
    const update = { type: 'UpdateProduct' as const, productId, at }
    given(added)
      .when({ ...update, name: 'Green tea', price: 500, stock: 3 })
      .then(
        { type: 'ProductRenamed', data: { productId, name: 'Green tea', at } },
        { type: 'ProductPriced', data: { productId, price: 500, at } },
        counted(3),
      )
    given(added)
      .when({ ...update, name: 'Tea', price: 450, stock: 7 })
      .then()
    given()
      .when({ ...update, name: 'x' })
      .rejected('ProductNotFound')
    given(added, retired)
      .when({ ...update, name: 'x' })
      .rejected('ProductNotFound')
  })
  it('is retired once', () => {
    given(added).when({ type: 'RetireProduct', productId, at }).then(retired)
    given(added, retired).when({ type: 'RetireProduct', productId, at }).rejected('ProductNotFound')
  })

  it('reserves an absolute quantity for an order', () => {
    given(added).when(reserve(first, 5)).then(reserved(first, 5))
    given(added, reserved(first, 5))
      .when(reserve(first, 7))
      .then(reserved(first, 7, 5))
    given(added, reserved(first, 5))
      .when(reserve(first, 5))
      .then(reserved(first, 5, 5))
  })
  it('does not reserve more than is free', () => {
    given(added, reserved(first, 5)).when(reserve(second, 3)).rejected('StockShort', { productId, available: 2 })
    given(added, reserved(first, 5)).when(reserve(first, 8)).rejected('StockShort', { productId, available: 7 })
    given(added, retired).when(reserve(first, 1)).rejected('ProductNotFound')
  })
  it('shows what can be ordered now, in both directions', () => {
    expect(fold([added, reserved(first, 5)]).free).to.equal(2)
    expect(fold([added, reserved(first, 5), counted(3)]).free).to.equal(3)
    expect(fold([added, reserved(first, 5), counted(3), reserved(first, 0, 5)]).free).to.equal(8)
  })
  it('keeps nothing of an order that holds nothing', () => {
    expect(holders(fold([added, reserved(first, 5), reserved(second, 1)]).reservations)).to.have.members([first, second])
    expect(holders(fold([added, reserved(first, 5), reserved(first, 0, 5)]).reservations)).to.deep.equal([])
    expect(fold([added, reserved(first, 5), taken(first, 5)])).to.include({ free: 2 })
    expect(holders(fold([added, reserved(first, 5), taken(first, 5)]).reservations)).to.deep.equal([])
  })

  it('leaves the states before it as they were, and shares with them what it does not change', () => {
    const before = fold([added, reserved(first, 5)])
    const after = fold([reserved(second, 1)], before)
    expect([holders(before.reservations), holders(after.reservations)]).to.deep.equal([[first], [first, second]])
    expect(after.reservations.filter((bucket, i) => bucket !== before.reservations[i])).to.have.length(1)
  })

  it('is not counted so high that giving everything back would be too much', () => {
    const orders = Array.from({ length: 10 }, (_, i) => reserved(idOfInteger(i + 1)!, 100_000_000))
    const sold = fold([counted(1_000_000_000), ...orders], fold([added]))
    expect(sold.free).to.equal(0)
    const count = (stock: number) => ({ type: 'UpdateProduct' as const, productId, stock, at })
    expect(product.decide(count(1_000_000_000), sold)).to.deep.equal([counted(1_000_000_000)])
    const more = fold([counted(1), reserved(idOfInteger(200_000)!, 1)], sold)
    expect(() => product.decide(count(1_000_000_000), more)).to.throw('StockTooLarge')
    const back = orders.map(({ data }) => reserved(data.orderId, 0, 100_000_000))
    expect(fold([counted(1_000_000_000), ...back], sold)).to.include({ free: maxUnits })
  })

  it('settles where something changes, or where a fence is asked for', () => {
    const settle = { type: 'Settle' as const, productId, orderId: first, orderRevision: 1, quantity: 0, at }
    given(added, reserved(first, 5))
      .when({ ...settle, fence: false })
      .then(reserved(first, 0, 5, 1))
    given(added)
      .when({ ...settle, fence: false })
      .then()
    given(added)
      .when({ ...settle, fence: true })
      .then(reserved(first, 0, 0, 1))
    given(added, retired)
      .when({ ...settle, fence: true })
      .then(reserved(first, 0, 0, 1))
  })

  it('takes what is held, and nothing where nothing is', () => {
    const take = { type: 'Take' as const, productId, orderId: first, orderRevision: 2, at }
    given(added, reserved(first, 5)).when(take).then(taken(first, 5))
    given(added, reserved(first, 5), taken(first, 5)).when(take).then()
  })

  it('carries its state forward and back', () => {
    const state = fold([added, reserved(first, 5), reserved(second, 1), retired])
    expect(product.carryForward!.read(JSON.parse(JSON.stringify(product.carryForward!.write(state))))).to.deep.equal(state)
    const bare = fold([{ type: 'ProductAdded', data: { productId, name: 'Tea', stock: 7, at } }])
    expect(product.carryForward!.read(JSON.parse(JSON.stringify(product.carryForward!.write(bare))))).to.deep.equal(bare)
  })
})
