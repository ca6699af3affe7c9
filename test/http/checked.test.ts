import { connect } from 'node:net'
import { expect } from 'chai'
import { app } from './app.js'
import {
  aCustomer,
  anEmail,
  aProduct,
  type Envelope,
  logIn,
  orderOf,
  type Person,
  type Product,
  password,
  refused,
  refusedInEnvelope,
  refusedInMsg,
  send,
  theStaff,
} from './client.js'

/** Each row of what the contract checks: what is let through at the edge, and what is refused beyond it. */
describe('what is checked', () => {
  let ann: Person
  let staff: Person
  let tea: Product
  before(async () => {
    ann = await aCustomer()
    staff = await theStaff()
    tea = await aProduct({ stock: 1_000_000_000 })
  })

  const json = { 'content-type': 'application/json' }
  const bodyOf = (size: number) => {
    const text = JSON.stringify({ email: anEmail(), password, more: '' })
    return text.replace('"more":""', `"more":"${'x'.repeat(size - text.length)}"`)
  }

  describe('bodies', () => {
    it('take up to 100 kB: 413', async () => {
      expect((await send('POST /register', { raw: bodyOf(102_400), headers: json })).status).to.equal(201)
      await refusedInMsg('POST /register', { raw: bodyOf(102_401), headers: json }, 413)
      await refusedInEnvelope('POST /users/login', { raw: bodyOf(1_000_000), headers: json }, 413)
      const chunks = new ReadableStream({
        start: (controller) => {
          for (let n = 0; n < 300; n++) controller.enqueue(Buffer.alloc(1_000, ' '))
          controller.close()
        },
      })
      await refusedInMsg('POST /register', { raw: chunks, headers: json }, 413)
    })

    it('are JSON in UTF-8: 415', async () => {
      const raw = JSON.stringify({ email: anEmail(), password })
      const types = [
        'text/plain',
        'application/x-www-form-urlencoded',
        'application/xml',
        'application/json; charset=latin1',
        'json',
      ]
      for (const type of types) await refusedInMsg('POST /register', { raw, headers: { 'content-type': type } }, 415)
      await refusedInMsg('POST /register', { raw: Buffer.from(raw) }, 415)
      await refusedInMsg('POST /register', { raw, headers: { ...json, 'content-encoding': 'gzip' } }, 415)
      const utf8 = { 'content-type': 'Application/JSON; Charset="UTF-8"' }
      expect((await send('POST /register', { raw, headers: utf8 })).status).to.equal(201)
    })

    it('are whole and well-formed: 400', async () => {
      const broken = [
        '{',
        '{"email":}',
        '',
        'null',
        '[]',
        '"text"',
        '1',
        'true',
        `${'['.repeat(50_000)}${']'.repeat(50_000)}`,
        '\u0000',
      ]
      for (const raw of broken) await refusedInMsg('POST /register', { raw, headers: json }, 400)
      const invalid = Buffer.concat([
        Buffer.from('{"email":"'),
        Buffer.from([0xff, 0xfe]),
        Buffer.from('@x.org","password":"12345678"}'),
      ])
      expect(await refusedInMsg('POST /register', { raw: invalid, headers: json }, 400)).to.match(/UTF-8/)
      const deep = `{"email":${'{"a":'.repeat(15_000)}1${'}'.repeat(15_000)},"password":"12345678"}`
      await refusedInMsg('POST /register', { raw: deep, headers: json }, 400)
    })

    it('may hold unknown fields, which are dropped, and nothing that poisons a prototype', async () => {
      const email = anEmail()
      const raw = `{"email":"${email}","password":"${password}","role":"staff","__proto__":{"role":"staff"},"constructor":{"prototype":{"x":1}}}`
      const { status, body } = await send('POST /register', { raw, headers: json })
      expect(status).to.equal(201)
      expect(body).to.have.all.keys('id', '_id', 'email')
      await refusedInEnvelope('POST /products/new', { token: (await logIn(email)).token, body: { name: 'Tea', stock: 1 } }, 403)
      await refusedInMsg(
        'POST /register',
        { raw: `{"__proto__":{"email":"${anEmail()}","password":"${password}"}}`, headers: json },
        400,
      )
    })

    it('end where they say: 400', async () => {
      const reply = await raw(
        'POST /register HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10\r\nContent-Length: 12\r\n\r\n{"email":1}',
      )
      expect(reply).to.match(/^HTTP\/1.1 400 /)
    })
  })

  it('paths that can not be read are 4xx', async () => {
    for (const target of ['/%E0%A4%A', '/products/%ZZ', '/%', 'http://[', '/products/%00', '//[', '*', '/..%2f..%2fetc/passwd']) {
      expect(await raw(`GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`), target).to.match(/^HTTP\/1.1 40[04] /)
    }
  })

  it('amounts and quantities are integers from 1 to 10,000', async () => {
    const cart = (amount: unknown) => ({ token: ann.token, body: { ProductId: tea.id, amount } })
    const order = (quantity: unknown) => ({
      token: ann.token,
      body: { ...orderOf(ann, [[tea, 1]]), items: [{ product_id: tea._id, quantity }] },
    })
    for (const amount of [0, -1, 10_001, 1.5, '1', null, undefined, true, [1], 1e300, Number.MAX_SAFE_INTEGER + 1]) {
      await refusedInMsg('POST /cart', cart(amount), 400)
      await refusedInMsg(`PUT /cart/${tea.id}`, cart(amount), 400)
      await refusedInEnvelope('POST /orders/new', order(amount), 400)
      await refusedInEnvelope('PUT /orders/update', { ...order(amount), body: { ...order(amount).body, _id: tea._id } }, 400)
    }
    await refusedInMsg('POST /cart', { token: ann.token, raw: `{"ProductId":${tea.id},"amount":1e999}`, headers: json }, 400)
    for (const amount of [1, 10_000]) {
      const { token } = await aCustomer()
      expect((await send('POST /cart', { ...cart(amount), token })).status).to.equal(201)
      expect((await send('POST /orders/new', order(amount))).status).to.equal(201)
    }
  })

  it('an order has 1 to 100 items, and at most 10,000 of a product when added up', async () => {
    const item = { product_id: tea._id, quantity: 1 }
    const order = (items: unknown) => ({ token: ann.token, body: { customer_id: ann._id, price: 1, status: 'new', items } })
    const wrong = [
      [],
      Array(101).fill(item),
      {},
      'x',
      null,
      undefined,
      [null],
      [{}],
      [{ quantity: 1 }],
      [{ product_id: 'x', quantity: 1 }],
    ]
    for (const items of [...wrong, [item, { ...item, quantity: 10_000 }]])
      await refusedInEnvelope('POST /orders/new', order(items), 400)
    const { status, body } = await send<Envelope<{ items: object[] }>>('POST /orders/new', order(Array(100).fill(item)))
    expect(status).to.equal(201)
    expect(body.data.data.items).to.deep.equal([{ product_id: tea._id, quantity: 100 }])
  })

  it('an order names its customer, price, items and status', async () => {
    const body = orderOf(ann, [[tea, 1]])
    for (const field of Object.keys(body)) {
      const words = await refusedInEnvelope('POST /orders/new', { token: ann.token, body: { ...body, [field]: undefined } }, 400)
      expect(words).to.match(new RegExp(`^${field}`))
    }
  })

  it('stock is an integer from 0 to 10^9', async () => {
    const add = (stock: unknown) => ({ token: staff.token, body: { name: 'Tea', stock } })
    for (const stock of [-1, 1_000_000_001, 0.5, '1', null, undefined])
      await refusedInEnvelope('POST /products/new', add(stock), 400)
    for (const stock of [-1, 1_000_000_001, 0.5, '1', null])
      await refusedInEnvelope('PUT /products/update', { token: staff.token, body: { _id: tea._id, stock } }, 400)
    for (const stock of [0, 1_000_000_000]) expect((await send('POST /products/new', add(stock))).status).to.equal(201)
  })

  it('names have 1 to 200 characters and no control characters', async () => {
    const user = (name: unknown) => ({ body: { name, email: anEmail(), password, confirm_password: password } })
    const wrong = ['', 'x'.repeat(201), 'a\u0000b', 'a\nb', 'a\u007fb', 'a\u0085b', ' ', 1, null, {}]
    for (const name of wrong) {
      await refusedInEnvelope('POST /users/register', user(name), 400)
      await refusedInEnvelope('POST /products/new', { token: staff.token, body: { name, stock: 1 } }, 400)
      await refusedInEnvelope('PUT /products/update', { token: staff.token, body: { _id: tea._id, name } }, 400)
      await refusedInEnvelope(`PUT /users/edit/${ann.id}`, { token: ann.token, body: { old_password: password, name } }, 400)
    }
    for (const half of ['\\ud800', '\\udc00x'])
      await refusedInEnvelope(
        'POST /products/new',
        { token: staff.token, raw: `{"name":"${half}","stock":1}`, headers: json },
        400,
      )
    for (const name of ['x', '茶'.repeat(200), '🍵'.repeat(200), "O'Neill; drop table", '<b>'])
      expect((await send('POST /products/new', { token: staff.token, body: { name, stock: 1 } })).status, name).to.equal(201)
  })

  it('e-mails are compared trimmed, in NFC and lower case', async () => {
    const [, rest] = anEmail().split('-', 2)
    const composed = `Ren\u00e9-${rest}-${Date.now()}@Example.org`
    expect((await send('POST /register', { body: { email: composed, password } })).status).to.equal(201)
    for (const same of [composed.normalize('NFD'), composed.toUpperCase(), `\t ${composed} `]) {
      await refusedInMsg('POST /register', { body: { email: same, password } }, 409)
      expect((await logIn(same)).email).to.equal(composed.toLowerCase())
    }
    for (const email of [
      '',
      'x',
      'a@',
      '@b',
      'a b@c',
      'a@b@c',
      'a\u0000@b',
      `${'x'.repeat(250)}@b.org`,
      1,
      null,
      undefined,
      ['a@b.c'],
    ]) {
      await refusedInMsg('POST /register', { body: { email, password } }, 400)
      await refusedInMsg('POST /login', { body: { email, password } }, 400)
    }
  })

  it('e-mails that look like another can not become anybody’s', async () => {
    const rest = anEmail()
    for (const trick of ['\u017f', '\uff53', 'a\u200b', 'a\u202e', 'a\u00ad', 'a\u034f', 'a\u115f', '\ufb01', 'a\u2800']) {
      await refusedInMsg('POST /register', { body: { email: `${trick}${rest}`, password } }, 400)
      const body = { old_password: password, email: `${trick}${rest}` }
      await refusedInEnvelope(`PUT /users/edit/${ann.id}`, { token: ann.token, body }, 400)
      // Who has had one all along is looked up under it.
      await refusedInMsg('POST /login', { body: { email: `${trick}${rest}`, password } }, 401)
    }
  })

  it('passwords have 8 to 128 characters, of any script, none of the common ones, and every character counts', async () => {
    const user = (word: unknown) => ({ body: { name: 'Ann', email: anEmail(), password: word, confirm_password: word } })
    for (const word of ['1234567', 'x'.repeat(129), '🔑'.repeat(7), 12345678, null, undefined, ''])
      await refusedInEnvelope('POST /users/register', user(word), 400)
    for (const word of ['12345678', 'Password', 'qwertyuiop'])
      expect(await refusedInEnvelope('POST /users/register', user(word), 400)).to.match(/^password: .*most common/)
    const { email, token, _id } = await aCustomer()
    const edit = { token, body: { old_password: password, new_password: 'trustno1' } }
    expect(await refusedInEnvelope(`PUT /users/edit/${_id}`, edit, 400)).to.match(/^new_password: .*most common/)
    expect((await logIn(email)).email).to.equal(email)
    await refusedInMsg('POST /register', { raw: `{"email":"${anEmail()}","password":"\\ud800-123456789"}`, headers: json }, 400)
    for (const word of ['1234-678', 'пароль-密碼-🔑', '🔑'.repeat(128), `${'x'.repeat(100)}A`, 'nul\u0000inside']) {
      const { body } = user(word)
      expect((await send('POST /users/register', { body })).status).to.equal(201)
      expect((await logIn(body.email, word)).email).to.equal(body.email)
      const almost = `${[...word].slice(0, -1).join('')}B`
      await refusedInMsg('POST /login', { body: { email: body.email, password: almost } }, 401)
    }
  })

  it('money is a decimal number with at most two places; a price is at most 10,000,000', async () => {
    const product = (price: unknown) => ({ token: staff.token, body: { name: 'Tea', stock: 1, price } })
    const order = (price: unknown) => ({ token: ann.token, body: { ...orderOf(ann, [[tea, 1]]), price } })
    for (const price of [-0.01, 1.001, 0.1 + 0.2, '1', null, {}, 1e21, 1e-7]) {
      await refusedInEnvelope('POST /products/new', product(price), 400)
      await refusedInEnvelope('PUT /products/update', { token: staff.token, body: { _id: tea._id, price } }, 400)
      await refusedInEnvelope('POST /orders/new', order(price), 400)
      await refusedInEnvelope('POST /cart/checkout', { token: ann.token, body: { price } }, 400)
    }
    await refusedInEnvelope('POST /products/new', product(10_000_000.01), 400)
    for (const price of [0, 0.1, 19.99, 1e2, 10_000_000]) {
      const { status, body } = await send<Envelope<Product>>('POST /products/new', product(price))
      expect([status, body.data.data.price]).to.deep.equal([201, price])
    }
    const { body } = await send<Envelope<{ price: number }>>('POST /orders/new', order(70_368_744_177_663.99))
    expect(body.data.data.price).to.equal(70_368_744_177_663.99)
    // From 2^46 on a number has no room for each cent: 80000000000000.01 is 80000000000000.02.
    for (const price of [2 ** 46, 80_000_000_000_000.02, 90_071_992_547_409.91])
      await refusedInEnvelope('POST /orders/new', order(price), 400)
  })

  it('a status is a word of up to 40 characters', async () => {
    const order = (status: unknown) => ({ token: ann.token, body: { ...orderOf(ann, [[tea, 1]]), status } })
    for (const status of ['', ' ', 'x'.repeat(41), 'a\nb', '\u200b', 'paid\u202e', 'a\u0000', 1, null, undefined])
      await refusedInEnvelope('POST /orders/new', order(status), 400)
    // However it is spelled, what folds to one of staff's words is that word; and what nobody sees does not tell two words apart.
    for (const status of ['\u017fhipped', 'ｓｈｉｐｐｅｄ', 'SHIPPED\ufe0f', 'del\u034fivered', 'cancel\u115fled'])
      await refusedInEnvelope('POST /orders/new', order(status), 400)
    for (const status of ['x'.repeat(40), '已付款']) expect((await send('POST /orders/new', order(status))).status).to.equal(201)
  })

  it('ids are integers from 1 to 2^53−1 or 24 hexadecimal digits', async () => {
    for (const ProductId of [0, -1, 1.5, 2 ** 53, 'x', '', '00', 'g'.repeat(24), null, {}, [1], '6b03', '9'.repeat(16)]) {
      const message = await refusedInMsg('POST /cart', { token: ann.token, body: { ProductId, amount: 1 } }, 400)
      expect(message).to.equal('ProductId: must be an integer id or 24 hexadecimal digits')
    }
    const upper = await send('POST /cart', { token: ann.token, body: { ProductId: tea._id.toUpperCase(), amount: 1 } })
    expect(upper.status).to.equal(201)
    const { body } = await refused('POST /cart', { token: ann.token, body: { ProductId: 'f'.repeat(24), amount: 1 } }, 400)
    expect(body).to.deep.equal({ msg: 'not foud' })
  })

  it('tokens are ours, whole and in time: 401', async () => {
    const [header, payload, signature] = ann.token.split('.')
    const none = Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url')
    const claims = JSON.parse(Buffer.from(payload!, 'base64url').toString())
    const forged = Buffer.from(JSON.stringify({ ...claims, role: 'staff' })).toString('base64url')
    const tokens = [
      'x',
      '.',
      '..',
      `${none}.${payload}.`,
      `${header}.${forged}.${signature}`,
      `${header}.${payload}`,
      ann.token.slice(0, -2),
    ]
    for (const token of tokens) {
      await refusedInMsg('GET /cart', { token }, 401)
      await refusedInMsg('GET /cart', { headers: { access_token: token } }, 401)
    }
    for (const authorization of ['Bearer', 'Basic YTpi', ann.token, `Bearer ${ann.token} ${ann.token}`])
      await refusedInMsg('GET /cart', { headers: { authorization } }, 401)
    expect((await send('GET /cart', { headers: { authorization: `bearer  ${ann.token}` } })).status).to.equal(200)
  })

  it('a public route takes a bad token for none', async () => {
    expect((await send('GET /products?limit=1', { token: 'x' })).status).to.equal(200)
  })

  const raw = async (text: string): Promise<string> => {
    const { port } = new URL((await app()).url)
    return new Promise((resolve, reject) => {
      const socket = connect(Number(port), '127.0.0.1', () => socket.write(text))
      let answer = ''
      socket.on('data', (data) => {
        answer += data
        socket.end()
      })
      socket.on('close', () => resolve(answer))
      socket.on('error', reject)
    })
  }
})
