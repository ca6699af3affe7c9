import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { sleep } from '../../src/platform/async.js'
import {
  descendantsOf,
  freePort,
  processes,
  type Shop,
  shopOf,
  spawnCli,
  spawnEmbedded,
  spawnShop,
} from '../support/spawn-shop.js'
import { until } from '../support/until.js'

describe('tillroll serve', () => {
  let data: string
  let port: number
  let shop: Shop
  const started: Shop[] = []

  const start = async (args: readonly string[] = [], at = port): Promise<Shop> => {
    const one = await spawnShop({ data, port: at, args, env: { LOG_LEVEL: 'info' } })
    started.push(one)
    return one
  }

  /** Runs the command line to its end. */
  const tillroll = async (args: readonly string[], env: NodeJS.ProcessEnv = {}) => {
    const child = spawnCli(args, { TILLROLL_DATA: data, PORT: `${port}`, ...env })
    let [stdout, stderr] = ['', '']
    child.stdout!.on('data', (chunk) => (stdout += chunk))
    child.stderr!.on('data', (chunk) => (stderr += chunk))
    const [code] = (await once(child, 'close')) as [number]
    return { code, stdout, stderr }
  }

  const post = (url: string, path: string, body: object) =>
    fetch(url + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
  const register = async (url: string, email: string) =>
    (await post(url, '/register', { email, password: 'correct horse' })).status
  const logIn = async (url: string, email: string, password = 'correct horse') =>
    (await post(url, '/login', { email, password })).status

  const lines = (one: Shop) =>
    one
      .output()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as { msg: string; part?: string; address?: string; pid?: number })
  const said = (one: Shop, text: RegExp) => lines(one).filter(({ msg }) => text.test(msg))

  // What is dead and waits for its parent to notice has no command line.
  const alive = (pids: readonly number[]) => processes().filter(({ pid, command }) => pids.includes(pid) && command !== '')

  /** The shop's processes, Postgres's and its watcher among them. */
  const family = (one: Shop) =>
    [...descendantsOf(one.pid), ...processes().filter(({ command }) => command.includes(data))].map(({ pid }) => pid)

  before(async () => {
    data = join(await mkdtemp(join(tmpdir(), 'tillroll-serve-')), 'data')
    port = await freePort()
    shop = await start()
  })

  after(async () => {
    await Promise.all(started.map((one) => one.stop('SIGKILL')))
    await until(() => processes().every(({ command }) => !command.includes(data)))
    await rm(join(data, '..'), { recursive: true })
  })

  it('says in a line for each part that it is up, and where, and how somebody becomes staff', async () => {
    expect(said(shop, / is up at /).map(({ part }) => part)).to.have.members(['event store', 'Postgres', 'HTTP'])
    for (const { address } of said(shop, / is up at /)) expect(address).to.match(/127\.0\.0\.1:\d+$/)
    await until(() => said(shop, /users grant <e-mail> staff/).length === 1)
  })

  it('keeps its secrets for itself', async () => {
    const secrets = JSON.parse(await readFile(join(data, 'secrets.json'), 'utf8')) as { jwtSecrets: string[]; emailKey: string }
    const { databaseUrl } = JSON.parse(await readFile(join(data, 'instance.json'), 'utf8')) as { databaseUrl: string }
    for (const file of ['secrets.json', 'instance.json']) expect((await stat(join(data, file))).mode & 0o777).to.equal(0o600)
    for (const secret of [...secrets.jwtSecrets, secrets.emailKey, new URL(databaseUrl).password]) {
      expect(shop.output()).to.not.contain(secret)
      for (const { command } of processes()) expect(command).to.not.contain(secret)
    }
  })

  it('is refused a second time on the same data, in one sentence', async () => {
    const { code, stdout, stderr } = await tillroll(['serve'], { PORT: '0' })
    expect(code).to.equal(1)
    expect(stdout).to.equal('')
    expect(stderr)
      .to.match(/^tillroll: .*\n$/)
      .and.contain(`pid ${shop.pid}`)
      .and.contain('--role')
    expect((await fetch(`${shop.url}/health/ready`)).status).to.equal(200)
  })

  it('is refused a port that is taken, in one sentence, and begins nothing', async () => {
    const other = join(data, '..', 'other')
    const { code, stderr } = await tillroll(['serve'], { TILLROLL_DATA: other })
    expect(code).to.equal(1)
    expect(stderr)
      .to.match(/^tillroll: .*\n$/)
      .and.contain(`port ${port}`)
    expect(await readdir(other).catch(() => 'not made')).to.equal('not made')
  })

  it('tells a setting that can not be used, and a command that it does not know', async () => {
    const wrong = await tillroll(['serve'], { PORT: 'http' })
    expect(wrong.code).to.equal(1)
    expect(wrong.stderr).to.match(/^tillroll: PORT/)
    const misunderstood = [['nonsense'], ['users', 'grant'], ['serve', '--role', 'king']].map((args) => tillroll(args))
    for (const { code, stderr } of await Promise.all(misunderstood)) {
      expect(code).to.equal(2)
      expect(stderr).to.match(/^error: /)
    }
  })

  it('is joined by the commands, and by another role', async () => {
    expect(await register(shop.url, 'ada@example.org')).to.equal(201)
    const [granted, stranger] = await Promise.all([
      tillroll(['users', 'grant', ' Ada@Example.org', 'staff']),
      tillroll(['users', 'grant', 'nobody@example.org', 'staff']),
    ])
    expect(granted).to.deep.include({ code: 0, stderr: '' })
    expect(stranger).to.deep.include({ code: 1, stdout: '' })
    expect(stranger.stderr).to.contain('nobody@example.org')

    const listed = await tillroll(['users', 'list'])
    expect(listed.stdout).to.match(/^E-MAIL +NAME +ROLE +ID\nada@example\.org +\S.* staff +[0-9a-f]+\n$/)
    const analysts = await tillroll(['users', 'list', '--role', 'analyst', '--json'])
    expect(analysts).to.deep.include({ code: 0, stdout: '[]\n' })

    const tail = await tillroll(['events', 'tail', '--all', '--no-follow', '--stream', 'user-'])
    const types = tail.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).type)
    expect(types).to.deep.equal(['UserRegistered', 'RoleGranted'])

    const api = await start(['--role', 'api'], await freePort())
    expect(said(api, / is up at /).map(({ part }) => part)).to.deep.equal(['HTTP'])
    expect(await logIn(api.url, 'ada@example.org')).to.equal(200)
    expect(await api.stop()).to.equal(0)
    expect(await logIn(shop.url, 'ada@example.org')).to.equal(200)
  })

  it('resets a password and signs out, in the name of the operator', async () => {
    expect(await register(shop.url, 'lost@example.org')).to.equal(201)
    const reset = await tillroll(['users', 'reset-password', 'lost@example.org', '--by', 'kim'])
    expect(reset.stdout).to.match(/^[\w-]{16}\n$/)
    expect(await logIn(shop.url, 'lost@example.org')).to.equal(401)
    const once = () => logIn(shop.url, 'lost@example.org', reset.stdout.trim())
    expect([await once(), await once()]).to.deep.equal([200, 401])
    const out = await tillroll(['users', 'sign-out', 'lost@example.org', '--by', 'kim'])
    expect(out).to.deep.include({ code: 0, stderr: '' })
    const done = await tillroll(['history', 'tail', '--json', '--actor', 'operator kim'])
    expect(done.stdout, done.stderr).to.contain('SignedOut').and.not.contain('PasswordSet')
  })

  for (const part of ['event store', 'Postgres']) {
    it(`starts its ${part} again, at the same address, when that is killed`, async () => {
      const before = said(shop, / is up( again)? at /).findLast((line) => line.part === part)!
      process.kill(before.pid!, 'SIGKILL')
      await until(() => said(shop, / is up again at /).some((line) => line.part === part))
      const after = said(shop, / is up again at /).find((line) => line.part === part)!
      expect(after.address).to.equal(before.address)
      await until(async () => (await fetch(`${shop.url}/health/ready`)).status === 200)
      await until(async () => (await logIn(shop.url, 'ada@example.org')) === 200)
    })
  }

  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    it(`stops in order at ${signal}, and finds everything at the next start`, async () => {
      expect(await register(shop.url, `${signal}@example.org`)).to.equal(201)
      const pids = family(shop)
      expect(pids).to.have.length.of.at.least(3)
      expect(await shop.stop(signal)).to.equal(0)
      expect(said(shop, /^stopped$/)).to.have.length(1)
      await until(() => alive(pids).length === 0)
      shop = await start()
      expect(await logIn(shop.url, `${signal}@example.org`)).to.equal(200)
    })
  }

  it('ends at a second signal without waiting for a request under way, and leaves no child behind', async () => {
    expect(await register(shop.url, 'second@example.org')).to.equal(201)
    const pids = family(shop)
    const { hostname, port } = new URL(shop.url)
    const socket = connect(Number(port), hostname)
    socket.on('error', () => undefined)
    socket.write('POST /login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{')
    // Taken up: what comes after it on other connections has been answered.
    expect(await logIn(shop.url, 'second@example.org')).to.equal(200)
    const ended = shop.stop()
    await until(() => said(shop, /^stopping/).length > 0)
    // One key press may come twice within half a second.
    await sleep(600)
    expect(await shop.stop('SIGTERM')).to.equal(130)
    expect(await ended).to.equal(130)
    expect(said(shop, /^stopped$/)).to.have.length(0)
    await until(() => alive(pids).length === 0)
    socket.destroy()
    shop = await start()
    expect(await logIn(shop.url, 'second@example.org')).to.equal(200)
  })

  it('stops in order when npm is told to, which runs it in a shell', async () => {
    await shop.stop()
    const env = { TILLROLL_DATA: data, PORT: String(port), LOG_LEVEL: 'info' }
    const one = await shopOf(spawnEmbedded('npm', ['start', '--silent'], env), port)
    started.push(one)
    const pids = family(one)
    await one.stop()
    // npm has waited for it.
    expect(said(one, /^stopped$/)).to.have.length(1)
    await until(() => alive(pids).length === 0)
    shop = await start()
  })

  it('leaves no process behind when it is killed, and finds everything at the next start', async () => {
    expect(await register(shop.url, 'killed@example.org')).to.equal(201)
    const pids = family(shop)
    await shop.stop('SIGKILL')
    // At once: what was left behind is still ending.
    const again = await start()
    expect(await logIn(again.url, 'killed@example.org')).to.equal(200)
    await until(() => alive(pids).length === 0)
    shop = again
  })

  it('runs without a running instance for as long as a command takes', async () => {
    await shop.stop()
    const granted = await tillroll(['users', 'grant', 'ada@example.org', 'analyst'])
    expect(granted).to.deep.include({ code: 0, stderr: '' })
    await until(() => processes().every(({ command }) => !command.includes(data)))
  })
})
