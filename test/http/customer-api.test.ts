import { expect } from 'chai'
import {
  aCustomer,
  anEmail,
  anOrder,
  aProduct,
  type Person,
  type Product,
  password,
  readAfterAll,
  refused,
  refusedInMsg,
  send,
  theStaff,
} from './client.js'

type Line = { id: number; _id: string; UserId: number; ProductId: number; amount: number; Product: Product }

describe('the customer API', () => {
  describe('POST /register', () => {
    it('answers 201 with id and e-mail', async () => {
      const email = anEmail()
      const { status, body } = await send<{ id: number; email: string; _id: string }>('POST /register', {
        body: { email, password },
      })
      expect(status).to.equal(201)
      expect(body).to.have.all.keys('id', '_id', 'email')
      expect(body.id).to.be.within(1, Number.MAX_SAFE_INTEGER)
      expect(body._id).to.match(/^[0-9a-f]{24}$/)
      expect(body.email).to.equal(email)
    })

    it('refuses a taken e-mail, however it is written', async () => {
      const email = anEmail()
      await send('POST /register', { body: { email, password } })
      expect(await refusedInMsg('POST /register', { body: { email: ` ${email.toUpperCase()} `, password } }, 409)).to.match(
        /taken/,
      )
    })

    it('is one shop with the other API: who registers here logs in there', async () => {
      const email = anEmail()
      const { body } = await send<{ _id: string }>('POST /register', { body: { email, password } })
      const there = await send('POST /users/login', { body: { email, password } })
      expect(there.status).to.equal(200)
      expect(there.body).to.deep.nested.include({ 'data.data._id': body._id, 'data.data.name': '', 'data.data.email': email })
    })
  })

  describe('POST /login', () => {
    it('answers 200 with a token, for someone of either API', async () => {
      const { email } = await aCustomer()
      const { status, body } = await send<{ access_token: string }>('POST /login', { body: { email, password } })
      expect(status).to.equal(200)
      expect(body).to.have.all.keys('access_token')
      expect((await send('GET /cart', { headers: { access_token: body.access_token } })).status).to.equal(200)
      expect((await send('GET /cart', { token: body.access_token })).status).to.equal(200)
    })

    it('answers an unknown e-mail and a wrong password alike', async () => {
      const { email } = await aCustomer()
      const wrong = await refused('POST /login', { body: { email, password: 'something else' } }, 401)
      const unknown = await refused('POST /login', { body: { email: anEmail(), password } }, 401)
      expect(wrong.body).to.have.all.keys('msg')
      expect(unknown.body).to.deep.equal(wrong.body)
    })
  })

  describe('GET /products', () => {
    it('answers an array of all products, to anyone', async () => {
      const priced = await aProduct({ name: 'Oolong', stock: 3, price: 4.2 })
      const priceless = await aProduct({ name: 'Free', stock: 0 })
      const { status, body } = await send<Product[]>('GET /products', { headers: await readAfterAll() })
      expect(status).to.equal(200)
      expect(body).to.deep.include({ id: priced.id, _id: priced._id, name: 'Oolong', stock: 3, price: 4.2 })
      expect(body).to.deep.include({ id: priceless.id, _id: priceless._id, name: 'Free', stock: 0 })
    })

    it('pages by limit and after, with a Link to the next page', async () => {
      for (let n = 0; n < 3; n++) await aProduct()
      const { body: all } = await send<Product[]>('GET /products', { headers: await readAfterAll() })
      const first = await send<Product[]>('GET /products?limit=2')
      expect(first.body).to.deep.equal(all.slice(0, 2))
      const [, next] = /^<(.*)>; rel="next"$/.exec(first.headers.get('link') ?? '') ?? []
      expect((await send<Product[]>(`GET ${next}`)).body).to.deep.equal(all.slice(2, 4))
      const last = await send<Product[]>(`GET /products?limit=1000&after=${all.at(-2)!.id}`)
      expect(last.body).to.deep.equal(all.slice(-1))
      expect(last.headers.get('link')).to.equal(null)
    })

    it('refuses pages that are none', async () => {
      for (const query of [
        'limit=0',
        'limit=x',
        'limit=1001',
        'limit=-1',
        'limit=1.5',
        'limit=1&limit=2',
        'after=x',
        'after=0',
        'limit=%ZZ',
      ])
        await refusedInMsg(`GET /products?${query}`, {}, 400)
    })
  })

  describe('the cart', () => {
    let ann: Person
    let tea: Product
    beforeEach(async () => {
      ann = await aCustomer()
      tea = await aProduct({ name: 'Tea', stock: 10, price: 2.5 })
    })

    const add = (body: object) => send('POST /cart', { token: ann.token, body })
    const lines = async () => (await send<Line[]>('GET /cart', { token: ann.token })).body

    it('GET /cart answers an empty array where nothing was put in', async () => {
      const { status, body } = await send('GET /cart', { token: ann.token })
      expect([status, body]).to.deep.equal([200, []])
    })

    it('POST /cart answers 201 "added!", and GET /cart shows the line with its product', async () => {
      const { status, body } = await add({ UserId: ann.id, ProductId: tea.id, amount: 2 })
      expect([status, body]).to.deep.equal([201, { msg: 'added!' }])
      expect(await lines()).to.deep.equal([
        { id: tea.id, _id: tea._id, UserId: ann.id, ProductId: tea.id, amount: 2, Product: tea },
      ])
    })

    it('POST /cart takes either spelling of an id, and UserId may be left out', async () => {
      await add({ ProductId: tea._id, amount: 1 })
      await add({ UserId: ann._id, ProductId: String(tea.id), amount: 1 })
      expect((await lines()).map(({ amount }) => amount)).to.deep.equal([2])
    })

    it('POST /cart adds the amounts up, to at most 10,000', async () => {
      await add({ ProductId: tea.id, amount: 9_999 })
      expect((await add({ ProductId: tea.id, amount: 1 })).status).to.equal(201)
      await refusedInMsg('POST /cart', { token: ann.token, body: { ProductId: tea.id, amount: 1 } }, 400)
      expect((await lines())[0]!.amount).to.equal(10_000)
    })

    it('POST /cart refuses an unknown and a retired product: 400 "not foud"', async () => {
      const unknown = await refused('POST /cart', { token: ann.token, body: { ProductId: 1, amount: 1 } }, 400)
      expect(unknown.body).to.deep.equal({ msg: 'not foud' })
      const staff = await theStaff()
      await send(`DELETE /products/${tea.id}`, { token: staff.token })
      const retired = await refused('POST /cart', { token: ann.token, body: { ProductId: tea.id, amount: 1 } }, 400)
      expect(retired.body).to.deep.equal({ msg: 'not foud' })
    })

    it('POST and PUT refuse a UserId of somebody else: 403', async () => {
      const { id } = await aCustomer('Ben')
      await add({ ProductId: tea.id, amount: 1 })
      await refusedInMsg('POST /cart', { token: ann.token, body: { UserId: id, ProductId: tea.id, amount: 1 } }, 403)
      await refusedInMsg(`PUT /cart/${tea.id}`, { token: ann.token, body: { UserId: id, amount: 1 } }, 403)
    })

    it('PUT /cart/:id answers 200 "data updated", and sets the amount', async () => {
      await add({ ProductId: tea.id, amount: 2 })
      const { status, body } = await send(`PUT /cart/${tea.id}`, { token: ann.token, body: { UserId: ann.id, amount: 7 } })
      expect([status, body]).to.deep.equal([200, { msg: 'data updated' }])
      expect((await lines())[0]!.amount).to.equal(7)
    })

    it('PUT /cart/:id answers 400 "data not found" for what is not in this cart', async () => {
      const ben = await aCustomer('Ben')
      await send('POST /cart', { token: ben.token, body: { ProductId: tea.id, amount: 1 } })
      for (const id of [tea.id, tea._id, 1, 'nothing', '0', '%00']) {
        const { body } = await refused(`PUT /cart/${id}`, { token: ann.token, body: { amount: 1 } }, 400)
        expect(body).to.deep.equal({ msg: 'data not found' })
      }
    })

    it('DELETE /cart/:id answers 200 "todo success to delete", once', async () => {
      await add({ ProductId: tea.id, amount: 2 })
      const { status, body } = await send(`DELETE /cart/${tea._id}`, { token: ann.token })
      expect([status, body]).to.deep.equal([200, { message: 'todo success to delete' }])
      expect(await lines()).to.deep.equal([])
      const again = await refused(`DELETE /cart/${tea.id}`, { token: ann.token }, 404)
      expect(again.body).to.deep.equal({ msg: 'data not found' })
    })

    it('holds at most 100 lines', async function () {
      this.timeout(60_000)
      const products: Product[] = []
      for (let n = 0; n < 101; n++) products.push(await aProduct())
      for (const { id } of products.slice(0, 100)) expect((await add({ ProductId: id, amount: 1 })).status).to.equal(201)
      await refusedInMsg('POST /cart', { token: ann.token, body: { ProductId: products[100]!.id, amount: 1 } }, 400)
      expect((await add({ ProductId: products[0]!.id, amount: 1 })).status).to.equal(201)
    })

    it('shows the stock as it is now', async () => {
      await add({ ProductId: tea.id, amount: 2 })
      await anOrder(ann, [[tea, 4]])
      expect((await lines())[0]!.Product.stock).to.equal(6)
    })

    it('is closed without a token, with 401 before anything else', async () => {
      for (const line of ['GET /cart', 'POST /cart', 'PUT /cart/1', 'DELETE /cart/1']) {
        const unreadable = line.startsWith('P') ? { raw: '{' } : {}
        expect((await refused(line, unreadable, 401)).body).to.have.all.keys('msg')
        await refused(line, { ...unreadable, token: 'no.token.atall' }, 401)
      }
    })
  })
})
