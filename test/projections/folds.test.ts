import { expect } from 'chai'
import type { CartEvent } from '../../src/domain/cart.js'
import type { DomainEvent } from '../../src/domain/decider.js'
import { normaliseEmail } from '../../src/domain/email.js'
import type { OrderId, ProductId, UserId } from '../../src/domain/ids.js'
import type { OrderEvent } from '../../src/domain/order.js'
import type { ProductEvent } from '../../src/domain/product.js'
import type { UserEvent } from '../../src/domain/user.js'
import { carts } from '../../src/projections/cart.js'
import { orders } from '../../src/projections/order.js'
import { products } from '../../src/projections/product.js'
import type { Projection } from '../../src/projections/projection.js'
import { users } from '../../src/projections/user.js'

const at = '2026-03-01T10:00:00.000Z'
const later = '2026-03-01T11:00:00.000Z'
const userId = '000000010000000000000001' as UserId
const tea = '000000010000000000000002' as ProductId
const milk = '000000010000000000000003' as ProductId
const orderId = '000000010000000000000004' as OrderId

const fold =
  <Row extends object, Event extends DomainEvent>({ evolve }: Projection<Row, Event>) =>
  (...events: Event[]): Row | undefined =>
    events.reduce<Row | undefined>((row, event) => evolve(row, event), undefined)

describe('users, folded', () => {
  const user = fold(users)
  const claim = { login: 'l1', claimRevision: 0 }
  const registered: UserEvent = {
    type: 'UserRegistered',
    data: { userId, name: 'Ann', email: normaliseEmail('ann@example.org'), ...claim, at },
  }
  const password: UserEvent = { type: 'PasswordSet', data: { userId, hash: '$2b$', at } }
  const voided: UserEvent = { type: 'EmailClaimVoided', data: { userId, ...claim, at } }

  it('shows who registered, without the hash', () => {
    expect(user(registered, password)).to.deep.equal({ name: 'Ann', email: 'ann@example.org', role: 'customer', epoch: 1 })
  })
  it('takes a new name and e-mail', () => {
    const row = user(
      registered,
      { type: 'UserRenamed', data: { userId, name: 'Anna', at } },
      { type: 'EmailChanged', data: { userId, email: normaliseEmail('anna@example.org'), login: 'l2', claimRevision: 3, at } },
    )
    expect(row).to.deep.include({ name: 'Anna', email: 'anna@example.org', epoch: 0 })
  })
  it('raises the epoch with a password and a role', () => {
    expect(user(registered, password, { type: 'RoleGranted', data: { userId, role: 'staff', at } }, password)).to.deep.include({
      role: 'staff',
      epoch: 3,
    })
  })
  it('has nobody where there are only voids', () => expect(user(voided, voided)).to.equal(undefined))
  it('shows one who registered after a void', () => expect(user(voided, registered)).to.deep.include({ name: 'Ann' }))
  it('has nobody after an erasure, whether the past is still readable or not', () => {
    const erased: UserEvent = { type: 'UserErased', data: { userId, at } }
    expect(user(registered, password, erased)).to.equal(undefined)
    expect(user(erased)).to.equal(undefined)
    expect(user(registered, erased, voided)).to.equal(undefined)
  })
})

describe('products, folded', () => {
  const product = fold(products)
  const added: ProductEvent = { type: 'ProductAdded', data: { productId: tea, name: 'Tea', stock: 7, at } }
  const step = { productId: tea, orderId, orderRevision: 0, at }
  const reserved: ProductEvent = { type: 'StockReserved', data: { ...step, quantity: 5, was: 0 } }

  it('shows what was added, with a price or without', () => {
    expect(product(added)).to.deep.equal({ name: 'Tea', stock: 7, price: null, retired: false })
    expect(product({ ...added, data: { ...added.data, price: 250 } })).to.deep.include({ price: 250 })
  })
  it('takes a name, a price and a count', () => {
    const row = product(
      added,
      { type: 'ProductRenamed', data: { productId: tea, name: 'Green tea', at } },
      { type: 'ProductPriced', data: { productId: tea, price: 300, at } },
      { type: 'StockCounted', data: { productId: tea, stock: 9, at } },
    )
    expect(row).to.deep.equal({ name: 'Green tea', stock: 9, price: 300, retired: false })
  })
  it('moves the stock by what a reservation changes', () => {
    expect(product(added, reserved)?.stock).to.equal(2)
    expect(product(added, reserved, { type: 'StockReserved', data: { ...step, quantity: 2, was: 5 } })?.stock).to.equal(5)
    expect(product(added, reserved, { type: 'StockReserved', data: { ...step, quantity: 0, was: 5 } })?.stock).to.equal(7)
  })
  it('does not move it when reserved goods leave', () => {
    expect(product(added, reserved, { type: 'StockTaken', data: { ...step, was: 5 } })?.stock).to.equal(2)
  })
  it('is retired, and unmoved by closed books', () => {
    const row = product(
      added,
      { type: 'ProductRetired', data: { productId: tea, at } },
      { type: 'ProductCarriedForward', data: { part: 1, parts: 1, carried: '{}', at } },
    )
    expect(row).to.deep.include({ name: 'Tea', retired: true })
  })
  it('refuses a stream that does not begin with an addition', () =>
    expect(() => product(reserved)).to.throw('StockReserved before ProductAdded'))
})

describe('carts, folded', () => {
  const cart = fold(carts)
  const data = { cartId: userId, at }
  const teaAdded: CartEvent = { type: 'CartItemAdded', data: { ...data, productId: tea, amount: 2 } }
  const milkAdded: CartEvent = { type: 'CartItemAdded', data: { ...data, productId: milk, amount: 1 } }
  const started: CartEvent = { type: 'CheckoutStarted', data: { ...data, orderId, lines: [{ productId: tea, amount: 2 }] } }

  it('keeps its lines in the order of adding, and adds up', () => {
    expect(cart(milkAdded, teaAdded, milkAdded)?.lines).to.deep.equal([
      { productId: milk, amount: 2 },
      { productId: tea, amount: 2 },
    ])
  })
  it('changes and removes a line', () => {
    expect(cart(teaAdded, { type: 'CartItemAmountChanged', data: { ...data, productId: tea, amount: 9 } })?.lines).to.deep.equal([
      { productId: tea, amount: 9 },
    ])
    expect(cart(teaAdded, { type: 'CartItemRemoved', data: { ...data, productId: tea } })).to.deep.equal({
      lines: [],
      checkout_order_id: null,
      checkout_lines: null,
    })
  })
  it('names the checkout that is outstanding', () => expect(cart(teaAdded, started)?.checkout_order_id).to.equal(orderId))
  it('keeps what was put in during the checkout', () => {
    expect(cart(teaAdded, started, teaAdded, milkAdded, { type: 'CheckedOut', data: { ...data, orderId } })).to.deep.equal({
      lines: [
        { productId: tea, amount: 2 },
        { productId: milk, amount: 1 },
      ],
      checkout_order_id: null,
      checkout_lines: null,
    })
  })
  it('keeps everything when the checkout fails', () => {
    expect(cart(teaAdded, started, { type: 'CheckoutFailed', data: { ...data, orderId } })).to.deep.equal(cart(teaAdded))
  })
})

describe('orders, folded', () => {
  const order = fold(orders)
  const terms = { items: [{ productId: tea, quantity: 3, price: 250 }], price: 750, status: 'new' }
  const requested: OrderEvent = { type: 'OrderRequested', data: { orderId, customerId: userId, ...terms, at } }
  const placed: OrderEvent = { type: 'OrderPlaced', data: { orderId, customerId: userId, ...terms, at: later } }
  const rejected: OrderEvent = { type: 'OrderRejected', data: { orderId, reason: 'StockShort', at: later } }
  const settled: OrderEvent = { type: 'OrderSettled', data: { orderId, at: later } }
  const more = { ...terms, items: [{ productId: tea, quantity: 4, price: 250 }], price: 1000 }
  const less = { ...terms, items: [{ productId: tea, quantity: 1, price: 250 }], price: 250 }
  const status = (word: string): OrderEvent => ({ type: 'OrderStatusChanged', data: { orderId, status: word, at: later } })

  it('marks what is only requested', () => {
    expect(order(requested)).to.deep.equal({
      customer_id: userId,
      ...terms,
      status_key: 'new',
      phase: 'requested',
      placed: false,
      settled: false,
      placed_at: null,
      updated_at: at,
    })
  })
  it('is placed and settled by its acceptance', () => {
    expect(order(requested, placed)).to.deep.include({ ...terms, placed: true, settled: true, placed_at: later })
  })
  it('is rejected, unsettled until everything is given back, and may be requested again', () => {
    expect(order(requested, rejected)).to.deep.include({ ...terms, phase: 'rejected', placed: false, settled: false })
    expect(order(requested, rejected, settled)).to.deep.include({ placed: false, settled: true })
    expect(order(requested, rejected, settled, requested, placed)).to.deep.include({ placed: true, settled: true })
  })
  it('is rejected before its request came, and settled then', () => {
    expect(order(rejected)).to.deep.include({ customer_id: null, items: [], phase: 'rejected', placed: false, settled: true })
  })
  it('shows the accepted terms while a change is open', () => {
    const asked: OrderEvent = { type: 'OrderChangeRequested', data: { orderId, ...more, at: later } }
    expect(order(requested, placed, asked)).to.deep.include({ ...terms, settled: false })
    expect(order(requested, placed, asked, { type: 'OrderChanged', data: { orderId, ...more, at: later } })).to.deep.include({
      ...more,
      settled: true,
    })
    const abandoned: OrderEvent = { type: 'OrderChangeAbandoned', data: { orderId, reason: 'StockShort', at: later } }
    expect(order(requested, placed, asked, abandoned)).to.deep.include({ ...terms, settled: false })
    expect(order(requested, placed, asked, abandoned, settled)).to.deep.include({ ...terms, settled: true })
  })
  it('is unsettled while a lowered item is not given back', () => {
    const changed: OrderEvent = { type: 'OrderChanged', data: { orderId, ...less, at: later } }
    expect(order(requested, placed, changed)).to.deep.include({ ...less, settled: false })
    expect(order(requested, placed, changed, settled)).to.deep.include({ settled: true })
  })
  it('takes a price and a status', () => {
    expect(order(requested, placed, { type: 'OrderRepriced', data: { orderId, price: 700, at: later } })?.price).to.equal(700)
    expect(order(requested, placed, status('paid'))).to.deep.include({ status: 'paid', settled: true })
  })
  it('has something to settle when it is cancelled, and when the goods leave for the first time', () => {
    expect(order(requested, placed, status('Cancelled'))).to.deep.include({
      status_key: 'cancelled',
      phase: 'cancelled',
      settled: false,
    })
    const shipped = [requested, placed, status('shipped'), settled]
    expect(order(requested, placed, status('shipped'))).to.deep.include({ phase: 'shipped', settled: false })
    expect(order(...shipped, status('lost'), status('delivered'))).to.deep.include({ status: 'delivered', settled: true })
  })
  it('ignores what a newer release may write', () => {
    const unknown = { type: 'OrderPraised', data: { at } } as unknown as OrderEvent
    expect(order(requested, placed, unknown)).to.deep.equal(order(requested, placed))
  })
})
