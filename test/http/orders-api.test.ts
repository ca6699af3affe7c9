import { expect } from 'chai'
import {
  aCustomer,
  anEmail,
  anOrder,
  aProduct,
  type Envelope,
  failure,
  logIn,
  type Order,
  orderOf,
  type Person,
  type Product,
  password,
  readAfterAll,
  refused,
  refusedInEnvelope,
  send,
  stockOf,
  theAnalyst,
  theStaff,
} from './client.js'

const unknownId = '000000000000000000000001'

describe('the orders API', () => {
  describe('POST /users/register', () => {
    const body = () => ({ name: 'Ann', email: anEmail(), password, confirm_password: password })

    it('answers 201 with the user, in both shapes of the document, and never the password', async () => {
      const user = body()
      const {
        status,
        body: answer,
        text,
      } = await send<Envelope<Person & { InsertedID: string; password: string }>>('POST /users/register', { body: user })
      expect(status).to.equal(201)
      const { _id, id, ...rest } = answer.data.data
      expect(answer).to.deep.include({ status: 201, message: 'success' })
      expect(_id).to.match(/^[0-9a-f]{24}$/)
      expect(id).to.be.within(1, Number.MAX_SAFE_INTEGER)
      expect(rest).to.deep.equal({ InsertedID: _id, name: 'Ann', email: user.email, password: '********' })
      expect(text).not.to.include(password).and.not.include('$2')
    })

    it('refuses a taken e-mail, also one registered over the other API: 409', async () => {
      const user = body()
      await send('POST /register', { body: { email: user.email, password } })
      expect(await refusedInEnvelope('POST /users/register', { body: user }, 409)).to.match(/taken/)
    })

    it('refuses what does not match confirm_password, and what is missing: 400', async () => {
      const { confirm_password: _, ...without } = body()
      await refusedInEnvelope('POST /users/register', { body: without }, 400)
      await refusedInEnvelope('POST /users/register', { body: { ...body(), confirm_password: `${password}!` } }, 400)
      await refusedInEnvelope('POST /users/register', { body: { ...body(), name: undefined } }, 400)
    })
  })

  describe('POST /users/login', () => {
    it('answers 200 "sucess" with the user and a token', async () => {
      const ann = await aCustomer()
      const { status, body } = await send<Envelope<object>>('POST /users/login', { body: { email: ann.email, password } })
      expect(status).to.equal(200)
      expect(body).to.deep.include({ status: 200, message: 'sucess' })
      expect(body.data.data).to.deep.include({ _id: ann._id, id: ann.id, name: 'Ann', email: ann.email })
      expect(body.data.data).to.have.property('access_token').that.is.a('string')
    })

    it('answers an unknown e-mail and a wrong password alike: 401', async () => {
      const { email } = await aCustomer()
      const wrong = await refused('POST /users/login', { body: { email, password: 'something else' } }, 401)
      const unknown = await refused('POST /users/login', { body: { email: anEmail(), password } }, 401)
      expect(wrong.body).to.deep.equal(failure(401, 'wrong e-mail or password'))
      expect(unknown.body).to.deep.equal(wrong.body)
    })
  })

  describe('PUT /users/edit/:id', () => {
    let ann: Person
    beforeEach(async () => {
      ann = await aCustomer()
    })
    const edit = (fields: object) =>
      send<Envelope<Person & { access_token?: string }>>(`PUT /users/edit/${ann._id}`, {
        token: ann.token,
        body: { old_password: password, ...fields },
      })

    it('changes the name, and the e-mail', async () => {
      const email = anEmail()
      const { status, body } = await edit({ _id: ann._id, name: 'Anna', email: ` ${email.toUpperCase()}` })
      expect(status).to.equal(200)
      expect(body).to.deep.equal({
        status: 200,
        message: 'success',
        data: { data: { _id: ann._id, id: ann.id, name: 'Anna', email } },
      })
      expect((await logIn(email))._id).to.equal(ann._id)
      await refusedInEnvelope('POST /users/login', { body: { email: ann.email, password } }, 401)
    })

    it('changes the password: the tokens before it end, and the answer has a new one', async () => {
      const { body } = await edit({ new_password: 'another one' })
      const { access_token: token } = body.data.data
      await refusedInEnvelope(`GET /users/${ann._id}`, { token: ann.token }, 401)
      expect((await send(`GET /users/${ann._id}`, { token: token! })).status).to.equal(200)
      await refusedInEnvelope('POST /users/login', { body: { email: ann.email, password } }, 401)
      expect((await logIn(ann.email, 'another one'))._id).to.equal(ann._id)
    })

    it('takes the integer id in the path and in the body', async () => {
      const { status } = await send(`PUT /users/edit/${ann.id}`, {
        token: ann.token,
        body: { _id: ann.id, old_password: password, name: 'A' },
      })
      expect(status).to.equal(200)
    })

    it('changes nothing where nothing is given', async () => {
      expect((await edit({})).body.data.data).to.deep.equal({ _id: ann._id, id: ann.id, name: 'Ann', email: ann.email })
    })

    const put = (fields: object) => ({ token: ann.token, body: { old_password: password, ...fields } })
    const path = () => `PUT /users/edit/${ann._id}`

    it('refuses a wrong old_password: 401', async () => {
      await refusedInEnvelope(path(), put({ old_password: 'something else', name: 'X' }), 401)
    })

    it('refuses another _id, and no old_password: 400', async () => {
      await refusedInEnvelope(path(), put({ _id: unknownId }), 400)
      await refusedInEnvelope(path(), put({ old_password: undefined, name: 'X' }), 400)
      await refusedInEnvelope(path(), put({ new_password: 'short' }), 400)
    })

    it("refuses somebody else's profile, to staff too, and what is no id: 404", async () => {
      const ben = await aCustomer('Ben')
      for (const id of [ben._id, ben.id, unknownId, 'nobody'])
        await refusedInEnvelope(`PUT /users/edit/${id}`, put({ name: 'X' }), 404)
      const staff = await theStaff()
      await refusedInEnvelope(path(), { token: staff.token, body: { old_password: password } }, 404)
    })

    it('refuses a taken e-mail: 409', async () => {
      const ben = await aCustomer('Ben')
      await refusedInEnvelope(path(), put({ email: ben.email }), 409)
    })

    it('refuses a stale If-Match: 412', async () => {
      await edit({ name: 'Anna' })
      await refusedInEnvelope(path(), { ...put({ name: 'X' }), headers: { 'If-Match': '"0-x"' } }, 412)
    })
  })

  describe('GET /users/:id', () => {
    it('answers the user to that user and to staff, under either id', async () => {
      const ann = await aCustomer()
      const { token } = await theStaff()
      for (const [id, reader] of [
        [ann._id, ann.token],
        [ann.id, ann.token],
        [ann._id, token],
      ] as const) {
        const { status, body } = await send(`GET /users/${id}`, { token: reader, headers: await readAfterAll() })
        expect(status).to.equal(200)
        expect(body).to.deep.equal({
          status: 200,
          message: 'success',
          data: { data: { _id: ann._id, id: ann.id, name: 'Ann', email: ann.email } },
        })
      }
    })

    it('does not exist for anybody else: 404', async () => {
      const ann = await aCustomer()
      const ben = await aCustomer('Ben')
      const { token } = await theAnalyst()
      for (const reader of [ben.token, token]) await refusedInEnvelope(`GET /users/${ann._id}`, { token: reader }, 404)
      for (const id of [unknownId, 'x', 'ffffffffffffffffffffffff'])
        await refusedInEnvelope(`GET /users/${id}`, { token: ann.token }, 404)
    })
  })

  describe('POST /products/new', () => {
    it('answers 201 with the product', async () => {
      const { token } = await theStaff()
      const { status, body } = await send<Envelope<Product>>('POST /products/new', {
        token,
        body: { name: 'Tea', stock: 7, price: 2.35 },
      })
      const { _id, id } = body.data.data
      expect(status).to.equal(201)
      expect(body).to.deep.equal({
        status: 201,
        message: 'success',
        data: { data: { _id, id, name: 'Tea', stock: 7, price: 2.35 } },
      })
      const plain = await send<Envelope<Product>>('POST /products/new', { token, body: { name: 'Tea', stock: 0 } })
      expect(plain.body.data.data).to.have.all.keys('_id', 'id', 'name', 'stock')
    })

    it('is for staff: 403', async () => {
      for (const { token } of [await aCustomer(), await theAnalyst()])
        await refusedInEnvelope('POST /products/new', { token, raw: '{' }, 403)
    })
  })

  describe('PUT /products/update', () => {
    const update = async (body: object) =>
      send<Envelope<Product>>('PUT /products/update', { token: (await theStaff()).token, body })

    it('answers 200 with the product; what is left out stays', async () => {
      const { _id, id } = await aProduct({ name: 'Tea', stock: 7, price: 2 })
      const { status, body } = await update({ _id, stock: 8 })
      expect(status).to.equal(200)
      expect(body).to.deep.equal({
        status: 200,
        message: 'success',
        data: { data: { _id, id, name: 'Tea', stock: 8, price: 2 } },
      })
      expect((await update({ _id: id, name: 'Green tea', price: 2.5 })).body.data.data).to.deep.equal({
        _id,
        id,
        name: 'Green tea',
        stock: 8,
        price: 2.5,
      })
    })

    it('takes an unchanged value for none', async () => {
      const tea = await aProduct({ stock: 7, price: 2 })
      const before = await readAfterAll()
      expect((await update({ _id: tea._id, name: tea.name, stock: 7, price: 2 })).status).to.equal(200)
      expect(await readAfterAll()).to.deep.equal(before)
    })

    it('sets what can be ordered now', async () => {
      const ann = await aCustomer()
      const tea = await aProduct({ stock: 7 })
      await anOrder(ann, [[tea, 5]])
      expect(await stockOf(tea)).to.equal(2)
      expect((await update({ _id: tea._id, stock: 3 })).body.data.data.stock).to.equal(3)
      await anOrder(ann, [[tea, 3]])
    })

    it('refuses an unknown or retired product: 404; a customer: 403; no id: 400; a stale If-Match: 412', async () => {
      const { token } = await theStaff()
      const tea = await aProduct()
      await send(`DELETE /products/${tea._id}`, { token })
      for (const _id of [unknownId, tea._id])
        await refusedInEnvelope('PUT /products/update', { token, body: { _id, stock: 1 } }, 404)
      await refusedInEnvelope('PUT /products/update', { token, body: { stock: 1 } }, 400)
      await refusedInEnvelope(
        'PUT /products/update',
        { token: (await aCustomer()).token, body: { _id: unknownId, stock: 1 } },
        403,
      )
      const milk = await aProduct()
      const headers = { 'If-Match': '"5-x"' }
      await refusedInEnvelope('PUT /products/update', { token, headers, body: { _id: milk._id, stock: 1 } }, 412)
    })
  })

  describe('POST /orders/new', () => {
    let ann: Person
    let tea: Product
    beforeEach(async () => {
      ann = await aCustomer()
      tea = await aProduct({ stock: 10, price: 2.35 })
    })

    it('answers 201 with the order, and reserves the stock', async () => {
      const body = orderOf(ann, [[tea, 3]])
      const { status, body: answer } = await send<Envelope<Order>>('POST /orders/new', { token: ann.token, body })
      const { _id, id } = answer.data.data
      expect(status).to.equal(201)
      expect(answer).to.deep.equal({
        status: 201,
        message: 'success',
        data: { data: { _id, id, ...body, price: 7.05, items: [{ product_id: tea._id, quantity: 3, price: 2.35 }] } },
      })
      expect(await stockOf(tea)).to.equal(7)
    })

    it('adds up one product that is named twice', async () => {
      const { items } = await anOrder(ann, [
        [tea, 1],
        [tea, 2],
      ])
      expect(items).to.deep.equal([{ product_id: tea._id, quantity: 3, price: 2.35 }])
    })

    it('takes integer ids', async () => {
      const body = { ...orderOf(ann, [[tea, 1]]), customer_id: ann.id, items: [{ product_id: tea.id, quantity: 1 }] }
      expect((await send('POST /orders/new', { token: ann.token, body })).status).to.equal(201)
    })

    it('takes the total for the word of the client where a product has no price', async () => {
      const free = await aProduct({ stock: 5 })
      const { price, items } = await anOrder(ann, [[free, 2]])
      expect(price).to.equal(1)
      expect(items).to.deep.equal([{ product_id: free._id, quantity: 2 }])
    })

    it('refuses a total that is not the sum: 409, with the sum', async () => {
      const body = { ...orderOf(ann, [[tea, 3]]), price: 7.06 }
      const reply = await refused('POST /orders/new', { token: ann.token, body }, 409)
      expect(reply.body).to.have.nested.property('data.sum', 7.05)
    })

    it('refuses more than there is: 409, and nothing stays reserved', async () => {
      const milk = await aProduct({ stock: 10, price: 1 })
      expect(
        await refusedInEnvelope(
          'POST /orders/new',
          {
            token: ann.token,
            body: orderOf(ann, [
              [milk, 1],
              [tea, 11],
            ]),
          },
          409,
        ),
      ).to.match(/stock/)
      expect([await stockOf(tea), await stockOf(milk)]).to.deep.equal([10, 10])
    })

    it('refuses an unknown or retired product: 404', async () => {
      const retired = await aProduct()
      await send(`DELETE /products/${retired._id}`, { token: (await theStaff()).token })
      for (const product of [retired, { ...tea, _id: unknownId }])
        await refusedInEnvelope('POST /orders/new', { token: ann.token, body: orderOf(ann, [[product, 1]]) }, 404)
    })

    it('refuses a status that is not for a new order: 400', async () => {
      for (const status of ['cancelled', ' Shipped ', 'DELIVERED', 'completed'])
        await refusedInEnvelope('POST /orders/new', { token: ann.token, body: { ...orderOf(ann, [[tea, 1]]), status } }, 400)
    })

    it('is for that customer and for staff: 403 for another', async () => {
      const ben = await aCustomer('Ben')
      await refusedInEnvelope('POST /orders/new', { token: ben.token, body: orderOf(ann, [[tea, 1]]) }, 403)
      const { token } = await theStaff()
      const { body } = await send<Envelope<Order>>('POST /orders/new', { token, body: orderOf(ann, [[tea, 1]]) })
      expect(body.data.data.customer_id).to.equal(ann._id)
    })

    it('gives the last unit to one of many buyers: one 201, all others 409', async () => {
      const last = await aProduct({ stock: 1, price: 1 })
      const replies = await Promise.all(
        Array.from({ length: 12 }, () => send('POST /orders/new', { token: ann.token, body: orderOf(ann, [[last, 1]]) })),
      )
      const statuses = replies.map(({ status }) => status).sort()
      expect(statuses).to.deep.equal([201, ...Array(11).fill(409)])
      expect(await stockOf(last)).to.equal(0)
    })
  })

  describe('PUT /orders/update', () => {
    let ann: Person
    let tea: Product
    let order: Order
    beforeEach(async () => {
      ann = await aCustomer()
      tea = await aProduct({ stock: 10, price: 2 })
      order = await anOrder(ann, [[tea, 3]])
    })
    const update = async (fields: object, token = ann.token) =>
      send<Envelope<Order>>('PUT /orders/update', { token, body: { _id: order._id, ...fields } })
    const refusal = async (fields: object, status: number, token = ann.token) =>
      refusedInEnvelope('PUT /orders/update', { token, body: { _id: order._id, ...fields } }, status)
    const items = (quantity: number) => [{ product_id: tea._id, quantity }]

    it('answers 200 with 201 in the body, and the order', async () => {
      const { status, body } = await update({ customer_id: ann._id, price: 8, items: items(4), status: 'paid' })
      expect(status).to.equal(200)
      expect(body).to.deep.equal({
        status: 201,
        message: 'success',
        data: { data: { ...order, price: 8, items: [{ product_id: tea._id, quantity: 4, price: 2 }], status: 'paid' } },
      })
      expect(await stockOf(tea)).to.equal(6)
    })

    it('gives back what is ordered less', async () => {
      await update({ items: items(1), price: 2 })
      expect(await stockOf(tea)).to.equal(9)
    })

    it('takes what is left out or unchanged for nothing', async () => {
      const before = await readAfterAll()
      for (const fields of [{}, { status: ' NEW' }, { items: items(3), price: 6, status: 'new', customer_id: ann.id }])
        expect((await update(fields)).body.data.data).to.deep.equal(order)
      expect(await readAfterAll()).to.deep.equal(before)
    })

    it('keeps the price that an item was ordered at', async () => {
      const { token } = await theStaff()
      await send('PUT /products/update', { token, body: { _id: tea._id, price: 3 } })
      expect((await update({ items: items(5), price: 10 })).body.data.data.price).to.equal(10)
    })

    it('cancelled gives the stock back, and is final: 409', async () => {
      expect((await update({ status: ' Cancelled' })).body.data.data.status).to.match(/^cancelled$/i)
      expect(await stockOf(tea)).to.equal(10)
      await refusal({ status: 'new' }, 409)
      await refusal({ items: items(1), price: 2 }, 409)
      await refusal({ status: 'new' }, 409, (await theStaff()).token)
    })

    it("shipped, delivered and completed are staff's words: 403", async () => {
      for (const status of ['shipped', 'Delivered ', 'COMPLETED']) await refusal({ status }, 403)
      const { token } = await theStaff()
      for (const status of ['shipped', 'delivered', 'completed']) expect((await update({ status }, token)).status).to.equal(200)
      expect(await stockOf(tea)).to.equal(7)
    })

    it('once shipped: only staff may change it (403), its items no more, nor can it be cancelled (409)', async () => {
      const { token } = await theStaff()
      await update({ status: 'shipped' }, token)
      await refusal({ status: 'paid' }, 403)
      await refusal({ items: items(1), price: 2 }, 409, token)
      await refusal({ status: 'cancelled' }, 409, token)
      expect((await update({ status: 'returned' }, token)).status).to.equal(200)
    })

    it('refuses items together with a final status: 400', async () => {
      const { token } = await theStaff()
      await refusal({ items: items(1), price: 2, status: 'cancelled' }, 400)
      for (const status of ['shipped', 'delivered', 'completed']) await refusal({ items: items(1), price: 2, status }, 400, token)
    })

    it('refuses another customer_id: 400, to staff too', async () => {
      const ben = await aCustomer('Ben')
      await refusal({ customer_id: ben._id }, 400)
      await refusal({ customer_id: ben._id }, 400, (await theStaff()).token)
    })

    it('refuses more than there is, and a price that is not the sum: 409', async () => {
      const { body } = await refused('PUT /orders/update', { token: ann.token, body: { _id: order._id, price: 6.01 } }, 409)
      expect(body).to.have.nested.property('data.sum', 6)
      expect((await update({ items: items(14), price: 28 })).status).to.equal(409)
      expect(await stockOf(tea)).to.equal(7)
    })

    it('does not exist for somebody else: 404; without an id: 400; with a stale If-Match: 412', async () => {
      await refusal({ status: 'paid' }, 404, (await aCustomer('Ben')).token)
      await refusal({ _id: unknownId }, 404)
      await refusal({ _id: undefined }, 400)
      const headers = { 'If-Match': '"0-x"' }
      await refusedInEnvelope('PUT /orders/update', { token: ann.token, headers, body: { _id: order._id, status: 'paid' } }, 412)
    })
  })

  it('is closed without a token where one is needed, with 401 before anything else', async () => {
    for (const line of [
      'PUT /users/edit/1',
      'GET /users/1',
      'POST /products/new',
      'PUT /products/update',
      'DELETE /products/1',
      'POST /orders/new',
      'PUT /orders/update',
      'GET /orders?limit=x',
      'GET /orders/1',
      'GET /orders/1/history',
      'POST /cart/checkout',
    ]) {
      const unreadable = line.startsWith('P') ? { raw: '{' } : {}
      await refusedInEnvelope(line, unreadable, 401)
      await refusedInEnvelope(line, { ...unreadable, headers: { authorization: 'Bearer x.y.z' } }, 401)
    }
  })
})
