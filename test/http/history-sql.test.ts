import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { parquetReadObjects } from 'hyparquet'
import { processes } from '../support/spawn-shop.js'
import { until } from '../support/until.js'
import { app } from './app.js'
import { aCustomer, anOrder, aProduct, type Person, refusedInMsg, send, theAnalyst, theStaff } from './client.js'

type Row = { readonly [column: string]: unknown }

describe('the history in SQL over HTTP', () => {
  let analyst: Person
  let staff: Person
  let ann: Person
  let order: string
  before(async function () {
    // The process that answers is started with the first question.
    this.timeout(30_000)
    analyst = await theAnalyst()
    staff = await theStaff()
    ann = await aCustomer('sql-ann')
    order = (await anOrder(ann, [[await aProduct({ price: 3 }), 2]]))._id
    await ask('select 1')
    await sleep(600)
  })

  type Asked = { readonly token?: string; readonly accept?: string; readonly personal?: boolean }
  const ask = async (sql: string, { token = analyst.token, accept = 'application/json', ...more }: Asked = {}) => {
    const answer = await send<Row[]>('POST /history/sql', { token, body: { sql, ...more }, headers: { accept } })
    expect(answer.status, answer.text).to.equal(200)
    return answer
  }
  const refusal = (sql: string, status: number, more: object = {}, token = analyst.token) =>
    refusedInMsg('POST /history/sql', { token, body: { sql, ...more } }, status)

  it('answers as JSON, CSV or Parquet, as Accept says', async () => {
    const sql = `select order_id, price, at from order_placed where order_id = '${order}'`
    const json = await ask(sql)
    expect(json.headers.get('content-type')).to.match(/^application\/json/)
    expect(json.headers.get('cache-control')).to.equal('no-store')
    expect(json.body).to.have.length(1)
    expect(json.body[0]).to.deep.include({ order_id: order, price: 600 })
    const csv = await ask(sql, { accept: 'text/csv' })
    expect(csv.headers.get('content-type')).to.match(/^text\/csv/)
    expect(csv.text).to.match(new RegExp(`^order_id,price,at\n${order},600,2\\d{3}-[^,]+Z\n$`))
    const response = await fetch(`${(await app()).url}/history/sql`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${analyst.token}`,
        'content-type': 'application/json',
        accept: 'application/vnd.apache.parquet',
      },
      body: JSON.stringify({ sql }),
    })
    expect(response.headers.get('content-type')).to.equal('application/vnd.apache.parquet')
    const [row] = await parquetReadObjects({ file: await response.arrayBuffer() })
    expect(row).to.deep.include({ order_id: order, price: 600n })
    expect((await ask(sql, { accept: 'application/problem+json' })).headers.get('content-type')).to.match(/^application\/json/)
    const headers = { accept: 'image/png' }
    expect(await refusedInMsg('POST /history/sql', { token: analyst.token, body: { sql }, headers }, 406)).to.contain('text/csv')
  })

  it('knows what has happened since, and the shop as it is', async () => {
    const tea = await aProduct({ price: 7, stock: 5 })
    await sleep(600)
    const { body } = await ask(
      `select a.price, p.stock from product_added a join products p on p.product_id = a.product_id where a.product_id = '${tea._id}'`,
    )
    expect(body).to.deep.equal([{ price: 700, stock: 5 }])
  })

  it('says what is wrong with a statement, and what it must not do', async () => {
    expect(await refusal('selec 1', 400)).to.match(/^Parser Error/)
    expect(await refusal('select * from ordrs', 400)).to.contain('"orders"')
    expect(await refusal('select prce from order_placed', 400)).to.contain('"price"')
    expect(await refusal('delete from orders', 400)).to.contain('only read, and DELETE writes')
    expect(await refusal(`copy orders to '/tmp/x.csv'`, 400)).to.contain('COPY reads or writes files')
    expect(await refusal(`select * from read_text('/etc/passwd')`, 400)).to.contain('disabled')
    expect(await refusal('select 1; select 2', 400)).to.contain('one statement')
    for (const none of ['·', '\u{4e621}·\ufc02', ';', '\u00a0']) expect(await refusal(none, 400), none).to.contain('no statement')
    expect(await refusal('select 1\0; drop table orders', 400)).to.contain('NUL')
    expect(await refusal('select list(range) from range(90000000)', 400)).to.contain('HISTORY_MEMORY')
    for (const body of [{}, { sql: '' }, { sql: 1 }, { sql: 'select 1', personal: 'yes' }])
      await refusedInMsg('POST /history/sql', { token: analyst.token, body }, 400)
  })

  it('is for analysts and staff', async () => {
    await refusedInMsg('POST /history/sql', { body: { sql: 'select 1' } }, 401)
    await refusal('select 1', 403, {}, ann.token)
    await refusedInMsg('GET /history/stats', { token: ann.token }, 403)
    await ask('select 1', { token: staff.token })
  })

  it('ends a query whose client goes away, and answers the next one', async () => {
    const endless = 'select count(*) from range(1000000) a, range(1000000) b where (a.range * b.range) % 7 = 3'
    const { url } = await app()
    const gone = new AbortController()
    const asked = Array.from({ length: 4 }, () =>
      fetch(`${url}/history/sql`, {
        method: 'POST',
        signal: gone.signal,
        headers: { authorization: `Bearer ${analyst.token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ sql: endless }),
      }).catch((error: Error) => error.name),
    )
    await sleep(500)
    const busy = await send('POST /history/sql', { token: analyst.token, body: { sql: 'select 1' } })
    expect(busy.status).to.equal(503)
    expect(busy.headers.get('retry-after')).to.equal('1')
    gone.abort()
    expect(await Promise.all(asked)).to.deep.equal(['AbortError', 'AbortError', 'AbortError', 'AbortError'])
    await until(async () => (await send('POST /history/sql', { token: analyst.token, body: { sql: 'select 1' } })).status === 200)
  })

  it('is answered in a process of its own: where that ends, another takes its place', async () => {
    const answering = () =>
      processes().filter(({ command }) => /history\/service\/process\.[jt]s/.test(command) && !/defunct/.test(command))
    const own = answering().filter(({ parent }) => parent === process.pid)
    expect(own).not.to.deep.equal([])
    for (const { pid } of own) process.kill(pid, 'SIGKILL')
    await until(async () => (await send('POST /history/sql', { token: analyst.token, body: { sql: 'select 1' } })).status === 200)
    expect((await send('GET /health/ready')).status).to.equal(200)
  })

  it('counts events by hour and day', async () => {
    const { status, body } = await send<Row[]>('GET /history/stats?type=OrderPlaced&by=hour&from=1h', { token: analyst.token })
    expect(status).to.equal(200)
    expect(body.at(-1)).to.include({ type: 'OrderPlaced' })
    expect(body.at(-1)!.period).to.match(/T\d\d:00:00Z$/)
    expect((await send<Row[]>('GET /history/stats?to=2020-01-01', { token: analyst.token })).body).to.deep.equal([])
    for (const query of ['by=week', 'type=OrderPlacd', 'from=noon'])
      await refusedInMsg(`GET /history/stats?${query}`, { token: analyst.token }, 400)
  })

  describe('personal data', () => {
    type Event = { type: string; actor: string; data: { name?: string; email?: string; asked?: string; userId?: string } }
    const disclosed = async (): Promise<string[]> => {
      const path = `/history/streams/disclosure-${staff._id}?limit=1000`
      const { status, body } = await send<Event[]>(`GET ${path}`, { token: analyst.token })
      return status === 404 ? [] : body.map(({ data }) => data.asked!)
    }
    const recordedBy = async (work: () => Promise<unknown>): Promise<string[]> => {
      const before = await disclosed()
      await work()
      return (await disclosed()).slice(before.length)
    }
    const sql = `select name, email from user_registered where user_id = `

    it('is in no view', async () => {
      await refusal(`${sql}'${ann._id}'`, 400)
      await refusal('select email from users', 400)
      const { body } = await ask(`select data from events where stream = 'user-${ann._id}' and type = 'UserRegistered'`)
      expect(JSON.stringify(body)).not.to.contain(ann.email).and.not.contain('name')
    })

    it('is shown to staff who ask for it, and that is put on record', async () => {
      const request = { token: staff.token, personal: true }
      expect(
        await recordedBy(async () => {
          expect((await ask(`${sql}'${ann._id}'`, request)).body).to.deep.equal([{ name: ann.name, email: ann.email }])
          const read = `select u.email, e.data->>'email' as given from users u join events e on e.stream = u.stream
            where u.user_id = '${ann._id}' and e.type = 'UserRegistered'`
          expect((await ask(read, request)).body).to.deep.equal([{ email: ann.email, given: ann.email }])
        }),
      ).to.deep.equal(['POST /history/sql of user_registered', 'POST /history/sql of events, users'])
      expect(
        await recordedBy(async () => {
          for (const path of [
            `/history/streams/user-${ann._id}`,
            '/history/events?type=UserRegistered&before=9223372036854775807&limit=1000',
            '/history/events?type=UserRegistered&limit=1000',
          ]) {
            const { body } = await send<Event[]>(`GET ${path}${path.includes('?') ? '&' : '?'}personal=true`, {
              token: staff.token,
            })
            expect(body.map(({ data }) => data.email)).to.include(ann.email)
          }
          const lines = await fetch(`${(await app()).url}/history/events?stream=user-&personal=true`, {
            headers: { authorization: `Bearer ${staff.token}`, accept: 'application/x-ndjson' },
          })
          expect(await lines.text()).to.contain(ann.email)
        }),
      ).to.deep.equal([
        `GET /history/streams of user-${ann._id}`,
        'GET /history/events of UserRegistered',
        'GET /history/events of UserRegistered',
        'GET /history/events of everything in user-',
      ])
    })

    it('is not shown to staff who do not ask, nor recorded then', async () => {
      const token = staff.token
      expect(
        await recordedBy(async () => {
          for (const personal of ['', '&personal=false']) {
            const { text } = await send(`GET /history/events?type=UserRegistered&limit=1000${personal}`, { token })
            expect(text).not.to.contain(ann.email)
          }
          expect((await send(`GET /history/streams/user-${ann._id}`, { token })).text).not.to.contain(ann.email)
          await refusal('select email from users', 400, { personal: false }, token)
        }),
      ).to.deep.equal([])
    })

    it('is refused to analysts, and that is not recorded', async () => {
      expect(
        await recordedBy(async () => {
          expect(await refusal('select 1', 403, { personal: true })).to.contain('only staff')
          for (const path of ['/history/events?personal=true', `/history/streams/user-${ann._id}?personal=true`])
            await refusedInMsg(`GET ${path}`, { token: analyst.token }, 403)
          await refusedInMsg('GET /history/events?personal=maybe', { token: staff.token }, 400)
        }),
      ).to.deep.equal([])
    })

    it('is put on record without what was looked for', async () => {
      expect(
        await recordedBy(async () => {
          await ask(`select count(*) from users where email = '${ann.email}'`, { token: staff.token, personal: true })
          await send(`GET /history/events?personal=true&stream=user-${ann.email}`, { token: staff.token })
        }),
      ).to.deep.equal(['POST /history/sql of users', 'GET /history/events of everything in user-'])
    })

    it('of who was erased is shown to nobody', async () => {
      const gone = await aCustomer('sql-gone')
      const { store } = await app()
      const data = { userId: gone._id, at: new Date().toISOString() }
      const revision = (await store.read(`user-${gone._id}`)).at(-1)!.revision
      await store.append(`user-${gone._id}`, [{ id: randomUUID(), type: 'UserErased', data, metadata: { schema: 1 } }], revision)
      await sleep(600)
      const { body } = await ask(`${sql}'${gone._id}'`, { token: staff.token, personal: true })
      expect(body).to.deep.equal([])
      for (const path of [
        `/history/streams/user-${gone._id}?personal=true`,
        '/history/events?type=UserRegistered&limit=1000&personal=true',
      ])
        expect((await send(`GET ${path}`, { token: staff.token })).text).not.to.contain(gone.email)
    })
  })
})
