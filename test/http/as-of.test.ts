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

  it('answer lists, page by page, as they were', async () => {
    const [rice, oats] = [
      await aProduct({ name: 'Rice', stock: 5, price: 1 }),
      await aProduct({ name: 'Oats', stock: 5, price: 1 }),
    ]
    const kim = await aCustomer()
    const order = await anOrder(kim, [[rice, 2]])
    const headers = await readAfterAll()
    const now = await send<Product[]>('GET /products', { headers })
    const mine = await past<Order[]>('/orders', kim.token)
    const between = await aMoment()
    const position = headers['Read-After']

    await send(`DELETE /products/${oats._id}`, { token: staff.token })
    await send('PUT /orders/update', { token: kim.token, body: { _id: order._id, status: 'cancelled' } })
    await aProduct({ name: 'Later' })
    await anOrder(kim, [[rice, 1]])
    for (const moment of [`asOf=${between}`, `position=${position}`]) {
      const then = await send<Product[]>(`GET /products?${moment}`)
      expect(then.body, moment).to.deep.equal(now.body)
      expect(then.headers.get('etag')).to.equal(now.headers.get('etag'))
      expect((await past<Order[]>(`/orders?${moment}`, kim.token)).body, moment).to.deep.equal(mine.body)
      const pages: Product[] = []
      for (let path: string | undefined = `/products?limit=2&${moment}`; path; ) {
        const page: Awaited<ReturnType<typeof send<Product[]>>> = await send<Product[]>(`GET ${path}`)
        pages.push(...page.body)
        path = /<(.*)>; rel="next"/.exec(page.headers.get('link') ?? '')?.[1]
      }
      expect(pages, moment).to.deep.equal(now.body)
    }
    const inStatus = (status: string, moment: string) => inner<Order[]>(`/orders?status=${status}&${moment}`, kim.token)
    expect(await inStatus('cancelled', `asOf=${between}`)).to.deep.equal([])
    expect(await inStatus('cancelled', `asOf=${await aMoment()}`)).to.have.length(1)
    expect(await inner<Order[]>(`/orders?asOf=${between}&customer_id=${kim._id}`, staff.token)).to.have.length(1)
    expect(await inner<Order[]>(`/orders?asOf=${between}`, ann.token)).to.not.deep.include(order)
  })

  it('answer objects as of a position of the history', async () => {
    const { 'Read-After': position } = await readAfterAll()
    const was = await inner<Product>(`/products/${tea._id}`)
    await send('PUT /products/update', { token: staff.token, body: { _id: tea._id, stock: 77 } })
    expect((await inner<Product>(`/products/${tea._id}?position=${position}`)).stock).to.equal(was.stock)
    expect((await inner<Person>(`/users/${ann._id}?position=${position}`)).name).to.equal('Anna')
    expect((await send(`GET /cart?position=${position}`, { token: ann.token })).status).to.equal(200)
  })

  it('say where a moment lies outside of the history: 400', async () => {
    const { token } = ann
    const future = new Date(Date.now() + 86_400_000).toISOString()
    for (const path of [`/products/${tea._id}`, `/users/${ann._id}`, '/orders/1', '/orders']) {
      expect(await refusedInEnvelope(`GET ${path}?asOf=${future}`, { token }, 400)).to.include('is after now')
      expect(await refusedInEnvelope(`GET ${path}?asOf=2001-01-01T00:00:00Z`, { token }, 400)).to.include('the first event is of')
    }
    for (const path of ['/products', '/cart']) {
      expect(await refusedInMsg(`GET ${path}?position=9000000000000000000`, { token }, 400)).to.include('after the last event')
      expect(await refusedInMsg(`GET ${path}?position=0`, { token }, 400)).to.include('before the beginning')
      await refusedInMsg(`GET ${path}?position=1&asOf=${dawn}`, { token }, 400)
      await refusedInMsg(`GET ${path}?asOf=noon`, { token }, 400)
    }
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
