import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import pg from 'pg'
import { freePort, processes, type Shop, spawnCli, spawnShop } from '../../support/spawn-shop.js'
import { until } from '../../support/until.js'

describe('tillroll history serve', function () {
  this.timeout(120_000)
  let folder: string
  let data: string
  let shop: Shop
  let historyPort: number
  const fixture = (name: string) => fileURLToPath(new URL(`../../eventstore/fixtures/${name}`, import.meta.url))

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tillroll-cli-history-'))
    data = join(folder, 'data')
    historyPort = await freePort()
    const env = { HTTP_WORKERS: '0', HISTORY_PORT: `${historyPort}`, LOG_LEVEL: 'info' }
    shop = await spawnShop({ data, port: await freePort(), env })
    const headers = { 'content-type': 'application/json' }
    for (const email of ['ada@example.org', 'ben@example.org'])
      await fetch(`${shop.url}/register`, { method: 'POST', headers, body: JSON.stringify({ email, password: 'correct horse' }) })
    expect((await run(['users', 'grant', 'ada@example.org', 'analyst'])).code).to.equal(0)
    await until(() => shop.output().includes('the history is open at'), 30_000)
  })
  after(async () => {
    await shop?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  const run = async (args: readonly string[], env: NodeJS.ProcessEnv = {}) => {
    const child = spawnCli(args, { TILLROLL_DATA: data, ...env })
    let [out, err] = ['', '']
    child.stdout!.on('data', (chunk) => (out += chunk))
    child.stderr!.on('data', (chunk) => (err += chunk))
    const [code] = (await once(child, 'close')) as [number | null]
    return { code, out, err }
  }
  /** One that goes on until it is told to end. */
  const serving = async (args: readonly string[], env: NodeJS.ProcessEnv = {}) => {
    const child = spawnCli(['history', 'serve', ...args], { TILLROLL_DATA: data, ...env })
    let told = ''
    for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (chunk) => (told += chunk))
    await until(() => told.includes('the history is open at') || child.exitCode !== null, 30_000)
    const stop = async () => {
      child.kill('SIGTERM')
      const [code] = (await once(child, 'close')) as [number | null]
      return code
    }
    return { stop, told: () => told }
  }
  const ask = async (port: number, more: pg.ClientConfig = {}): Promise<number> => {
    const config = { host: '127.0.0.1', port, user: 'ada@example.org', password: 'correct horse', database: 'history', ...more }
    const client = new pg.Client(config)
    client.on('error', () => undefined)
    await client.connect()
    const { rows } = await client.query('select count(*)::int as n from user_registered')
    await client.end()
    return rows[0].n
  }
  const refused = async (port: number, more: pg.ClientConfig = {}): Promise<string | undefined> =>
    ask(port, more).then(
      () => expect.fail('it was let in'),
      (error: { code?: string }) => error.code,
    )
  const historyProcess = () =>
    processes().filter(({ command, parent }) => parent === shop.pid && command.includes('history serve'))

  it('is a part of the shop where HISTORY_PORT is set, in a process of its own', async () => {
    expect(shop.output()).to.contain(`postgres://127.0.0.1:${historyPort}/history`)
    expect(await ask(historyPort)).to.equal(2)
    const [first] = historyProcess()
    process.kill(first!.pid, 'SIGKILL')
    await until(() => historyProcess().some(({ pid }) => pid !== first!.pid), 20_000)
    await until(
      () =>
        ask(historyPort).then(
          (n) => n === 2,
          () => false,
        ),
      20_000,
    )
    expect((await fetch(`${shop.url}/health/ready`)).status).to.equal(200)
  })

  it('lets in analysts and staff, by e-mail and password', async () => {
    expect(await refused(historyPort, { user: 'ben@example.org' })).to.equal('28P01')
    expect(await refused(historyPort, { password: 'wrong horse' })).to.equal('28P01')
    expect((await run(['users', 'grant', 'ben@example.org', 'staff'])).code).to.equal(0)
    expect(await ask(historyPort, { user: 'ben@example.org' })).to.equal(2)
  })

  it('is a command that joins the shop, on a port of its own, until it is told to end', async () => {
    const port = await freePort()
    const { stop, told } = await serving(['--port', `${port}`])
    expect(told()).to.contain(`postgres://127.0.0.1:${port}/history`)
    expect(await ask(port)).to.equal(2)
    expect(await stop()).to.equal(0)
    const taken = await run(['history', 'serve', '--port', `${historyPort}`])
    expect(taken.code).to.equal(1)
    expect(taken.err).to.contain(`${historyPort}`)
  })

  it('goes beyond loopback over TLS alone', async () => {
    const open = await run(['history', 'serve', '--port', '0', '--host', '0.0.0.0'])
    expect([open.code, open.err]).to.deep.equal([
      1,
      'tillroll: passwords would travel in the open to 0.0.0.0: set HISTORY_TLS_CERT and HISTORY_TLS_KEY, or serve on 127.0.0.1\n',
    ])
    const half = await run(['history', 'serve', '--port', '0'], { HISTORY_TLS_CERT: fixture('cert.pem') })
    expect(half.err).to.contain('belong together')
    const port = await freePort()
    const env = { HISTORY_TLS_CERT: fixture('cert.pem'), HISTORY_TLS_KEY: fixture('key.pem') }
    const { stop } = await serving(['--port', `${port}`, '--host', '0.0.0.0'], env)
    expect(await ask(port, { ssl: { ca: await readFile(fixture('cert.pem')), checkServerIdentity: () => undefined } })).to.equal(
      2,
    )
    expect(await refused(port)).to.equal('28000')
    expect(await stop()).to.equal(0)
  })

  it('ends with the shop', async () => {
    const [own] = historyProcess()
    expect(await shop.stop()).to.equal(0)
    await until(() => processes().every(({ pid, command }) => pid !== own!.pid || command === ''))
  })
})
