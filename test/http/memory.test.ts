import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import type { ProductId, UserId } from '../../src/domain/ids.js'
import { createQueries } from '../../src/queries/index.js'
import { startTestApp, type TestApp } from '../support/app.js'
import { anEmail, type Envelope, password, sendTo } from './client.js'

type Line = { readonly _id: string; readonly amount: number; readonly Product: { readonly stock: number } }
type Listed = { readonly _id: string; readonly stock: number }

/** A generator of its own, so that a seed that is in a message can be run again (mulberry32). */
const randomOf = (seed: number) => {
  let state = seed
  return (below: number): number => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
}

describe('answers from memory', () => {
  let one: TestApp
  let two: TestApp
  before(async () => {
    one = await startTestApp()
    two = await one.another('api')
  })
  after(async () => {
    await two.stop()
    await one.stop()
  })

  const person = async (role?: 'staff') => {
    const email = anEmail()
    const body = { name: 'Ann', email, password, confirm_password: password }
    expect((await sendTo(one.url, 'POST /users/register', { body })).status).to.equal(201)
    if (role) await one.grant(email, role)
    const logIn = await sendTo<Envelope<{ _id: string; access_token: string }>>(one.url, 'POST /users/login', {
      body: { email, password },
    })
    const { _id, access_token } = logIn.body.data.data
    return { _id, headers: { authorization: `Bearer ${access_token}` } }
  }

  it('are at no process older than what the database says, while both write', async function () {
    this.timeout(60_000)
    const seed = Date.now() % 1_000_000
    const random = randomOf(seed)
    const staff = await person('staff')
    const customers = await Promise.all([person(), person(), person()])
    const add = async () => {
      const body = { name: 'Tea', stock: 1 }
      const added = await sendTo<Envelope<Listed>>(one.url, 'POST /products/new', { body, headers: staff.headers })
      return added.body.data.data._id
    }
    const products = [await add(), await add(), await add()]
    const begun = { 'Read-After': String((await one.store.last())!.position) }
    expect((await sendTo(one.url, 'GET /products', { headers: begun })).status).to.equal(200)
    const at = () => (random(2) === 0 ? one : two)
    const direct = createQueries(one.connections.database)
    let writing = true

    // Everything only grows, so that what is older is less.
    let stock = 1
    const raiseStock = async () => {
      const body = { _id: products[random(3)], stock: ++stock }
      const { status, text } = await sendTo(at().url, 'PUT /products/update', { body, headers: staff.headers })
      expect(status, text).to.equal(200)
    }
    const addToCart = async () => {
      const body = { ProductId: products[random(3)], amount: 1 }
      const { headers } = customers[random(3)]!
      const { status, text } = await sendTo(at().url, 'POST /cart', { body, headers })
      expect(status, text).to.equal(201)
    }

    const readProducts = async () => {
      const floor = new Map((await direct.products()).value.map((each) => [each.productId as string, each.stock]))
      const { body } = await sendTo<Listed[]>(at().url, 'GET /products', {})
      for (const [id, least] of floor) {
        expect(body.find(({ _id }) => _id === id)?.stock, `seed ${seed}`).to.be.at.least(least)
      }
    }
    const readProduct = async () => {
      const id = products[random(3)]!
      const floor = (await direct.product(id as ProductId)).value!.stock
      const { body } = await sendTo<Envelope<Listed>>(at().url, `GET /products/${id}`, {})
      expect(body.data.data.stock, `seed ${seed}`).to.be.at.least(floor)
    }
    const readCart = async () => {
      const { _id, headers } = customers[random(3)]!
      const floor = (await direct.cart(_id as UserId)).value.lines
      const { body } = await sendTo<Line[]>(at().url, 'GET /cart', { headers })
      for (const { productId, amount, product } of floor) {
        const line = body.find((each) => each._id === productId)
        expect(line?.amount, `seed ${seed}`).to.be.at.least(amount)
        expect(line?.Product.stock, `seed ${seed}`).to.be.at.least(product!.stock)
      }
    }
    const repeat = async (work: () => Promise<void>, pause: number) => {
      while (writing) {
        await work()
        await sleep(random(pause))
      }
    }
    const running = Promise.all([
      repeat(raiseStock, 20),
      repeat(addToCart, 10),
      repeat(addToCart, 10),
      ...[readProducts, readProduct, readCart, readCart].map((read) => repeat(read, 4)),
    ])
    await Promise.race([running, sleep(5_000)])
    writing = false
    await running

    const end = { 'Read-After': String((await one.store.last())!.position) }
    for (const { url } of [one, two]) {
      for (let again = 0; again < 2; again++) {
        const listed = await sendTo<Listed[]>(url, 'GET /products', { headers: end })
        expect(listed.body.map((each) => each.stock)).to.deep.equal((await direct.products()).value.map((each) => each.stock))
        for (const { _id, headers } of customers) {
          const { body } = await sendTo<Line[]>(url, 'GET /cart', { headers: { ...headers, ...end } })
          const expected = (await direct.cart(_id as UserId)).value.lines.map(({ amount, product }) => [amount, product!.stock])
          expect(body.map((line) => [line.amount, line.Product.stock])).to.deep.equal(expected)
        }
      }
    }
  })

  it('ask the database no more than where it stands, and have a tag by which they are not sent again', async () => {
    const { headers } = await person()
    const { pool } = one.connections.database
    const first = await sendTo(one.url, 'GET /cart', { headers })
    expect(first.status).to.equal(200)
    const asked: string[] = []
    const query = pool.query.bind(pool)
    pool.query = ((text: { name?: string } | string, ...rest: []) => {
      asked.push(typeof text === 'string' ? text : (text.name ?? ''))
      return query(text as string, ...rest)
    }) as typeof pool.query
    try {
      const again = await sendTo(one.url, 'GET /cart', { headers: { ...headers, 'If-None-Match': first.headers.get('etag')! } })
      expect([again.status, again.text]).to.deep.equal([304, ''])
      expect(asked.filter((name) => /cart/.test(name))).to.deep.equal([])
      expect(asked).to.include('standing')
    } finally {
      pool.query = query
    }
  })
})
