import { expect } from 'chai'
import { startTestApp, type TestApp } from '../support/app.js'
import { anEmail, password, type Request, sendTo } from './client.js'

/** What a shop behind a proxy, with pages of others, allows. */
describe('limits of a shop', () => {
  let shop: TestApp
  before(async () => {
    shop = await startTestApp({
      RATE_LIMIT: '20',
      LOGIN_RATE_LIMIT: '2',
      TRUSTED_PROXIES: '127.0.0.0/8',
      CORS_ORIGINS: 'https://shop.example',
      MAX_STREAMS: '2',
    })
  })
  after(() => shop.stop())

  const from = (address: string, more: Request = {}): Request => ({
    ...more,
    headers: { ...more.headers, 'x-forwarded-for': address },
  })
  let clients = 0
  const anAddress = () => `198.51.100.${++clients}`

  it('count requests by whom a proxy of ours asks for', async () => {
    const address = anAddress()
    const statuses: number[] = []
    for (let n = 0; n < 21; n++) statuses.push((await sendTo(shop.url, 'GET /products?limit=1', from(address))).status)
    expect(statuses).to.deep.equal([...Array(20).fill(200), 429])
    // What the client itself wrote in front of it changes nothing.
    expect((await sendTo(shop.url, 'GET /products', from(`203.0.113.77, ${address}`))).status).to.equal(429)
    expect((await sendTo(shop.url, 'GET /products', from(anAddress()))).status).to.equal(200)
  })

  it('count wrong passwords so, and one who is guessed at gets in from elsewhere', async () => {
    const email = anEmail()
    const [owner, outsider] = [anAddress(), anAddress()]
    await sendTo(shop.url, 'POST /register', from(owner, { body: { email, password } }))
    const logIn = async (address: string, word: string) =>
      (await sendTo(shop.url, 'POST /login', from(address, { body: { email, password: word } }))).status
    expect([await logIn(outsider, 'wrong 1'), await logIn(outsider, 'wrong 2'), await logIn(outsider, password)]).to.deep.equal([
      401, 401, 429,
    ])
    expect(await logIn(owner, password)).to.equal(200)
  })

  it('let pages of the origins that are named ask, and of no others', async () => {
    const ask = (line: string, origin: string, more: Record<string, string> = {}) =>
      sendTo(shop.url, line, from(anAddress(), { headers: { origin, ...more } }))
    const named = await ask('GET /products', 'https://shop.example')
    expect(named.headers.get('access-control-allow-origin')).to.equal('https://shop.example')
    expect(named.headers.get('access-control-expose-headers')).to.include('Commit-Position')
    expect(named.headers.get('access-control-allow-credentials')).to.equal(null)
    expect(named.headers.get('vary'))
      .to.match(/Origin/)
      .and.match(/Accept/)
    const preflight = await ask('OPTIONS /cart', 'https://shop.example', {
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,content-type',
    })
    expect(preflight.status).to.equal(204)
    expect(preflight.headers.get('access-control-allow-headers')).to.match(/Authorization/)
    expect(preflight.headers.get('access-control-allow-methods')).to.match(/POST/)
    const denied = await ask('GET /cart', 'https://shop.example')
    expect([denied.status, denied.headers.get('access-control-allow-origin')]).to.deep.equal([401, 'https://shop.example'])
    for (const origin of ['https://other.example', 'https://shop.example.evil.test', 'null', 'http://shop.example'])
      expect((await ask('GET /products', origin)).headers.get('access-control-allow-origin'), origin).to.equal(null)
  })

  it('let one user read so many streams at once', async () => {
    const email = anEmail()
    await sendTo(shop.url, 'POST /register', from(anAddress(), { body: { email, password } }))
    await shop.grant(email, 'analyst')
    const login = await sendTo<{ access_token: string }>(
      shop.url,
      'POST /login',
      from(anAddress(), { body: { email, password } }),
    )
    const headers = { authorization: `Bearer ${login.body.access_token}`, accept: 'text/event-stream' }
    const open = async (path: string) => {
      const ended = new AbortController()
      const response = await fetch(shop.url + path, {
        headers: { ...headers, 'x-forwarded-for': anAddress() },
        signal: ended.signal,
      })
      return { status: response.status, ended }
    }
    const streams = [await open('/history/events'), await open('/topics/orders/records')]
    expect(streams.map(({ status }) => status)).to.deep.equal([200, 200])
    expect((await open('/history/events')).status).to.equal(429)
    streams[0]!.ended.abort()
    let last = await open('/history/events')
    for (let n = 0; n < 50 && last.status === 429; n++) {
      await new Promise((resolve) => setTimeout(resolve, 20))
      last = await open('/history/events')
    }
    expect(last.status).to.equal(200)
    for (const { ended } of [...streams, last]) ended.abort()
  })
})
