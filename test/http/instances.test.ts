import { expect } from 'chai'
import { normaliseEmail } from '../../src/domain/email.js'
import { WrongEmailKey } from '../../src/eventstore/identity.js'
import { startTestApp, type TestApp } from '../support/app.js'
import { startEventStore, type TestEventStore } from '../support/eventstore.js'
import { until } from '../support/until.js'
import { anEmail, type Envelope, password, type Request, sendTo } from './client.js'

type LoggedIn = Envelope<{ id: number; access_token: string }>

/** What no single process shows: another one beside it, limits, and an event store that goes away. */
describe('instances', () => {
  let eventstore: TestEventStore
  let isAway = false
  let one: TestApp
  let two: TestApp
  before(async () => {
    eventstore = await startEventStore()
    one = await startTestApp({
      EVENTSTORE_URL: eventstore.url,
      COMMAND_DEADLINE: '500',
      OWN_WRITES_WAIT: '300',
      READ_AFTER_WAIT: '300',
      LOGIN_RATE_LIMIT: '3',
    })
    two = await one.another('api', { RATE_LIMIT: '1000' })
  })
  after(async () => {
    await two.stop()
    await one.stop()
    if (!isAway) await eventstore.stop()
  })

  const register = async (at: TestApp) => {
    const email = anEmail()
    const body = { name: 'Ann', email, password, confirm_password: password }
    expect((await sendTo(at.url, 'POST /users/register', { body })).status).to.equal(201)
    return email
  }
  const logIn = async (at: TestApp, email: string, word = password) => {
    const { body, text } = await sendTo<LoggedIn>(at.url, 'POST /users/login', { body: { email, password: word } })
    expect(body.status, text).to.equal(200)
    return body.data.data
  }
  const bearing = (token: string, more: Request = {}): Request => ({
    ...more,
    headers: { ...more.headers, authorization: `Bearer ${token}` },
  })

  it('a token of one is taken by the other at once', async () => {
    for (let n = 0; n < 5; n++) {
      const email = await register(one)
      const { id, access_token: token } = await logIn(one, email)
      const { status, text } = await sendTo(
        two.url,
        `GET /users/${id}`,
        bearing(token, { headers: { 'Read-After': String((await one.store.last())!.position) } }),
      )
      expect(status, text).to.equal(200)
    }
  })

  it('a changed password ends at both', async () => {
    const email = await register(one)
    const { id, access_token: old } = await logIn(two, email)
    const edit = bearing(old, { body: { old_password: password, new_password: 'another one' } })
    const { body } = await sendTo<LoggedIn>(one.url, `PUT /users/edit/${id}`, edit)
    const { access_token: fresh } = body.data.data
    for (const { url } of [two, one]) expect((await sendTo(url, 'GET /cart', bearing(fresh))).status).to.equal(200)
    for (const { url } of [two, one]) expect((await sendTo(url, 'GET /cart', bearing(old))).status).to.equal(401)
  })

  it('a sign-out, a role and a reset of the password end at both, within two seconds', async () => {
    const email = await register(one)
    const context = () => ({ actor: 'operator kim' as const, correlationId: 'x', deadline: performance.now() + 5_000 })
    const { users } = two.commands
    const known = normaliseEmail(email)
    for (const end of [
      () => users.signOut(context(), { email: known }),
      () => users.grantRole(context(), { email: known, role: 'analyst' }),
      () => users.resetPassword(context(), { email: known }),
    ]) {
      const { access_token: token } = await logIn(one, email)
      for (const { url } of [one, two]) expect((await sendTo(url, 'GET /cart', bearing(token))).status).to.equal(200)
      await end()
      const ended = performance.now()
      for (const { url } of [one, two])
        while ((await sendTo(url, 'GET /cart', bearing(token))).status === 200)
          expect(performance.now() - ended, 'the token is still taken').to.be.lessThan(2_000)
    }
  })

  it('with another e-mail key than the shop’s does not start', async () => {
    const failure = await one.another('api', { EMAIL_KEY: 'another key, of some length, that is not ours' }).then(
      () => undefined,
      (error: Error) => error,
    )
    expect(failure).to.be.instanceOf(WrongEmailKey)
    expect(failure!.message)
      .to.match(/^EMAIL_KEY is not the key/)
      .and.not.contain('another key')
  })

  it('a line added through one is changed through the other', async () => {
    const staff = await register(one)
    await one.grant(staff, 'staff')
    const { access_token: token } = await logIn(two, staff)
    const { body } = await sendTo<Envelope<{ id: number }>>(
      two.url,
      'POST /products/new',
      bearing(token, { body: { name: 'Tea', stock: 1 } }),
    )
    const { id } = body.data.data
    expect((await sendTo(one.url, 'POST /cart', bearing(token, { body: { ProductId: id, amount: 1 } }))).status).to.equal(201)
    const changed = await sendTo(two.url, `PUT /cart/${id}`, bearing(token, { body: { amount: 5 } }))
    expect(changed.status).to.equal(200)
    const position = changed.headers.get('commit-position')!
    const cart = await sendTo<{ amount: number }[]>(one.url, 'GET /cart', bearing(token, { headers: { 'Read-After': position } }))
    expect(cart.body[0]!.amount).to.equal(5)
  })

  it('a key that one took is known to the other, for another object too', async () => {
    const staff = await register(one)
    await one.grant(staff, 'staff')
    const { access_token: token } = await logIn(one, staff)
    const add = async () => {
      const adding = bearing(token, { body: { name: 'Tea', stock: 1 } })
      return (await sendTo<Envelope<{ _id: string }>>(one.url, 'POST /products/new', adding)).body.data.data._id
    }
    const [tea, milk] = [await add(), await add()]
    const count = (_id: string) => bearing(token, { body: { _id, stock: 5 }, headers: { 'Idempotency-Key': 'count' } })
    const { status, headers } = await sendTo(one.url, 'PUT /products/update', count(tea))
    expect(status).to.equal(200)
    const seen = { headers: { 'Read-After': headers.get('commit-position')! } }
    expect((await sendTo(two.url, `GET /products/${milk}`, seen)).status).to.equal(200)
    expect((await sendTo(two.url, 'PUT /products/update', count(milk))).status).to.equal(422)
    expect((await sendTo(two.url, 'PUT /products/update', count(tea))).status).to.equal(200)
  })

  it('a role is known from the first request on', async () => {
    const email = await register(one)
    await one.grant(email, 'staff')
    const { access_token: token } = await logIn(one, email)
    const fresh = await one.another('api')
    try {
      const { status, text } = await sendTo(fresh.url, 'GET /orders', bearing(token))
      expect(status, text).to.equal(200)
    } finally {
      await fresh.stop()
    }
  })

  it('a stop ends open event streams, and waits for nothing else', async () => {
    const email = await register(one)
    await one.grant(email, 'analyst')
    const { access_token: token } = await logIn(one, email)
    const stopping = await one.another('api', { COMMAND_DEADLINE: '60000', RECOVERY_DELAY: '70000' })
    const headers = { authorization: `Bearer ${token}`, accept: 'text/event-stream' }
    const response = await fetch(`${stopping.url}/topics/orders/records`, { headers })
    expect(response.status).to.equal(200)
    const [ended] = await Promise.allSettled([response.text(), stopping.stop()])
    if (ended.status === 'rejected') expect(ended.reason).to.have.property('message', 'terminated')
  })

  it('too many wrong passwords are 429 with Retry-After, also for the right one; others go on', async () => {
    const [email, other] = [await register(one), await register(one)]
    const tryWith = (word: string, whose = email) => sendTo(one.url, 'POST /login', { body: { email: whose, password: word } })
    for (let n = 0; n < 10; n++) expect((await tryWith(password)).status).to.equal(200)
    const guesses = await Promise.all(Array.from({ length: 6 }, (_, n) => tryWith(`wrong guess ${n}`)))
    expect(guesses.map(({ status }) => status).sort()).to.deep.equal([401, 401, 401, 429, 429, 429])
    const late = await tryWith(password)
    expect(late.status).to.equal(429)
    expect(Number(late.headers.get('retry-after'))).to.be.within(1, 60)
    expect((await tryWith(password, other)).status).to.equal(200)
  })

  it('too many requests are 429 with Retry-After; health and metrics are not counted', async () => {
    const few = await one.another('api', { RATE_LIMIT: '3' })
    try {
      const statuses: number[] = []
      for (let n = 0; n < 5; n++) {
        statuses.push((await sendTo(few.url, 'GET /products', {})).status)
        expect((await sendTo(few.url, 'GET /health/live', {})).status).to.equal(200)
        expect((await sendTo(few.url, 'GET /metrics', {})).status).to.equal(200)
      }
      expect(statuses).to.deep.equal([200, 200, 200, 429, 429])
      const unknown = await sendTo(few.url, 'GET /nowhere', {})
      expect(Number(unknown.headers.get('retry-after'))).to.be.within(1, 60)
      expect((await sendTo(few.url, 'GET /orders/1', {})).body).to.include({ status: 429, message: 'error' })
      expect((await sendTo(few.url, 'PATCH /cart', {})).status).to.equal(429)
    } finally {
      await few.stop()
    }
  })

  it('projections that stand still: a user’s own read is answered as it is, with a Warning; one that names a position is 503', async () => {
    const { access_token: other } = await logIn(one, await register(one))
    await sendTo(one.url, 'GET /cart', bearing(other))
    const client = await one.connections.database.pool.connect()
    try {
      await client.query(`begin; select * from tillroll.checkpoint for update`)
      const email = await register(one)
      const { id, access_token: own } = await logIn(one, email)
      const read = await sendTo(one.url, `GET /cart`, bearing(own))
      expect(read.status).to.equal(200)
      expect(read.headers.get('warning')).to.match(/^110 - "/)
      expect((await sendTo(one.url, 'GET /cart', bearing(other))).headers.get('warning')).to.equal(null)
      const named = bearing(own, { headers: { 'Read-After': String((await one.store.last())!.position) } })
      const refused = await sendTo(one.url, 'GET /cart', named)
      expect([refused.status, refused.headers.get('retry-after')]).to.deep.equal([503, '1'])
      await client.query('rollback')
      expect((await sendTo(one.url, `GET /users/${id}`, named)).status).to.equal(200)
    } finally {
      client.release(true)
    }
  })

  it('an event store that is away is 503 with Retry-After; reads go on, and staff’s routes refuse after a while', async function () {
    this.timeout(30_000)
    const email = await register(one)
    await one.grant(email, 'staff')
    const { access_token: token } = await logIn(one, email)
    await eventstore.stop()
    isAway = true
    const { status, headers, body } = await sendTo(one.url, 'POST /register', { body: { email: anEmail(), password } })
    expect([status, headers.get('retry-after')]).to.deep.equal([503, '1'])
    expect(body).to.have.all.keys('msg')
    expect((await sendTo(one.url, 'GET /products', {})).status).to.equal(200)
    await until(async () => (await sendTo(one.url, 'GET /orders', bearing(token))).status !== 200)
    const refused = await sendTo(one.url, 'POST /products/new', bearing(token, { body: { name: 'Tea', stock: 1 } }))
    expect([refused.status, refused.headers.get('retry-after')]).to.deep.equal([503, '1'])
    expect(JSON.stringify(refused.body)).to.contain('roles can not be checked')
    expect((await sendTo(one.url, 'GET /cart', bearing(token))).status).to.equal(200)
    expect((await sendTo(one.url, 'GET /orders', bearing(token))).status).to.equal(503)
  })
})
