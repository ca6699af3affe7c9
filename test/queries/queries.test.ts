import { expect } from 'chai'
import { idOfInteger, type OrderId, type ProductId, type UserId } from '../../src/domain/ids.js'
import { NotReady } from '../../src/queries/engine/read.js'
import { createQueries, type Queries } from '../../src/queries/index.js'
import { caughtUp, openDatabase, type Running, start } from '../projections/support/engine.js'
import { createMemoryStore } from '../projections/support/memory.js'

const at = (minute: number) => new Date(Date.UTC(2026, 0, 1, 10, minute)).toISOString()
const ann = '000000010000000000000001' as UserId
const bob = '000000010000000000000002' as UserId
const tea = '000000010000000000000003' as ProductId
const milk = '000000010000000000000004' as ProductId
const old = '000000010000000000000005' as ProductId
const orderIds = [6, 7, 8, 9].map((n) => `00000001000000000000000${n}` as OrderId)

const user = (userId: UserId, name: string) => ({
  streamId: `user-${userId}`,
  type: 'UserRegistered',
  data: { userId, name, email: `${name}@example.org`, login: 'l', claimRevision: 0, at: at(0) },
})
const product = (productId: ProductId, name: string, data = {}) => ({
  streamId: `product-${productId}`,
  type: 'ProductAdded',
  data: { productId, name, stock: 7, ...data, at: at(0) },
})
const item = (cartId: UserId, productId: ProductId, amount: number) => ({
  streamId: `cart-${cartId}`,
  type: 'CartItemAdded',
  data: { cartId, productId, amount, at: at(1) },
})
const terms = { items: [{ productId: tea, quantity: 2, price: 250 }], price: 500, status: ' New' }
const requested = (orderId: OrderId, customerId: UserId, minute: number) => ({
  streamId: `order-${orderId}`,
  type: 'OrderRequested',
  data: { orderId, customerId, ...terms, at: at(minute) },
})
const placed = (orderId: OrderId, customerId: UserId, minute: number) => ({
  ...requested(orderId, customerId, minute),
  type: 'OrderPlaced',
})

describe('queries', () => {
  let database: Awaited<ReturnType<typeof openDatabase>>
  let running: Running
  let queries: Queries
  let last: bigint
  const memory = createMemoryStore()

  before(async () => {
    database = await openDatabase()
    queries = createQueries(database)
    last = memory.write(
      user(ann, 'Ann'),
      user(bob, 'Bob'),
      { streamId: `user-${bob}`, type: 'RoleGranted', data: { userId: bob, role: 'staff', at: at(1) } },
      product(milk, 'Milk'),
      product(tea, 'Tea', { price: 250 }),
      product(old, 'Old'),
      { streamId: `product-${old}`, type: 'ProductRetired', data: { productId: old, at: at(1) } },
      item(ann, milk, 1),
      item(ann, tea, 2),
      item(bob, tea, 3),
      { streamId: `cart-${bob}`, type: 'CheckoutStarted', data: { cartId: bob, orderId: orderIds[3], lines: [], at: at(2) } },
      ...[0, 1, 2].flatMap((n) => [
        requested(orderIds[n]!, n === 1 ? bob : ann, n + 1),
        placed(orderIds[n]!, n === 1 ? bob : ann, n + 1),
      ]),
      requested(orderIds[3]!, bob, 9),
      {
        streamId: `order-${orderIds[0]}`,
        type: 'OrderStatusChanged',
        data: { orderId: orderIds[0], status: 'Paid', at: at(10) },
      },
    ).position
    running = start(database, memory.store)
    await caughtUp(database, memory.store)
  })
  after(async () => {
    await running.stop()
    await database.drop()
  })

  it('answer a user with revision and position', async () => {
    expect(await queries.user(bob)).to.deep.equal({
      value: { userId: bob, name: 'Bob', email: 'Bob@example.org', role: 'staff', epoch: 1 },
      revision: 1,
      position: last,
    })
    expect(await queries.user(idOfInteger(99)!)).to.deep.equal({ value: undefined, position: last })
  })

  it('answer who is who, and whether there is staff', async () => {
    expect((await queries.sessions()).value).to.have.deep.members([
      { userId: ann, role: 'customer', epoch: 0 },
      { userId: bob, role: 'staff', epoch: 1 },
    ])
    expect((await queries.staffExists()).value).to.equal(true)
  })

  it('answer a product, with a price or without, a retired one too', async () => {
    expect((await queries.product(tea)).value).to.deep.equal({
      productId: tea,
      name: 'Tea',
      stock: 7,
      price: 250,
      retired: false,
    })
    expect((await queries.product(milk)).value).to.deep.equal({ productId: milk, name: 'Milk', stock: 7, retired: false })
    expect((await queries.product(old)).value).to.deep.include({ retired: true })
  })

  it('list the products in order, page by page, without the retired', async () => {
    const ids = async (page = {}) => (await queries.products(page)).value.map(({ productId }) => productId)
    expect(await ids()).to.deep.equal([tea, milk])
    expect(await ids({ limit: 1 })).to.deep.equal([tea])
    expect(await ids({ limit: 1, after: tea })).to.deep.equal([milk])
    expect(await ids({ after: milk })).to.deep.equal([])
    expect((await queries.products({ after: milk })).position).to.equal(last)
  })

  it("show a cart's lines with their products, in the order of adding", async () => {
    const cart = await queries.cart(ann)
    expect(cart.value).to.deep.equal({
      lines: [
        { productId: milk, amount: 1, product: { productId: milk, name: 'Milk', stock: 7, retired: false } },
        { productId: tea, amount: 2, product: { productId: tea, name: 'Tea', stock: 7, price: 250, retired: false } },
      ],
    })
    expect(cart.revision).to.equal(1)
    expect((await queries.cart(bob)).value).to.deep.include({ checkoutOrderId: orderIds[3] })
    expect(await queries.cart(idOfInteger(99)!)).to.deep.equal({ value: { lines: [] }, position: last })
  })

  it('answer an order that was accepted, and no other', async () => {
    expect((await queries.order(orderIds[0]!)).value).to.deep.equal({
      orderId: orderIds[0],
      customerId: ann,
      items: terms.items,
      price: 500,
      status: 'Paid',
      placedAt: new Date(at(1)),
      updatedAt: new Date(at(10)),
    })
    expect(await queries.order(orderIds[3]!)).to.deep.equal({ value: undefined, position: last })
  })

  it('list orders, the newest first, filtered and page by page', async () => {
    const ids = async (page = {}) => (await queries.orders({ limit: 10, ...page })).value.map(({ orderId }) => orderId)
    expect(await ids()).to.deep.equal([orderIds[2], orderIds[1], orderIds[0]])
    expect(await ids({ customerId: ann })).to.deep.equal([orderIds[2], orderIds[0]])
    expect(await ids({ status: 'new ' })).to.deep.equal([orderIds[2], orderIds[1]])
    expect(await ids({ status: 'PAID' })).to.deep.equal([orderIds[0]])
    expect(await ids({ limit: 1 })).to.deep.equal([orderIds[2]])
    expect(await ids({ limit: 1, after: orderIds[2] })).to.deep.equal([orderIds[1]])
    expect(await ids({ after: orderIds[0] })).to.deep.equal([])
  })

  it('list the few orders of a status without passing over all others', async () => {
    const client = await database.pool.connect()
    try {
      await client.query('begin')
      await client.query(`insert into tillroll.orders_1 (stream_id, items, price, status, status_key, phase, placed, settled, placed_at, updated_at, revision, position)
        select 'order-' || n, '[]', 1, 'new', 'new', 'placed', true, true, now(), now(), 0, 0 from generate_series(1, 20000) n`)
      await client.query('analyze tillroll.orders_1')
      const { rows } = await client.query(`explain select * from tillroll.orders_1
        where placed and status_key = 'paid' order by placed_at desc, stream_id desc limit 10`)
      expect(JSON.stringify(rows)).to.include('orders_1_status')
    } finally {
      await client.query('rollback')
      client.release()
    }
  })

  it('find what a crash may have left', async () => {
    expect((await queries.unsettledOrders(10)).value).to.deep.equal([{ orderId: orderIds[3], revision: 0 }])
    expect((await queries.outstandingCheckouts(10)).value).to.deep.equal([{ userId: bob, orderId: orderIds[3], revision: 1 }])
  })

  it('name the error that a stream is parked for', async () => {
    memory.write({ streamId: `product-${milk}`, type: 'StockCounted', data: { productId: milk, stock: 10 ** 12, at: at(11) } })
    await caughtUp(database, memory.store)
    const answer = await queries.product(milk)
    expect(answer.value).to.deep.include({ stock: 7 })
    expect(answer.parked).to.match(/out of range/)
    memory.write({ streamId: 'product-x', type: 'StockCounted', data: { stock: 1, at: at(11) } })
    await caughtUp(database, memory.store)
    expect(await queries.product('x' as ProductId)).to.deep.include({
      value: undefined,
      parked: 'StockCounted before ProductAdded',
    })
  })

  it('follow the live generation at once, and are not ready without one', async () => {
    const { pool } = database
    const name = async () => (await queries.product(tea)).value?.name
    await pool.query('create table tillroll.products_7 (like tillroll.products_1 including all)')
    await pool.query(`insert into tillroll.products_7 select * from tillroll.products_1`)
    await pool.query(`update tillroll.products_7 set name = 'Other'`)
    const { rows } = await pool.query('select generations from tillroll.checkpoint')
    const to = (live: unknown) =>
      pool.query('update tillroll.checkpoint set changes = changes + 1, generations = $1', [
        JSON.stringify({ ...rows[0].generations, products: { live, beside: [] } }),
      ])
    expect(await name()).to.equal('Tea')
    await to({ generation: 7, version: 1 })
    expect(await name()).to.equal('Other')
    await to({ generation: 1, version: 1 })
    await pool.query('drop table tillroll.products_7')
    expect(await name()).to.equal('Tea')
    for (const live of [null, { generation: 1, version: 2 }]) {
      await to(live)
      const error = await name().catch((reason: unknown) => reason)
      expect(error).to.be.instanceOf(NotReady)
    }
    await to({ generation: 1, version: 1 })
    expect(await name()).to.equal('Tea')
  })
})
