import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect } from 'chai'
import pg from 'pg'
import { connectStore } from '../../src/eventstore/client.js'
import { sendTo } from '../http/client.js'
import { freePort, type Shop, spawnCli, spawnShop } from '../support/spawn-shop.js'
import { until } from '../support/until.js'

/** Plants what nobody else has, lets the whole shop work with it, and looks for it wherever it must not be. */
describe('what is secret or personal', function () {
  this.timeout(180_000)
  const word = (what: string) => `${what}${randomBytes(9).toString('hex')}`
  const names = [word('Nora'), word('Norma')]
  const emails = [`${word('mail')}@canary.example`, `${word('post')}@canary.example`]
  const passwords = [word('first-Secret'), word('second-Secret')]
  const tokens: string[] = []
  let data: string
  let shop: Shop
  let analyst: string
  let userId: string

  const run = async (args: readonly string[]): Promise<string> => {
    const child = spawnCli(args, { TILLROLL_DATA: data, LOG_LEVEL: 'trace' })
    const [out, err, code] = await Promise.all([
      text(child.stdout!),
      text(child.stderr!),
      new Promise((resolve) => child.on('exit', resolve)),
    ])
    expect(code, `${args.join(' ')}: ${err}`).to.equal(0)
    return out + err
  }
  const ask = (line: string, body?: unknown, token?: string, headers: Record<string, string> = {}) =>
    sendTo<Record<string, unknown>>(shop.url, line, {
      ...(body !== undefined && { body }),
      headers: { ...(token !== undefined && { authorization: `Bearer ${token}` }), ...headers },
    })
  const logIn = async (email: string, password: string): Promise<string> => {
    const { body, status, text: said } = await ask('POST /login', { email, password })
    expect(status, said).to.equal(200)
    return body.access_token as string
  }

  /** Everything that a person can do, and some things that go wrong with what they typed in them. */
  const live = async (): Promise<void> => {
    const [email, later] = emails as [string, string]
    const [password, next] = passwords as [string, string]
    const user = { name: names[0], email, password, confirm_password: password }
    const registered = await ask('POST /users/register', user)
    expect(registered.status, registered.text).to.equal(201)
    userId = (registered.body as { data: { data: { _id: string } } }).data.data._id
    await ask('POST /users/register', user)
    await ask('POST /users/register', { ...user, email: { email } })
    await ask('POST /register', { email, password }, undefined, { 'idempotency-key': 'again' })
    await ask('POST /login', { email, password: `${password}x` })
    await ask('POST /login', { email: `${email} ${email}`, password })
    await sendTo(shop.url, 'POST /login', {
      raw: `{"email":"${email}","password":"${password}"`,
      headers: { 'content-type': 'application/json' },
    })
    await ask(`GET /nowhere/${encodeURIComponent(email)}?password=${password}`)
    const token = await logIn(email, password)
    tokens.push(token)
    await ask('GET /cart', undefined, `${token}x`)
    const staff = await logIn('staff@other.example', 'the staff password')
    const product = await ask('POST /products/new', { name: 'Tea', stock: 9, price: 2 }, staff)
    const productId = (product.body as { data: { data: { _id: string } } }).data.data._id
    expect((await ask('POST /cart', { ProductId: productId, amount: 1 }, token)).status).to.equal(201)
    expect((await ask('POST /cart/checkout', { price: 2 }, token)).status).to.equal(201)
    const order = { customer_id: userId, price: 4, items: [{ product_id: productId, quantity: 2 }], status: 'new' }
    expect((await ask('POST /orders/new', order, token)).status).to.equal(201)
    const edit = { old_password: password, new_password: next, name: names[1], email: later }
    const edited = await ask(`PUT /users/edit/${userId}`, edit, token)
    expect(edited.status, edited.text).to.equal(200)
    tokens.push((edited.body as { data: { data: { access_token: string } } }).data.data.access_token)
    tokens.push(await logIn(later, next))
  }

  before(async () => {
    data = join(await mkdtemp(join(tmpdir(), 'tillroll-canaries-')), 'data')
    shop = await spawnShop({ data, port: await freePort(), env: { HTTP_WORKERS: '2', LOG_LEVEL: 'trace', LOG_FORMAT: 'json' } })
    for (const who of ['staff', 'analyst']) {
      await ask('POST /register', { email: `${who}@other.example`, password: `the ${who} password` })
      await run(['users', 'grant', `${who}@other.example`, who])
    }
    await live()
    analyst = await logIn('analyst@other.example', 'the analyst password')
    await until(async () => (await ask('GET /topics/orders/records', undefined, analyst)).text.includes('OrderPlaced'))
  })
  after(async () => {
    await shop.stop()
    await rm(join(data, '..'), { recursive: true })
  })

  /** The hashes, as they are stored. */
  const hashes = async (): Promise<string[]> => {
    const found: string[] = []
    await eachEvent(({ data: held }) => {
      const { hash } = held as { hash?: string }
      if (hash) found.push(hash)
    })
    expect(found).to.have.length.of.at.least(4)
    return found
  }

  type Held = { readonly streamId: string; readonly type: string; readonly data: unknown; readonly metadata: unknown }
  const eachEvent = async (look: (event: Held) => void): Promise<void> => {
    const { eventstoreUrl } = JSON.parse(await readFile(join(data, 'instance.json'), 'utf8'))
    const store = connectStore(eventstoreUrl)
    try {
      for await (const event of store.readAll()) look(event)
    } finally {
      await store.close()
    }
  }

  const expectNone = async (place: string, content: string): Promise<void> => {
    for (const canary of [...passwords, ...tokens, ...names, ...emails, ...(await hashes())])
      expect(content.includes(canary) || content.includes(encodeURIComponent(canary)), `${place} holds ${canary}`).to.equal(false)
  }

  it('is in no line of the log, at its most talkative', async () => {
    expect(shop.output()).to.include('"level":"info"').and.include(userId)
    await expectNone('the log', shop.output())
  })

  it('is in nothing that analysts are given over HTTP, nor in metrics, health and descriptions', async () => {
    const places = [
      'GET /history/events?limit=1000',
      `GET /history/streams/user-${userId}`,
      `GET /history/streams/order-${userId}`,
      `GET /history/streams/cart-${userId}`,
      'GET /history/diff?from=1h',
      'GET /history/stats',
      'GET /topics/orders/records',
      'GET /metrics',
      'GET /health/ready',
      'GET /openapi.json',
      'GET /asyncapi.json',
      'GET /docs',
    ]
    for (const place of places) await expectNone(place, (await ask(place, undefined, analyst)).text)
    const headers = { authorization: `Bearer ${analyst}`, accept: 'application/x-ndjson' }
    const lines = await (await fetch(`${shop.url}/history/events`, { headers })).text()
    expect(lines).to.include('UserRegistered')
    await expectNone('the history as lines', lines)
    for (const view of ['events', 'user_registered', 'user_renamed', 'email_changed', 'users', 'orders', 'carts']) {
      const answer = await ask('POST /history/sql', { sql: `select * from ${view}` }, analyst)
      expect(answer.status, answer.text).to.equal(200)
      await expectNone(`SQL over ${view}`, answer.text)
    }
  })

  it('is in nothing that the command line prints or writes, unless personal data is asked for', async () => {
    const out = join(data, '..', 'out')
    for (const args of [
      ['events', 'tail', '--all', '--no-follow'],
      ['history', 'tail', '--lines', '1000', '--json'],
      ['history', 'show', `user-${userId}`],
      ['history', 'blame', 'users', userId, '--all'],
      ['history', 'stats'],
      ['history', 'export', '--out', join(out, 'history.ndjson')],
      ['history', 'export', '--format', 'csv', '--out', join(out, 'csv')],
    ])
      await expectNone(args.join(' '), await run(args))
    for (const file of await readdir(out, { recursive: true, withFileTypes: true }))
      if (file.isFile()) await expectNone(file.name, await readFile(join(file.parentPath, file.name), 'utf8'))
  })

  it('is in no stream but the user’s own, where a password is never, and a hash in secret types alone', async () => {
    const secret = await hashes()
    let personal = 0
    await eachEvent(({ streamId, type, data: held, metadata }) => {
      const content = JSON.stringify({ held, metadata })
      for (const canary of [...passwords, ...tokens]) expect(content, `${type} in ${streamId}`).to.not.include(canary)
      const isOwn = streamId === `user-${userId}`
      for (const canary of [...names, ...emails]) if (content.includes(canary)) personal += isOwn ? 1 : Number.NaN
      if (secret.some((hash) => content.includes(hash))) expect(type).to.equal('PasswordSet')
    })
    expect(personal).to.be.greaterThan(2)
  })

  it('is in no table of Postgres but the users’ rows, and in no file of the history', async () => {
    const { databaseUrl } = JSON.parse(await readFile(join(data, 'instance.json'), 'utf8'))
    const client = new pg.Client(databaseUrl)
    await client.connect()
    try {
      const { rows: tables } = await client.query<{ name: string }>(
        `select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname not in ('pg_catalog', 'information_schema')`,
      )
      expect(tables.length).to.be.greaterThan(5)
      for (const { name } of tables) {
        const { rows } = await client.query(`select t::text as line from ${name} t`)
        const content = rows.map(({ line }: { line: string }) => line).join('\n')
        for (const canary of [...passwords, ...tokens, ...(await hashes())])
          expect(content.includes(canary), `${name} holds ${canary}`).to.equal(false)
        if (!/users/.test(name)) await expectNone(name, content)
      }
    } finally {
      await client.end()
    }
    const folder = join(data, 'history')
    const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((one) => one.isFile())
    expect(files).to.not.have.length(0)
    for (const file of files) await expectNone(file.name, await readFile(join(file.parentPath, file.name), 'latin1'))
  })
})
