import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { anEmail, type Envelope, sendTo } from '../http/client.js'
import { freePort, type Shop, spawnCli, spawnShop } from '../support/spawn-shop.js'

type Product = { id: number; _id: string; stock: number }
type Line = { id: number; amount: number }

/** The shop in processes of its own, on the embedded parts of one data folder. */
describe('instances on one data folder', function () {
  this.timeout(60_000)
  let data: string
  let one: Shop
  let other: Shop
  before(async () => {
    data = await mkdtemp(join(tmpdir(), 'tillroll-instances-'))
    one = await spawnShop({ data, port: await freePort() })
    other = await spawnShop({ data, port: await freePort(), args: ['--role', 'api'] })
  })
  after(async () => {
    await other.stop()
    await one.stop()
    await rm(data, { recursive: true })
  })

  const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
  const logIn = async (shop: Shop, email: string, password: string) =>
    sendTo<{ access_token: string }>(shop.url, 'POST /login', { body: { email, password } })
  const register = async (shop: Shop) => {
    const email = anEmail()
    const { body } = await sendTo<Envelope<{ _id: string }>>(shop.url, 'POST /users/register', {
      body: { name: 'Kim', email, password: 'a password', confirm_password: 'a password' },
    })
    const { access_token: token } = (await logIn(shop, email, 'a password')).body
    return { email, _id: body.data.data._id, token }
  }
  const grant = (email: string): Promise<number | null> =>
    new Promise((resolve) => spawnCli(['users', 'grant', email, 'staff'], { TILLROLL_DATA: data }).on('exit', resolve))
  const addProduct = async (shop: Shop, stock: number): Promise<Product> => {
    const { email } = await register(shop)
    expect(await grant(email)).to.equal(0)
    const { access_token: token } = (await logIn(shop, email, 'a password')).body
    const { status, body } = await sendTo<Envelope<Product>>(shop.url, 'POST /products/new', {
      body: { name: 'Tea', stock, price: 2 },
      headers: bearer(token),
    })
    expect(status).to.equal(201)
    return body.data.data
  }

  it('change through one what was added through the other, and read what they wrote', async () => {
    const kim = await register(one)
    const { _id } = await addProduct(other, 5)
    const headers = bearer(kim.token)
    const cart = async (shop: Shop, position: string | null) =>
      (await sendTo<Line[]>(shop.url, 'GET /cart', { headers: { ...headers, 'Read-After': position! } })).body
    const added = await sendTo(one.url, 'POST /cart', { body: { ProductId: _id, amount: 2 }, headers })
    expect(added.status).to.equal(201)
    expect((await cart(other, added.headers.get('commit-position'))).map(({ amount }) => amount)).to.deep.equal([2])
    const changed = await sendTo(other.url, `PUT /cart/${_id}`, { body: { amount: 4 }, headers })
    expect(changed.status).to.equal(200)
    const again = await sendTo(one.url, 'POST /cart', { body: { ProductId: _id, amount: 1 }, headers })
    expect(again.status).to.equal(201)
    expect((await cart(other, again.headers.get('commit-position'))).map(({ amount }) => amount)).to.deep.equal([5])
  })

  it('end a password, and the tokens that it gave, at both', async () => {
    const kim = await register(one)
    for (const shop of [one, other]) {
      expect((await sendTo(shop.url, 'GET /cart', { headers: bearer(kim.token) })).status).to.equal(200)
    }
    const edited = await sendTo(other.url, `PUT /users/edit/${kim._id}`, {
      body: { old_password: 'a password', new_password: 'another password' },
      headers: bearer(kim.token),
    })
    expect(edited.status).to.equal(200)
    expect((await sendTo(other.url, 'GET /cart', { headers: bearer(kim.token) })).status).to.equal(401)
    // The other instance learns of it by its subscription, within moments.
    let status = 200
    for (let i = 0; i < 100 && status === 200; i++)
      status = (await sendTo(one.url, 'GET /cart', { headers: bearer(kim.token) })).status
    expect(status).to.equal(401)
    for (const shop of [one, other]) {
      expect((await logIn(shop, kim.email, 'a password')).status).to.equal(401)
      expect((await logIn(shop, kim.email, 'another password')).status).to.equal(200)
    }
  })

  it('take a role as soon as it is given', async () => {
    const kim = await register(one)
    expect(await grant(kim.email)).to.equal(0)
    const { access_token: token } = (await logIn(other, kim.email, 'a password')).body
    const added = await sendTo(other.url, 'POST /products/new', { body: { name: 'Milk', stock: 1 }, headers: bearer(token) })
    expect(added.status).to.equal(201)
  })

  it('sell the last unit once, whichever is asked', async () => {
    const { _id } = await addProduct(one, 1)
    const buyers = await Promise.all(Array.from({ length: 8 }, (_, i) => register(i % 2 ? one : other)))
    const statuses = await Promise.all(
      buyers.map(async (buyer, i) => {
        const body = { customer_id: buyer._id, price: 2, items: [{ product_id: _id, quantity: 1 }], status: 'new' }
        return (await sendTo((i % 2 ? other : one).url, 'POST /orders/new', { body, headers: bearer(buyer.token) })).status
      }),
    )
    expect(statuses.sort()).to.deep.equal([201, ...Array.from({ length: 7 }, () => 409)])
  })

  it('find everything as it was after a restart', async () => {
    const kim = await register(one)
    const { _id } = await addProduct(one, 5)
    const headers = bearer(kim.token)
    await sendTo(one.url, 'POST /cart', { body: { ProductId: _id, amount: 2 }, headers })
    const { status } = await sendTo(one.url, 'POST /cart/checkout', { body: {}, headers })
    expect(status).to.equal(201)
    const everything = async () =>
      Promise.all(
        ['/products', '/cart', '/orders', `/users/${kim._id}`].map(
          async (path) => (await sendTo(one.url, `GET ${path}`, { headers })).text,
        ),
      )
    const before = await everything()
    await other.stop()
    expect(await one.stop()).to.equal(0)
    const port = Number(new URL(one.url).port)
    one = await spawnShop({ data, port })
    other = await spawnShop({ data, port: await freePort(), args: ['--role', 'api'] })
    expect(await everything()).to.deep.equal(before)
  })

  it('keep secrets that only their owner reads', () => {
    expect(
      execFileSync('stat', ['-c', '%a', join(data, 'secrets.json')])
        .toString()
        .trim(),
    ).to.equal('600')
  })
})
