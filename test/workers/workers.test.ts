import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { anEmail } from '../http/client.js'
import { descendantsOf, freePort, type Shop, spawnCli, spawnShop } from '../support/spawn-shop.js'

type Reply = { readonly status: number; readonly body: string }

/** A shop whose HTTP is served by three processes, each connection by the next of them. */
describe('several processes for HTTP', function () {
  this.timeout(60_000)
  const workers = 3
  let data: string
  let shop: Shop

  before(async () => {
    data = await mkdtemp(join(tmpdir(), 'tillroll-workers-'))
    shop = await spawnShop({
      data,
      port: await freePort(),
      env: { HTTP_WORKERS: String(workers), RATE_LIMIT: '100000', MAX_CONNECTIONS_PER_ADDRESS: '300' },
    })
  })
  after(async () => {
    await shop.stop()
    await rm(data, { recursive: true })
  })

  /** Over a connection of its own, so that any of the workers may get it. */
  const send = (route: string, { body, headers }: { body?: object; headers?: Record<string, string> } = {}): Promise<Reply> =>
    new Promise((resolve, reject) => {
      const [method, path] = route.split(' ')
      const agent = new Agent({ keepAlive: false })
      const json = { 'content-type': 'application/json' }
      const asked = request(shop.url + path, { method: method!, agent, headers: { ...json, ...headers } }, (response) => {
        let text = ''
        response.on('data', (chunk: Buffer) => (text += chunk.toString()))
        response.on('end', () => resolve({ status: response.statusCode!, body: text }))
        response.on('error', reject)
      })
      asked.on('error', reject)
      asked.end(body && JSON.stringify(body))
    })

  const customer = async () => {
    const email = anEmail()
    const login = { email, password: 'a password' }
    const registered = await send('POST /register', { body: login })
    const { access_token: token } = JSON.parse((await send('POST /login', { body: login })).body)
    return { id: JSON.parse(registered.body).id as number, email, headers: { authorization: `Bearer ${token}` } }
  }

  const aProduct = async (stock: number): Promise<string> => {
    const staff = await customer()
    const granted = spawnCli(['users', 'grant', staff.email, 'staff'], { TILLROLL_DATA: data })
    await new Promise((resolve) => granted.on('exit', resolve))
    const login = await send('POST /login', { body: { email: staff.email, password: 'a password' } })
    const headers = { authorization: `Bearer ${JSON.parse(login.body).access_token}` }
    const added = await send('POST /products/new', { body: { name: 'Tea', stock, price: 2 }, headers })
    expect(added.status, added.body).to.equal(201)
    return JSON.parse(added.body).data.data._id
  }

  const workerPids = () =>
    descendantsOf(shop.pid)
      .filter(({ command }) => command.includes('workers/worker'))
      .map(({ pid }) => pid)

  it('are given so many connections of one address, all of them together, and again as many once those are closed', async () => {
    const open: Socket[] = []
    const openOne = async (): Promise<string> => {
      const socket = connect(Number(new URL(shop.url).port), '127.0.0.1')
      open.push(socket)
      socket.on('error', () => undefined)
      let received = ''
      socket.on('data', (chunk: Buffer) => (received += chunk.toString()))
      socket.write('GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n')
      while (!received.includes('\r\n') && !socket.destroyed) await sleep(5)
      return received.split(' ')[1] ?? 'closed'
    }
    const until429 = async (): Promise<number> => {
      for (let n = 0; n <= 300; n++) if ((await openOne()) !== '200') return n
      return 301
    }
    // Some are still open from before.
    for (let round = 0; round < 2; round++) {
      expect(await until429()).to.be.within(250, 300)
      for (const socket of open.splice(0)) socket.destroy()
      await sleep(500)
    }
    expect(await openOne()).to.equal('200')
    open[0]!.destroy()
  })

  it('are as many as are asked for', () => {
    expect(workerPids()).to.have.length(workers)
  })

  it('show everybody what they wrote through another one', async () => {
    const product = await aProduct(1_000)
    const { headers } = await customer()
    for (let amount = 1; amount <= 60; amount++) {
      const added = await send('POST /cart', { body: { ProductId: product, amount: 1 }, headers })
      expect(added.status, added.body).to.equal(201)
      const cart = await send('GET /cart', { headers })
      expect(JSON.parse(cart.body)[0]?.amount).to.equal(amount)
    }
  })

  it('do once what is asked of several under one key', async () => {
    const product = await aProduct(100)
    const { id, headers } = await customer()
    const body = { customer_id: id, price: 2, items: [{ product_id: product, quantity: 1 }], status: 'new' }
    const keyed = { ...headers, 'idempotency-key': 'once' }
    const replies = await Promise.all(Array.from({ length: 12 }, () => send('POST /orders/new', { body, headers: keyed })))
    expect(new Set(replies.map(({ status }) => status))).to.deep.equal(new Set([201]))
    expect(new Set(replies.map(({ body: text }) => JSON.parse(text).data.data._id)).size).to.equal(1)
  })

  it('sell the last unit once', async () => {
    const product = await aProduct(1)
    const buyers = await Promise.all(Array.from({ length: 9 }, customer))
    const replies = await Promise.all(
      buyers.map(({ id, headers }) => {
        const body = { customer_id: id, price: 2, items: [{ product_id: product, quantity: 1 }], status: 'new' }
        return send('POST /orders/new', { body, headers })
      }),
    )
    expect(replies.map(({ status }) => status).sort()).to.deep.equal([201, ...Array.from({ length: 8 }, () => 409)])
  })

  it('have one page of metrics, of all of them', async () => {
    const count = async () => {
      const { body } = await send('GET /metrics')
      const line = body.split('\n').find((one) => /^http_request_duration_seconds_count\{.*route="\/products".*\}/.test(one))
      return Number(line?.split(' ').at(-1) ?? 0)
    }
    const before = await count()
    await Promise.all(Array.from({ length: 30 }, () => send('GET /products')))
    // What was answered last is counted just after it.
    await sleep(1_200)
    expect((await count()) - before).to.equal(30)
  })

  it('are as healthy as the parts that run elsewhere', async () => {
    const { parts } = JSON.parse((await send('GET /health/ready')).body)
    expect(parts.bridges).to.have.length(1)
    expect(parts.bridges[0]).to.include({ topic: 'orders', state: 'running' })
  })

  it('are replaced when one is killed, and the others serve meanwhile', async () => {
    const before = workerPids()
    process.kill(before[0]!, 'SIGKILL')
    for (let i = 0; i < 20; i++) {
      const { status } = await send('GET /products').catch(() => ({ status: 0 }))
      // A connection that was just handed to the one that died breaks; whoever asks again is served.
      if (status === 0) expect((await send('GET /products')).status).to.equal(200)
    }
    for (let i = 0; i < 200 && workerPids().length < workers; i++) await sleep(50)
    expect(workerPids()).to.have.length(workers).and.not.include(before[0])
  })

  it('do not wait for ever for one that is stopped', async () => {
    const product = await aProduct(1_000)
    const { headers } = await customer()
    const [stopped] = workerPids()
    process.kill(stopped!, 'SIGSTOP')
    // Whatever reaches the stopped one is answered by nobody; what reaches the others is, at the latest when that one is given up.
    const replies = await Promise.allSettled(
      Array.from({ length: 6 }, () => send('POST /cart', { body: { ProductId: product, amount: 1 }, headers })),
    )
    expect(replies.filter((reply) => reply.status === 'fulfilled' && reply.value.status === 201)).to.have.length.of.at.least(4)
    for (let i = 0; i < 200 && (workerPids().length < workers || workerPids().includes(stopped!)); i++) await sleep(50)
    expect(workerPids()).to.have.length(workers).and.not.include(stopped)
  })

  it('count requests together, and leave no process behind', async () => {
    const pids = descendantsOf(shop.pid).map(({ pid }) => pid)
    expect(await shop.stop()).to.equal(0)
    expect(descendantsOf(process.pid).filter(({ pid }) => pids.includes(pid))).to.deep.equal([])
    shop = await spawnShop({ data, port: await freePort(), env: { HTTP_WORKERS: String(workers), RATE_LIMIT: '30' } })
    const statuses = []
    for (let i = 0; i < 40; i++) statuses.push((await send('GET /products')).status)
    expect(statuses.filter((status) => status === 200)).to.have.length(30)
    expect(statuses.filter((status) => status === 429)).to.have.length(10)
  })
})
