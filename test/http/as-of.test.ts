import { expect } from 'chai'
import {
  aCustomer,
  anOrder,
  aProduct,
  type Envelope,
  type Order,
  type Person,
  type Product,
  readAfterAll,
  refusedInEnvelope,
  refusedInMsg,
  send,
  theStaff,
} from './client.js'

/** Later than all that was done, and earlier than all that will be. */
const aMoment = async (): Promise<string> => {
  await new Promise((resolve) => setTimeout(resolve, 3))
  const now = new Date().toISOString()
  await new Promise((resolve) => setTimeout(resolve, 3))
  return now
}

describe('reads as of then', () => {
  let ann: Person
  let staff: Person
  let tea: Product
  let dawn: string
  before(async () => {
    staff = await theStaff()
    dawn = await aMoment()
    ann = await aCustomer()
    tea = await aProduct({ name: 'Tea', stock: 10, price: 2 })
  })
  const past = <Inner>(path: string, token = ann.token) => send<Envelope<Inner>>(`GET ${path}`, { token })
  const inner = async <Inner>(path: string, token?: string) => (await past<Inner>(path, token)).body.data.data

  it('answer a product, by revision and by time, with the ETag of then', async () => {
    const first = await past<Product>(`/products/${tea._id}?revision=0`)
    const between = await aMoment()
    await send('PUT /products/update', { token: staff.token, body: { _id: tea._id, name: 'Green tea' } })
    expect(first.body.data.data).to.deep.equal(tea)
    const asOf = await past<Product>(`/products/${tea.id}?asOf=${between}`)
    expect(asOf.body.data.data).to.deep.equal(tea)
    expect(asOf.headers.get('etag')).to.equal(first.headers.get('etag')).and.to.match(/^"0-/)
    expect((await inner<Product>(`/products/${tea._id}?revision=1`)).name).to.equal('Green tea')
    expect((await inner<Product>(`/products/${tea._id}?asOf=${await aMoment()}`)).name).to.equal('Green tea')
  })

  it('answer an order, to whom it is', async () => {
    const order = await anOrder(ann, [[tea, 1]])
    const between = await aMoment()
    await send('PUT /orders/update', { token: ann.token, body: { _id: order._id, status: 'paid' } })
    expect(await inner<Order>(`/orders/${order._id}?asOf=${between}`)).to.deep.equal(order)
    expect(await inner<Order>(`/orders/${order._id}?revision=1`, staff.token)).to.deep.equal(order)
    expect((await inner<Order>(`/orders/${order._id}?revision=2`)).status).to.equal('paid')
    await refusedInEnvelope(`GET /orders/${order._id}?revision=0`, { token: ann.token }, 404)
    const { token } = await aCustomer('Ben')
    await refusedInEnvelope(`GET /orders/${order._id}?asOf=${between}`, { token }, 404)
  })

  it('answer a user', async () => {
    const between = await aMoment()
    const body = { old_password: 'correct horse', name: 'Anna' }
    await send(`PUT /users/edit/${ann._id}`, { token: ann.token, body })
    expect((await inner<Person>(`/users/${ann._id}?asOf=${between}`)).name).to.equal('Ann')
    expect((await inner<Person>(`/users/${ann._id}?asOf=${await aMoment()}`, staff.token)).name).to.equal('Anna')
  })

  it('answer a cart, with its products as they were', async () => {
    const milk = await aProduct({ name: 'Milk', price: 1 })
    await send('POST /cart', { token: ann.token, body: { ProductId: milk.id, amount: 2 } })
    const now = await send('GET /cart', { token: ann.token, headers: await readAfterAll() })
    const between = await aMoment()
    await send('PUT /products/update', { token: staff.token, body: { _id: milk._id, price: 9 } })
    await send(`PUT /cart/${milk.id}`, { token: ann.token, body: { amount: 5 } })
    for (const query of [`asOf=${between}`, 'revision=0'])
      expect((await send(`GET /cart?${query}`, { token: ann.token })).body, query).to.deep.equal(now.body)
  })

  it('answer 404 for a time before there was anything, and for a revision that is not there', async () => {
    const { token } = ann
    for (const path of [`/products/${tea._id}`, `/users/${ann._id}`, '/orders/1'])
      for (const query of [`asOf=${dawn}`, 'revision=1000000']) await refusedInEnvelope(`GET ${path}?${query}`, { token }, 404)
    for (const query of [`asOf=${dawn}`, 'revision=1000000']) await refusedInMsg(`GET /cart?${query}`, { token }, 404)
  })

  it('take a time with an offset, and refuse what is none: 400', async () => {
    const offset = (await aMoment()).replace('Z', '+00:00')
    for (const written of [offset, encodeURIComponent(offset)])
      expect((await past<Product>(`/products/${tea._id}?asOf=${written}`)).status).to.equal(200)
    for (const query of [
      'asOf=x',
      'asOf=',
      'asOf=2026-13-01T00:00:00Z',
      'asOf=yesterday',
      'revision=-1',
      'revision=x',
      'revision=0&asOf=2026-01-01T00:00:00Z',
    ])
      await refusedInEnvelope(`GET /products/${tea._id}?${query}`, {}, 400)
  })
})
