import { expect } from 'chai'
import { lastPosition } from './app.js'
import {
  aCustomer,
  anEmail,
  anOrder,
  aProduct,
  type Envelope,
  type Order,
  orderOf,
  type Person,
  type Product,
  password,
  type Request,
  readAfterAll,
  refused,
  refusedInEnvelope,
  refusedInMsg,
  send,
  stockOf,
  theStaff,
} from './client.js'

describe('headers', () => {
  let ann: Person
  let staff: Person
  let tea: Product
  beforeEach(async () => {
    ;[ann, staff] = [await aCustomer(), await theStaff()]
    tea = await aProduct({ stock: 10, price: 2 })
  })

  describe('ETag', () => {
    it('of one object is its revision and the hash of the body; a command answers the same one', async () => {
      const updated = await send('PUT /products/update', { token: staff.token, body: { _id: tea._id, name: 'Green tea' } })
      const tag = updated.headers.get('etag')
      expect(tag).to.match(/^"1-[\w-]+"$/)
      const read = await send(`GET /products/${tea._id}`, { headers: await readAfterAll() })
      expect(read.headers.get('etag')).to.equal(tag)
    })

    it('of a list is the hash alone', async () => {
      const { headers } = await send('GET /products')
      expect(headers.get('etag')).to.match(/^"[\w-]{22}"$/)
      expect((await send('GET /orders', { token: ann.token })).headers.get('etag')).to.match(/^"[\w-]{22}"$/)
    })

    it('of a cart changes with the prices that it shows', async () => {
      await send('POST /cart', { token: ann.token, body: { ProductId: tea.id, amount: 1 } })
      const before = (await send('GET /cart', { token: ann.token })).headers.get('etag')
      await send('PUT /products/update', { token: staff.token, body: { _id: tea._id, price: 3 } })
      const after = (await send('GET /cart', { token: ann.token, headers: await readAfterAll() })).headers.get('etag')
      expect([before?.slice(0, 3), after?.slice(0, 3)]).to.deep.equal(['"0-', '"0-'])
      expect(after).not.to.equal(before)
    })

    it('If-None-Match answers 304 without a body where nothing has changed', async () => {
      for (const path of ['/cart', `/users/${ann._id}`, '/orders', '/products']) {
        const etag = (await send(`GET ${path}`, { token: ann.token })).headers.get('etag')!
        for (const known of [etag, `W/${etag}`, `"x", ${etag}`, `, ,${etag},`, '*']) {
          const { status, text, headers } = await send(`GET ${path}`, { token: ann.token, headers: { 'If-None-Match': known } })
          expect([status, text]).to.deep.equal([304, ''])
          expect(headers.get('etag')).to.equal(etag)
        }
        expect((await send(`GET ${path}`, { token: ann.token, headers: { 'If-None-Match': '"x"' } })).status).to.equal(200)
      }
      const malformed = await refused('GET /products?limit=1', { headers: { 'If-None-Match': 'x' } }, 400)
      expect([malformed.headers.get('etag'), malformed.headers.get('link')]).to.deep.equal([null, null])
    })

    it('If-Match lets a change through at its revision alone: 412', async () => {
      const order = await anOrder(ann, [[tea, 1]])
      const etag = (await send(`GET /orders/${order._id}`, { token: ann.token })).headers.get('etag')!
      const update = (status: string, match: string): Request => ({
        token: ann.token,
        headers: { 'If-Match': match },
        body: { _id: order._id, status },
      })
      const first = await send('PUT /orders/update', update('paid', etag))
      expect(first.status).to.equal(200)
      for (const stale of [etag, `"0-x"`, '"x"', `W/${first.headers.get('etag')}`])
        await refusedInEnvelope('PUT /orders/update', update('packed', stale), 412)
      expect((await send('PUT /orders/update', update('packed', `"x", ${first.headers.get('etag')}`))).status).to.equal(200)
      const third = await send('PUT /orders/update', update('wrapped', '*'))
      expect(third.status).to.equal(200)
      expect((await send('PUT /orders/update', update('sent', `"0-x",${third.headers.get('etag')}`))).status).to.equal(200)
      await refusedInEnvelope('PUT /orders/update', update('z', `"0-x", ${third.headers.get('etag')}`), 412)
      for (const malformed of ['x', '"x', '"1-a" "2-b"'])
        await refusedInEnvelope('PUT /orders/update', update('z', malformed), 400)
    })

    it('If-Match guards carts, products and profiles; a reservation moves a product on too', async () => {
      const empty = (await send('GET /cart', { token: ann.token })).headers.get('etag')!
      const add = (match: string) => ({
        token: ann.token,
        headers: { 'If-Match': match },
        body: { ProductId: tea.id, amount: 1 },
      })
      expect((await send('POST /cart', add(empty))).status).to.equal(201)
      await refusedInMsg('POST /cart', add(empty), 412)
      await refusedInMsg(`PUT /cart/${tea.id}`, { ...add(empty), body: { amount: 2 } }, 412)
      await refusedInMsg(`DELETE /cart/${tea.id}`, { token: ann.token, headers: { 'If-Match': empty } }, 412)
      await refusedInEnvelope('POST /cart/checkout', { token: ann.token, headers: { 'If-Match': empty } }, 412)
      await anOrder(ann, [[tea, 1]])
      const update = { token: staff.token, headers: { 'If-Match': '"0-x"' }, body: { _id: tea._id, stock: 1 } }
      await refusedInEnvelope('PUT /products/update', update, 412)
    })
  })

  describe('Idempotency-Key', () => {
    const keyed = (name: string, request: Request): Request => ({
      ...request,
      headers: { ...request.headers, 'Idempotency-Key': name },
    })

    /** Done once, answered alike, and refused with another body; none of the repeats leaves an event. */
    const once = async (line: string, request: Request, other: Request) => {
      const key = `${line} ${Math.random()}`
      const first = await send(line, keyed(key, request))
      expect(first.status, first.text).to.be.within(200, 201)
      const before = await lastPosition()
      const [again, differs] = [await send(line, keyed(key, request)), await send(line, keyed(key, other))]
      expect([again.status, again.body], line).to.deep.equal([first.status, first.body])
      expect(differs.status, `${line}: ${differs.text}`).to.equal(422)
      expect(await lastPosition()).to.equal(before)
      expect(again.headers.get('etag')).to.equal(first.headers.get('etag'))
      return first
    }

    it('makes a registration happen once', async () => {
      const body = { email: anEmail(), password }
      await once('POST /register', { body }, { body: { ...body, password: 'another one' } })
      const user = { name: 'Ann', email: anEmail(), password, confirm_password: password }
      await once('POST /users/register', { body: user }, { body: { ...user, name: 'Anna' } })
    })

    it('makes a change of a profile happen once, whatever the password is by then', async () => {
      const line = `PUT /users/edit/${ann._id}`
      const body = { old_password: password, new_password: 'another one', name: 'Anna' }
      const first = await send<Envelope<{ access_token: string }>>(line, keyed('edit', { token: ann.token, body }))
      const { access_token: token } = first.body.data.data
      const again = await send<Envelope<{ access_token: string; name: string }>>(line, keyed('edit', { token, body }))
      expect([again.status, again.body.data.data.name]).to.deep.equal([200, 'Anna'])
      await refusedInEnvelope(line, keyed('edit', { token, body: { ...body, name: 'Anne' } }), 422)
    })

    it('makes each change of a product happen once', async () => {
      const { token } = staff
      await once('POST /products/new', { token, body: { name: 'Milk', stock: 1 } }, { token, body: { name: 'Milk', stock: 2 } })
      const update = (stock: number) => ({ token, body: { _id: tea._id, stock } })
      await once('PUT /products/update', update(5), update(6))
      const retire = keyed(`retire ${tea._id}`, { token })
      const first = await send(`DELETE /products/${tea._id}`, retire)
      const again = await send(`DELETE /products/${tea.id}`, retire)
      expect([again.status, again.body]).to.deep.equal([200, first.body])
    })

    it('makes each change of a cart happen once', async () => {
      const { token } = ann
      const add = (amount: number) => ({ token, body: { ProductId: tea.id, amount } })
      await once('POST /cart', add(2), add(3))
      await once(`PUT /cart/${tea.id}`, { token, body: { amount: 4 } }, { token, body: { amount: 5 } })
      expect((await send<{ amount: number }[]>('GET /cart', { token })).body[0]!.amount).to.equal(4)
      const removal = await send(`DELETE /cart/${tea.id}`, keyed('remove', { token }))
      expect((await send(`DELETE /cart/${tea._id}`, keyed('remove', { token }))).body).to.deep.equal(removal.body)
      await refusedInMsg('DELETE /cart/1', keyed('remove', { token }), 422)
    })

    it('makes a checkout and an order happen once, and a change of it', async () => {
      const { token } = ann
      await send('POST /cart', { token, body: { ProductId: tea.id, amount: 2 } })
      await once('POST /cart/checkout', { token, body: {} }, { token, body: { status: 'gift' } })
      const order = (n: number) => ({ token, body: orderOf(ann, [[tea, n]]) })
      const { body } = await once('POST /orders/new', order(1), order(2))
      const { _id } = (body as Envelope<Order>).data.data
      const change = (status: string) => ({ token, body: { _id, status } })
      await once('PUT /orders/update', change('paid'), change('packed'))
    })

    it('with a body that names another object is another request: 422', async () => {
      const { token } = staff
      const other = await aProduct()
      const update = (product: Product) => keyed(`update ${tea._id}`, { token, body: { _id: product._id, stock: 5 } })
      expect((await send('PUT /products/update', update(tea))).status).to.equal(200)
      await refusedInEnvelope('PUT /products/update', update(other), 422)
      const orders = [await anOrder(ann, [[tea, 1]]), await anOrder(ann, [[tea, 1]])]
      const [first, second] = orders.map(({ _id }) => keyed(`pay ${_id}`, { token, body: { _id, status: 'paid' } }))
      expect((await send('PUT /orders/update', { ...second, headers: first!.headers! })).status).to.equal(200)
      await refusedInEnvelope('PUT /orders/update', first!, 422)
      const retire = keyed(`retire ${tea._id}`, { token })
      expect((await send(`DELETE /products/${tea._id}`, retire)).status).to.equal(200)
      await refusedInEnvelope(`DELETE /products/${other._id}`, retire, 422)
    })

    it('of a request that changed nothing is answered alike too, whatever came since, and is 422 with another body', async () => {
      const { token } = staff
      const count = (stock: number) => keyed(`count ${tea._id}`, { token, body: { _id: tea._id, stock } })
      const first = await send('PUT /products/update', count(10))
      expect(first.headers.get('etag')).to.match(/^"0-/)
      await anOrder(ann, [[tea, 3]])
      const before = await lastPosition()
      const again = await send('PUT /products/update', count(10))
      expect([again.status, again.body, again.headers.get('etag')]).to.deep.equal([200, first.body, first.headers.get('etag')])
      await refusedInEnvelope('PUT /products/update', count(11), 422)
      expect(await lastPosition()).to.equal(before)
      expect(await stockOf(tea)).to.equal(7)
    })

    it('is whose it is, and its route’s: the same key of another means nothing', async () => {
      const ben = await aCustomer('Ben')
      for (const { token } of [ann, ben])
        expect((await send('POST /cart', keyed('k', { token, body: { ProductId: tea.id, amount: 1 } }))).status).to.equal(201)
      expect((await send(`PUT /cart/${tea.id}`, keyed('k', { token: ann.token, body: { amount: 2 } }))).status).to.equal(200)
    })

    it('of a refused request is tried anew', async () => {
      const request = keyed('later', { token: ann.token, body: orderOf(ann, [[tea, 11]]) })
      await refusedInEnvelope('POST /orders/new', request, 409)
      await send('PUT /products/update', { token: staff.token, body: { _id: tea._id, stock: 11 } })
      expect((await send('POST /orders/new', request)).status).to.equal(201)
    })

    it('comes before If-Match, old_password and a taken e-mail', async () => {
      const add = keyed('first', { token: ann.token, body: { ProductId: tea.id, amount: 1 }, headers: { 'If-Match': '"-1-x"' } })
      const register = keyed('first', { body: { email: anEmail(), password } })
      for (let n = 0; n < 2; n++) {
        expect((await send('POST /cart', add)).status).to.equal(201)
        expect((await send('POST /register', register)).status).to.equal(201)
      }
    })

    it('is one value of printable ASCII: 400', async () => {
      for (const name of ['', 'é', 'x'.repeat(256)])
        await refusedInMsg('POST /cart', keyed(name, { token: ann.token, body: { ProductId: tea.id, amount: 1 } }), 400)
    })
  })

  describe('Commit-Position and Read-After', () => {
    it('every command answers the position that its answer rests on', async () => {
      const add = await send('POST /cart', { token: ann.token, body: { ProductId: tea.id, amount: 1 } })
      expect(BigInt(add.headers.get('commit-position')!)).to.equal(await lastPosition())
      const same = await send(`PUT /cart/${tea.id}`, { token: ann.token, body: { amount: 1 } })
      expect(same.headers.get('commit-position')).to.equal(add.headers.get('commit-position'))
    })

    it('a command that was refused before anything was read, or where nothing is, rests on nothing: 0', async () => {
      const { token } = ann
      for (const [line, request] of [
        ['POST /cart', {}],
        ['POST /cart', { token, body: { amount: 0 } }],
        ['POST /cart', { token, body: { ProductId: 1, amount: 1 } }],
        ['PUT /products/update', { token, body: {} }],
        ['DELETE /products/1', { token: staff.token }],
      ] as const) {
        const { status, headers } = await send(line, request)
        expect(status, line).to.be.within(400, 404)
        expect(headers.get('commit-position'), line).to.equal('0')
      }
      for (const line of ['GET /cart', 'PATCH /cart', 'POST /login'])
        expect((await send(line, { token })).headers.get('commit-position'), line).to.equal(null)
    })

    it('a read shows what its user wrote, without being asked', async () => {
      for (let amount = 2; amount < 12; amount++) {
        await send('POST /cart', { token: ann.token, body: { ProductId: tea.id, amount: 1 } })
        const { body, headers } = await send<{ amount: number }[]>('GET /cart', { token: ann.token })
        expect(body[0]!.amount).to.equal(amount - 1)
        expect(headers.get('warning')).to.equal(null)
      }
    })

    it('a read waits for the position that it names, and gives up with 503', async () => {
      const { headers } = await send('PUT /products/update', { token: staff.token, body: { _id: tea._id, stock: 3 } })
      const position = headers.get('commit-position')!
      const read = await send<Envelope<Product>>(`GET /products/${tea._id}`, { headers: { 'Read-After': position } })
      expect(read.body.data.data.stock).to.equal(3)
      const never = await refused('GET /products', { headers: { 'Read-After': String(2n ** 64n - 1n) } }, 503)
      expect(never.headers.get('retry-after')).to.match(/^\d+$/)
    })

    it('a position is a decimal number: 400', async () => {
      for (const value of ['x', '-1', '1.5', '', '0x10', String(2n ** 64n), '1, 2', '9'.repeat(21)])
        await refusedInMsg('GET /products', { headers: { 'Read-After': value } }, 400)
    })
  })

  it('X-Correlation-Id is the client’s where it is well-formed, else the trace’s, else a new one', async () => {
    const of = async (headers: Record<string, string>) =>
      (await send('GET /health/live', { headers })).headers.get('x-correlation-id')
    expect(await of({ 'X-Correlation-Id': 'abc-123' })).to.equal('abc-123')
    const trace = '0af7651916cd43dd8448eb211c80319c'
    expect(await of({ traceparent: `00-${trace}-b7ad6b7169203331-01` })).to.equal(trace)
    for (const bad of ['a b', 'x'.repeat(129), '<script>', '"'])
      expect(await of({ 'X-Correlation-Id': bad, traceparent: 'x' })).to.match(/^[0-9a-f-]{36}$/)
  })

  describe('Accept', () => {
    it('application/problem+json gets RFC 9457 everywhere', async () => {
      const headers = { accept: 'application/json, application/problem+json;q=0.5' }
      for (const [line, status] of [
        ['GET /nowhere', 404],
        ['GET /cart', 401],
        ['GET /orders/1', 401],
        ['POST /users', 404],
        ['DELETE /cart', 405],
        ['GET /products?limit=0', 400],
      ] as const) {
        const reply = await refused(line, { headers }, status)
        expect(reply.headers.get('content-type')).to.equal('application/problem+json')
        expect(reply.body).to.include({ type: 'about:blank', status }).and.have.all.keys('type', 'title', 'status', 'detail')
      }
      const order = { ...orderOf(ann, [[tea, 1]]), price: 3 }
      const { body } = await refused('POST /orders/new', { token: ann.token, headers, body: order }, 409)
      expect(body).to.include({ status: 409, sum: 2 })
    })

    it('anything else gets the dialect of the route', async () => {
      for (const accept of ['*/*', 'text/html', 'application/json', 'application/problem+json;q=0'])
        expect((await refused('GET /cart', { headers: { accept } }, 401)).body).to.have.all.keys('msg')
    })

    it('is named by Vary, always', async () => {
      for (const line of ['GET /products', 'GET /nowhere', 'GET /cart', 'OPTIONS /cart', 'GET /docs'])
        expect((await send(line)).headers.get('vary'), line).to.match(/Accept/)
    })
  })

  it('answers carry the headers that keep a browser careful, and nothing that is not to be kept is kept', async () => {
    const { headers } = await send('GET /docs')
    expect(headers.get('content-security-policy')).to.include("default-src 'self'")
    expect(headers.get('x-content-type-options')).to.equal('nosniff')
    const relics = ['x-powered-by', 'x-xss-protection', 'x-download-options', 'x-permitted-cross-domain-policies']
    for (const name of [...relics, 'access-control-allow-origin']) expect(headers.get(name), name).to.equal(null)
    const asked = await send('GET /products', { headers: { origin: 'https://example.org' } })
    expect(asked.headers.get('access-control-allow-origin')).to.equal(null)
    const kept = async (line: string, request?: Request) => (await send(line, request)).headers.get('cache-control')
    expect(await kept('GET /products')).to.equal('no-cache')
    expect(await kept('GET /cart', { token: ann.token })).to.equal('private, no-cache')
    expect(await kept('POST /login', { body: { email: ann.email, password } })).to.equal('no-store')
    expect(await kept('GET /cart')).to.equal('no-store')
  })
})
