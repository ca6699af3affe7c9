import { mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { anEmail, sendTo } from '../http/client.js'
import { freePort, type Shop, spawnCli, spawnShop } from '../support/spawn-shop.js'

/** An event store that was put back to an older state is not what the read models have folded. */
describe('a restored event store', function () {
  this.timeout(60_000)
  let data: string
  let shop: Shop | undefined
  before(async () => {
    data = await mkdtemp(join(tmpdir(), 'tillroll-restored-'))
  })
  after(async () => {
    await shop?.stop()
    await rm(data, { recursive: true })
  })

  const cli = (...args: string[]): Promise<number | null> =>
    new Promise((resolve) => spawnCli(args, { TILLROLL_DATA: data }).on('exit', resolve))
  const register = async (url: string) => {
    const body = { email: anEmail(), password: 'a password' }
    const { status, headers } = await sendTo(url, 'POST /register', { body })
    expect(status).to.equal(201)
    // The read models are to stand at it.
    const after = { 'Read-After': headers.get('Commit-Position')! }
    expect((await sendTo(url, 'GET /products', { headers: after })).status).to.equal(200)
    return body
  }

  it('is refused by the read models, and taken once they start over', async () => {
    const port = await freePort()
    shop = await spawnShop({ data, port })
    const before = await register(shop.url)
    expect(await cli('eventstore', 'backup', join(data, 'backup'))).to.equal(0)
    const since = await register(shop.url)
    await shop.stop()
    await rename(join(data, 'eventstore'), join(data, 'newer'))
    expect(await cli('eventstore', 'restore', join(data, 'backup'))).to.equal(0)

    const refused = await spawnShop({ data, port, within: 20_000 }).then(
      () => 'it started',
      (error: Error) => error.message,
    )
    expect(refused)
      .to.match(/restored to an earlier state/)
      .and.match(/--start-over/)

    shop = await spawnShop({ data, port, args: ['--start-over'] })
    expect((await sendTo(shop.url, 'POST /login', { body: before })).status).to.equal(200)
    expect((await sendTo(shop.url, 'POST /login', { body: since })).status).to.equal(401)
    const { body } = await sendTo<{ access_token: string }>(shop.url, 'POST /login', { body: before })
    const cart = await sendTo(shop.url, 'GET /cart', { headers: { authorization: `Bearer ${body.access_token}` } })
    expect([cart.status, cart.body]).to.deep.equal([200, []])
  })
})
