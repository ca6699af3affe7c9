import { expect } from 'chai'
import {
  aCustomer,
  anOrder,
  aProduct,
  type Envelope,
  type Order,
  type Person,
  type Product,
  refusedInEnvelope,
  refusedInMsg,
  send,
  theAnalyst,
  theStaff,
} from './client.js'

type Why = {
  value: unknown
  before: unknown
  event: {
    type: string
    revision: number
    at: string
    actor: string
    correlation: string
    position: string
    command: string | null
  }
}
type Explained = { projection: string; stream: string; columns: Record<string, Why> }

describe('why something is as it is', () => {
  let ann: Person
  let analyst: Person
  let tea: Product
  let order: Order
  before(async () => {
    ann = await aCustomer()
    analyst = await theAnalyst()
    tea = await aProduct({ name: 'Tea', stock: 10, price: 2 })
    order = await anOrder(ann, [[tea, 3]])
  })
  const why = async (path: string, token = analyst.token) => {
    const { status, body, text } = await send<Envelope<Explained>>(`GET ${path}`, { token })
    expect(status, text).to.equal(200)
    return body.data.data
  }

  it('is the event that set the value, with time, actor, request and command', async () => {
    const headers = { 'x-correlation-id': 'why-stock', 'idempotency-key': 'why-stock' }
    const body = { _id: tea._id, stock: 50 }
    await send('PUT /products/update', { token: (await theStaff()).token, body, headers })
    const { projection, stream, columns } = await why(`/products/${tea.id}?explain=stock,price`)
    expect({ projection, stream }).to.deep.equal({ projection: 'products', stream: `product-${tea._id}` })
    expect(Object.keys(columns)).to.deep.equal(['stock', 'price'])
    expect(columns.stock).to.deep.include({ value: 50, before: 7 })
    expect(columns.stock!.event).to.deep.include({
      type: 'StockCounted',
      revision: 2,
      actor: (await theStaff())._id,
      correlation: 'why-stock',
    })
    expect(columns.stock!.event.command).to.match(/\S{20}/)
    expect(columns.price!.event).to.include({ type: 'ProductAdded', revision: 0 })
    expect(Object.keys((await why(`/products/${tea.id}?explain`)).columns)).to.have.members(['name', 'stock', 'price', 'retired'])
  })

  it('is told as of then', async () => {
    const { columns } = await why(`/products/${tea.id}?explain=stock&revision=1`)
    expect(columns.stock).to.deep.include({ value: 7, before: 10 })
    const { position, at } = columns.stock!.event
    expect(columns.stock!.event.type).to.equal('StockReserved')
    for (const moment of [`position=${position}`, `asOf=${at}`])
      expect((await why(`/products/${tea.id}?explain=stock&${moment}`)).columns).to.deep.equal(columns)
    await refusedInEnvelope(`GET /products/${tea.id}?explain=stock&asOf=2001-01-01T00:00:00Z`, { token: analyst.token }, 400)
  })

  it("is told of orders, users and carts, whosever they are, and without anybody's personal data", async () => {
    expect((await why(`/orders/${order._id}?explain=status`)).columns.status).to.deep.include({ value: 'new' })
    const { columns } = await why(`/users/${ann._id}?explain=email,role`, (await theStaff()).token)
    expect(columns.email).to.deep.include({ value: 'left out', before: null })
    expect(columns.role!.event.type).to.equal('UserRegistered')
    await send('POST /cart', { token: ann.token, body: { ProductId: tea.id, amount: 2 } })
    const cart = await send<Explained>(`GET /cart?explain=lines&UserId=${ann._id}`, { token: analyst.token })
    expect(cart.body.columns.lines).to.deep.include({ value: [{ productId: tea._id, amount: 2 }] })
    expect(cart.headers.get('cache-control')).to.equal('private, no-cache')
  })

  it('is for analysts and staff', async () => {
    await refusedInEnvelope(`GET /products/${tea.id}?explain=stock`, {}, 401)
    for (const path of [`/products/${tea.id}`, `/orders/${order._id}`, `/users/${ann._id}`])
      await refusedInEnvelope(`GET ${path}?explain=stock`, { token: ann.token }, 403)
    await refusedInMsg('GET /cart?explain=lines', { token: ann.token }, 403)
    await refusedInMsg(`GET /cart?UserId=${ann._id}`, { token: ann.token }, 400)
    expect((await send(`GET /products/${tea.id}`)).status).to.equal(200)
  })

  it('says what is meant where there is no such column or row', async () => {
    const { token } = analyst
    expect(await refusedInEnvelope(`GET /products/${tea.id}?explain=stok`, { token }, 400)).to.include('did you mean stock')
    await refusedInEnvelope('GET /products/999999999?explain=stock', { token }, 404)
    await refusedInEnvelope(`GET /orders/${order._id}?explain=status&revision=99`, { token }, 404)
    await refusedInMsg(`GET /cart?explain=lines`, { token }, 404)
  })
})
