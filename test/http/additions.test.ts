import { expect } from 'chai'
import { app } from './app.js'
import {
  aCustomer,
  anOrder,
  aProduct,
  type Envelope,
  logIn,
  type Order,
  type Person,
  type Product,
  readAfterAll,
  refused,
  refusedInEnvelope,
  refusedInMsg,
  send,
  stockOf,
  theAnalyst,
  theStaff,
} from './client.js'

const unknownId = '000000000000000000000001'
const success = (data: unknown) => ({ status: 200, message: 'success', data: { data } })

describe('the routes beyond the documents', () => {
  describe('GET /products/:id', () => {
    it('answers the product to anyone, under either id', async () => {
      const tea = await aProduct({ price: 2.5 })
      for (const id of [tea.id, tea._id]) {
        const { status, body } = await send(`GET /products/${id}`, { headers: await readAfterAll() })
        expect([status, body]).to.deep.equal([200, success(tea)])
      }
    })

    it('answers 404 for what is not there', async () => {
      for (const id of [unknownId, 'tea', '-1', '1.5', '9007199254740992', 'ffffffffffffffffffffffff'])
        await refusedInEnvelope(`GET /products/${id}`, {}, 404)
    })
  })

  describe('DELETE /products/:id', () => {
    it('retires the product: it is listed no more, and orders and carts keep it', async () => {
      const { token } = await theStaff()
      const ann = await aCustomer()
      const tea = await aProduct({ price: 2 })
      const order = await anOrder(ann, [[tea, 1]])
      await send('POST /cart', { token: ann.token, body: { ProductId: tea.id, amount: 1 } })
      const { status, body } = await send<Envelope<Product>>(`DELETE /products/${tea.id}`, { token })
      expect([status, body]).to.deep.equal([200, success({ ...tea, stock: 9 })])
      const headers = await readAfterAll()
      expect((await send<Product[]>('GET /products', { headers })).body.map(({ id }) => id)).not.to.include(tea.id)
      await refusedInEnvelope(`GET /products/${tea.id}`, { headers }, 404)
      expect((await send(`GET /orders/${order._id}`, { token: ann.token })).body).to.deep.equal(success(order))
      expect((await send<Order[]>('GET /cart', { token: ann.token })).body).to.have.length(1)
    })

    it('answers 404 for an unknown and a retired one, 403 to a customer, 412 to a stale If-Match', async () => {
      const { token } = await theStaff()
      const tea = await aProduct()
      await refusedInEnvelope(`DELETE /products/${tea.id}`, { token, headers: { 'If-Match': '"3-x"' } }, 412)
      await send(`DELETE /products/${tea.id}`, { token })
      for (const id of [tea.id, unknownId, 'x']) await refusedInEnvelope(`DELETE /products/${id}`, { token }, 404)
      await refusedInEnvelope(`DELETE /products/${tea.id}`, { token: (await aCustomer()).token }, 403)
    })
  })

  describe('GET /orders', () => {
    it("answers one's own, newest first, filtered and paged", async () => {
      const ann = await aCustomer()
      const tea = await aProduct({ stock: 100, price: 1 })
      await anOrder(await aCustomer('Ben'), [[tea, 1]])
      const orders: Order[] = []
      for (let n = 1; n <= 5; n++) orders.unshift(await anOrder(ann, [[tea, n]]))
      await send('PUT /orders/update', { token: ann.token, body: { _id: orders[1]!._id, status: 'Paid' } })
      const get = (query: string) => send<Envelope<Order[]>>(`GET /orders${query}`, { token: ann.token })
      const idsOf = ({ body }: { body: Envelope<Order[]> }) => body.data.data.map(({ _id }) => _id)
      const all = await get('')
      expect(all.status).to.equal(200)
      expect(all.body).to.deep.include({ status: 200, message: 'success' })
      expect(all.body.data.data[0]).to.deep.equal(orders[0])
      expect(new Set(idsOf(all))).to.deep.equal(new Set(orders.map(({ _id }) => _id)))
      expect(idsOf(await get(`?status=%20paid&customer_id=${ann.id}`))).to.deep.equal([orders[1]!._id])
      const pages: string[] = []
      for (let path: string | undefined = '?limit=2'; path; ) {
        const page = await get(path)
        pages.push(...idsOf(page))
        path = /^<\/orders(.*)>; rel="next"$/.exec(page.headers.get('link') ?? '')?.[1]
      }
      expect(pages).to.deep.equal(idsOf(all))
    })

    it("answers everybody's to staff", async () => {
      const [ann, ben, { token }] = [await aCustomer(), await aCustomer('Ben'), await theStaff()]
      const tea = await aProduct({ stock: 100, price: 1 })
      const orders = [await anOrder(ben, [[tea, 1]]), await anOrder(ann, [[tea, 1]])].reverse()
      const headers = await readAfterAll()
      const all = await send<Envelope<Order[]>>('GET /orders?limit=2', { token, headers })
      expect(new Set(all.body.data.data.map(({ _id }) => _id))).to.deep.equal(new Set(orders.map(({ _id }) => _id)))
      const one = await send<Envelope<Order[]>>(`GET /orders?customer_id=${ann._id}`, { token, headers })
      expect(one.body.data.data).to.deep.equal([orders[0]])
    })

    it("refuses another's customer_id: 403; and pages that are none: 400", async () => {
      const [ann, ben] = [await aCustomer(), await aCustomer('Ben')]
      await refusedInEnvelope(`GET /orders?customer_id=${ben._id}`, { token: ann.token }, 403)
      await refusedInEnvelope(`GET /orders?customer_id=${ben._id}`, { token: (await theAnalyst()).token }, 403)
      for (const query of ['limit=0', 'after=x', 'customer_id=x', 'status=', `status=${'x'.repeat(41)}`])
        await refusedInEnvelope(`GET /orders?${query}`, { token: ann.token }, 400)
    })
  })

  describe('GET /orders/:id and its history', () => {
    let ann: Person
    let order: Order
    beforeEach(async () => {
      ann = await aCustomer()
      order = await anOrder(ann, [[await aProduct({ price: 2 }), 1]])
    })

    it('answers the order to its customer and to staff', async () => {
      const headers = await readAfterAll()
      for (const { token } of [ann, await theStaff()])
        for (const id of [order._id, order.id])
          expect((await send(`GET /orders/${id}`, { token, headers })).body).to.deep.equal(success(order))
    })

    it('does not exist for anybody else: 404', async () => {
      const headers = await readAfterAll()
      for (const { token } of [await aCustomer('Ben'), await theAnalyst()])
        await refusedInEnvelope(`GET /orders/${order._id}`, { token, headers }, 404)
      await refusedInEnvelope(`GET /orders/${order._id}/history`, { token: (await aCustomer('Ben')).token, headers }, 404)
      for (const id of [unknownId, 'x'])
        for (const path of [`/orders/${id}`, `/orders/${id}/history`])
          await refusedInEnvelope(`GET ${path}`, { token: ann.token }, 404)
    })

    it('an order that was asked for and not accepted is in no list, and 404', async () => {
      const last = await aProduct({ stock: 1, price: 1 })
      const body = { customer_id: ann._id, price: 1, items: [{ product_id: last._id, quantity: 1 }], status: 'new' }
      await Promise.all([1, 2, 3].map(() => send('POST /orders/new', { token: ann.token, body })))
      const list = await send<Envelope<Order[]>>('GET /orders', { token: ann.token, headers: await readAfterAll() })
      expect(list.body.data.data).to.have.length(2)
    })

    it('tells what happened, oldest first, to its customer, staff and analysts', async () => {
      await send('PUT /orders/update', { token: ann.token, body: { _id: order._id, status: 'paid' } })
      type Entry = { event_id: string; type: string; revision: number; at: string; data: object }
      const headers = await readAfterAll()
      for (const { token } of [ann, await theStaff(), await theAnalyst()]) {
        const { status, body } = await send<Envelope<Entry[]>>(`GET /orders/${order._id}/history`, { token, headers })
        expect(status).to.equal(200)
        expect(body.data.data.map(({ type }) => type)).to.deep.equal(['OrderPlaced', 'OrderStatusChanged'])
        expect(body.data.data[0]!.data).to.deep.equal({ customer_id: ann._id, price: 2, items: order.items, status: 'new' })
        expect(body.data.data[1]!.data).to.deep.equal({ status: 'paid' })
      }
    })
  })

  describe('POST /cart/checkout', () => {
    let ann: Person
    let tea: Product
    beforeEach(async () => {
      ann = await aCustomer()
      tea = await aProduct({ stock: 10, price: 2 })
    })
    const put = (product: Product, amount: number) =>
      send('POST /cart', { token: ann.token, body: { ProductId: product.id, amount } })

    it('makes an order of the cart, and empties it', async () => {
      await put(tea, 3)
      const { status, body } = await send<Envelope<Order>>('POST /cart/checkout', { token: ann.token })
      const { _id, id } = body.data.data
      expect(status).to.equal(201)
      expect(body).to.deep.equal({
        status: 201,
        message: 'success',
        data: {
          data: {
            _id,
            id,
            customer_id: ann._id,
            price: 6,
            items: [{ product_id: tea._id, quantity: 3, price: 2 }],
            status: 'new',
          },
        },
      })
      expect((await send('GET /cart', { token: ann.token })).body).to.deep.equal([])
      expect(await stockOf(tea)).to.equal(7)
    })

    it('takes a price and a status', async () => {
      await put(await aProduct({ stock: 5 }), 1)
      const body = { price: 12.5, status: 'gift' }
      const reply = await send<Envelope<Order>>('POST /cart/checkout', { token: ann.token, body })
      expect(reply.body.data.data).to.include(body)
    })

    it('refuses an empty cart, no price where one is needed, and a status that is not for a new order: 400', async () => {
      await refusedInEnvelope('POST /cart/checkout', { token: ann.token }, 400)
      await put(await aProduct({ stock: 5 }), 1)
      await refusedInEnvelope('POST /cart/checkout', { token: ann.token, body: {} }, 400)
      await refusedInEnvelope('POST /cart/checkout', { token: ann.token, body: { price: 1, status: 'shipped' } }, 400)
      expect((await send('POST /cart/checkout', { token: ann.token, body: { price: 1 } })).status).to.equal(201)
    })

    it('refuses more than there is and a price that is not the sum (409), and a retired product (404); the cart stays', async () => {
      await put(tea, 11)
      await refusedInEnvelope('POST /cart/checkout', { token: ann.token }, 409)
      await send(`PUT /cart/${tea.id}`, { token: ann.token, body: { amount: 2 } })
      await refusedInEnvelope('POST /cart/checkout', { token: ann.token, body: { price: 3 } }, 409)
      await send(`DELETE /products/${tea.id}`, { token: (await theStaff()).token })
      await refusedInEnvelope('POST /cart/checkout', { token: ann.token }, 404)
      expect((await send<object[]>('GET /cart', { token: ann.token })).body).to.have.length(1)
    })
  })

  describe('GET /topics/orders/records', () => {
    type Record = { partition: number; offset: number; key: string; position: string; value: object; headers: object }

    /** The bridge follows by itself: asks until it is there. */
    const recordsOf = async (order: Order): Promise<readonly Record[]> => {
      const { token } = await theStaff()
      for (;;) {
        const { body } = await send<Record[]>('GET /topics/orders/records?limit=1000', { token })
        const records = body.filter(({ key }) => key === order._id)
        if (records.length > 0) return records
      }
    }

    it('answers records to staff and analysts, by partition and offset', async () => {
      const order = await anOrder(await aCustomer(), [[await aProduct({ price: 2 }), 1]])
      const [record] = await recordsOf(order)
      for (const { token } of [await theStaff(), await theAnalyst()]) {
        const place = `partition=${record!.partition}&offset=${record!.offset}&limit=1`
        const { status, body } = await send(`GET /topics/orders/records?${place}`, { token })
        expect([status, body]).to.deep.equal([200, [record]])
      }
    })

    it('is followed live as Server-Sent Events, after Last-Event-ID, until the token ends', async () => {
      const reader = await aCustomer('reader')
      const { grant, url } = await app()
      await grant(reader.email, 'analyst')
      const { token } = await logIn(reader.email)
      const ann = await aCustomer()
      const [first] = await recordsOf(await anOrder(ann, [[await aProduct({ price: 2 }), 1]]))
      const headers = { authorization: `Bearer ${token}`, accept: 'text/event-stream', 'last-event-id': first!.position }
      const response = await fetch(`${url}/topics/orders/records`, { headers })
      expect(response.headers.get('content-type')).to.match(/^text\/event-stream/)
      const next = await anOrder(ann, [[await aProduct({ price: 2 }), 1]])
      let text = ''
      const ended = async () => {
        for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
          text += chunk
          if (text.includes(next._id)) await grant(reader.email, 'customer')
        }
      }
      // Cut off or ended: either way there is no more.
      await ended().catch((error: Error) => expect(error.message).to.equal('terminated'))
      expect(text).to.include(`"key":"${next._id}"`).and.not.include(`id: ${first!.position}\n`)
    })

    it('is followed by many at once, of which nothing is left and nothing warned of', async () => {
      const { token } = await theAnalyst()
      const { url } = await app()
      const warnings: Error[] = []
      const keep = (warning: Error) => void warnings.push(warning)
      process.on('warning', keep)
      const leaving = new AbortController()
      const headers = { authorization: `Bearer ${token}`, accept: 'text/event-stream' }
      const readers = Array.from({ length: 12 }, () => fetch(`${url}/topics/orders/records`, { headers, signal: leaving.signal }))
      expect((await Promise.all(readers)).map(({ status }) => status)).to.deep.equal(Array(12).fill(200))
      leaving.abort()
      await new Promise((resolve) => setImmediate(resolve))
      process.off('warning', keep)
      expect(warnings.map(({ message }) => message)).to.deep.equal([])
    })

    it('refuses customers (403), nobody (401) and what is no place in it (400)', async () => {
      await refusedInMsg('GET /topics/orders/records?offset=x', {}, 401)
      await refusedInMsg('GET /topics/orders/records?offset=x', { token: (await aCustomer()).token }, 403)
      const { token } = await theStaff()
      for (const query of ['after=x', 'partition=-1', 'partition=x', 'offset=-1', 'offset=1e3', 'limit=0', 'limit=1001'])
        await refusedInMsg(`GET /topics/orders/records?${query}`, { token }, 400)
      const headers = { accept: 'text/event-stream', 'last-event-id': 'x' }
      expect(await refusedInMsg('GET /topics/orders/records', { token, headers }, 400)).to.match(/^Last-Event-ID/)
    })
  })

  describe('descriptions', () => {
    for (const path of ['/openapi.json', '/asyncapi.json', '/docs']) {
      it(`GET ${path} has a tag, by which it is not sent again`, async () => {
        const { status, headers } = await send(`GET ${path}`)
        expect(status).to.equal(200)
        const again = await send(`GET ${path}`, { headers: { 'If-None-Match': headers.get('etag')! } })
        expect([again.status, again.text]).to.deep.equal([304, ''])
      })
    }
  })

  describe('for those who run it', () => {
    it('GET /health/live and /health/ready answer 200', async () => {
      expect((await send('GET /health/live')).body).to.deep.equal({ live: true })
      const ready = await send<{ ready: boolean; parts: object }>('GET /health/ready')
      expect(ready.status, ready.text).to.equal(200)
      expect(ready.body).to.have.all.keys('ready', 'parts')
    })

    it('GET /metrics counts requests by route', async () => {
      await send('GET /products')
      const { status, text, headers } = await send('GET /metrics')
      expect(status).to.equal(200)
      expect(headers.get('content-type')).to.match(/^text\/plain/)
      expect(text).to.match(/http_request_duration_seconds_count\{method="GET",route="\/products",status="200"\} \d/)
    })

    it('GET /docs is a page that needs nothing else', async () => {
      const { status, text, headers } = await send('GET /docs')
      expect(status).to.equal(200)
      expect(headers.get('content-type')).to.match(/^text\/html/)
      expect(text)
        .to.include('POST /orders/new')
        .and.not.match(/<script|src=|@import|href="http/)
    })
  })

  it('an unknown route is 404, a known one with another method 405 with Allow', async () => {
    for (const line of ['GET /', 'GET /nowhere', 'POST /users', 'GET /cart/1/2', 'GET /Products'])
      await refusedInMsg(line, {}, 404)
    const others = [
      ['DELETE /cart', 'GET, HEAD, POST, OPTIONS'],
      ['GET /cart/1', 'PUT, DELETE, OPTIONS'],
      ['GET /register', 'POST, OPTIONS'],
      ['POST /health/live', 'GET, HEAD, OPTIONS'],
    ] as const
    for (const [line, allow] of others) {
      const { headers, body } = await refused(line, {}, 405)
      expect(headers.get('allow')).to.equal(allow)
      expect(body).to.have.all.keys('msg')
    }
    const enveloped = [
      ['GET /orders/new', 'POST, OPTIONS'],
      ['PATCH /orders/update', 'PUT, OPTIONS'],
      ['POST /products/1', 'GET, HEAD, DELETE, OPTIONS'],
      ['GET /users/login', 'POST, OPTIONS'],
    ] as const
    for (const [line, allow] of enveloped) {
      const { headers, body } = await refused(line, {}, 405)
      expect(headers.get('allow')).to.equal(allow)
      expect(body).to.include({ status: 405, message: 'error' })
    }
  })

  it('OPTIONS answers what a path takes, and HEAD what GET would', async () => {
    const options = await send('OPTIONS /cart')
    expect([options.status, options.headers.get('allow')]).to.deep.equal([204, 'GET, HEAD, POST, OPTIONS'])
    const [get, head] = [await send('GET /products'), await send('HEAD /products')]
    expect([head.status, head.text]).to.deep.equal([200, ''])
    expect(head.headers.get('etag')).to.equal(get.headers.get('etag'))
    expect(head.headers.get('content-length')).to.equal(get.headers.get('content-length'))
  })
})
