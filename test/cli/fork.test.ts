import { hash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { createProgram } from '../../src/cli/grammar.js'
import { isSegmentName } from '../../src/embedded/eventstore/storage/log/segment.js'
import { failure } from '../eventstore/contract/store.js'
import { freePort, type Shop, spawnCli, spawnShop } from '../support/spawn-shop.js'
import { until } from '../support/until.js'

type Answer = { readonly token?: string; readonly text: string; readonly status: number }

const send = async (url: string, path: string, body?: object, token?: string): Promise<Answer> => {
  const headers = { ...(body && { 'content-type': 'application/json' }), ...(token && { authorization: `Bearer ${token}` }) }
  const answer = await fetch(url + path, body ? { method: 'POST', headers, body: JSON.stringify(body) } : { headers })
  const text = await answer.text()
  const found = /"access_token":"([^"]+)"/.exec(text)?.[1]
  return { status: answer.status, text, ...(found && { token: found }) }
}

const email = 'ada.lovelace@example.com'
const password = 'correct horse'

describe('tillroll fork', function () {
  this.timeout(120_000)
  let folder: string
  let data: string
  let shop: Shop
  const run = async (args: readonly string[], env: NodeJS.ProcessEnv = {}) => {
    const child = spawnCli(args, { TILLROLL_DATA: data, ...env })
    let [out, err] = ['', '']
    child.stdout!.on('data', (chunk: Buffer) => (out += chunk.toString()))
    child.stderr!.on('data', (chunk: Buffer) => (err += chunk.toString()))
    const [code] = (await once(child, 'close')) as [number | null]
    return { code, out, err }
  }
  const start = async (of: string): Promise<Shop> =>
    spawnShop({ data: of, port: await freePort(), env: { HTTP_WORKERS: '0', LOG_LEVEL: 'warn' } })
  const register = (url: string, name: string, address: string) =>
    send(url, '/users/register', { name, email: address, password, confirm_password: password })
  const positionNow = async (): Promise<number> => {
    const { out } = await run(['events', 'tail', '--all', '--no-follow'])
    return Number(/"position":"?(\d+)/.exec(out.trim().split('\n').at(-1)!)![1])
  }

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tillroll-cli-fork-'))
    data = join(folder, 'shop')
    shop = await start(data)
    await register(shop.url, 'Ada Lovelace', email)
    await run(['users', 'grant', email, 'staff'])
    // The shop's own note of how far it is synced follows its last event by some moments.
    await new Promise((resolve) => setTimeout(resolve, 500))
  })
  after(async () => {
    await shop.stop()
    await rm(folder, { recursive: true })
  })

  /** What must never be touched: bytes and times of change. */
  const stateOf = async (of: string): Promise<Record<string, string>> => {
    const names = (await readdir(join(of, 'eventstore'))).filter((name) => isSegmentName(name) || name.startsWith('mark'))
    const state: Record<string, string> = {}
    for (const path of [join(of, 'secrets.json'), ...names.map((name) => join(of, 'eventstore', name))])
      state[path] = `${(await stat(path)).mtimeMs} ${hash('sha256', await readFile(path))}`
    return state
  }

  it('makes a shop of its own of one that runs, which stays as it is', async () => {
    const before = await stateOf(data)
    const fork = join(folder, 'fork')
    const made = await run(['fork', fork])
    expect(made.code, made.err).to.equal(0)
    expect(made.out).to.contain(`TILLROLL_DATA=${fork} npx tillroll serve`)
    expect(await stateOf(data)).to.deep.equal(before)
    expect((await run(['eventstore', 'verify'], { TILLROLL_DATA: fork })).out).to.contain('no problems found')
    const second = await start(fork)
    try {
      const { token, status } = await send(second.url, '/login', { email, password })
      expect(status).to.equal(200)
      expect((await send(second.url, '/products/new', { name: 'Tea', stock: 7, price: 4.5 }, token)).status).to.be.below(300)
      // A token of the one is nothing to the other.
      expect((await send(shop.url, '/products/new', { name: 'Tea', stock: 7, price: 4.5 }, token)).status).to.equal(401)
      await until(async () => (await send(second.url, '/products')).text.includes('Tea'))
      expect((await send(shop.url, '/products')).text).to.not.contain('Tea')
    } finally {
      await second.stop()
    }
    expect(await stateOf(data)).to.deep.equal(before)
    expect((await run(['eventstore', 'verify'], { TILLROLL_DATA: fork })).out).to.contain('no problems found')
    const [own, its] = await Promise.all(
      [data, fork].map(async (of) => JSON.parse(await readFile(join(of, 'secrets.json'), 'utf8'))),
    )
    expect(its.emailKey).to.equal(own.emailKey)
    expect(its.jwtSecrets).to.not.deep.equal(own.jwtSecrets)
  })

  it('goes as far as a position, with read models of then', async () => {
    const position = await positionNow()
    await register(shop.url, 'Charles Babbage', 'charles@example.com')
    const fork = join(folder, 'then')
    expect((await run(['fork', fork, '--at', `${position}`])).code).to.equal(0)
    const { out } = await run(['users', 'list'], { TILLROLL_DATA: fork })
    expect(out).to.contain(email).and.not.contain('charles@example.com')
    expect((await run(['projections', 'verify', 'users'], { TILLROLL_DATA: fork })).out).to.contain(
      '1 rows are as their streams say',
    )
  })

  it('goes as far as a time', async () => {
    await new Promise((resolve) => setTimeout(resolve, 20))
    const time = new Date().toISOString()
    await new Promise((resolve) => setTimeout(resolve, 20))
    await register(shop.url, 'Grace Hopper', 'grace@example.com')
    const fork = join(folder, 'timed')
    const made = await run(['fork', fork, '--at', time])
    expect(made.code, made.err).to.equal(0)
    const { out } = await run(['users', 'list'], { TILLROLL_DATA: fork })
    expect(out).to.contain('charles@example.com').and.not.contain('grace@example.com')
  })

  it('can be handed on when it is masked: nobody is in it, and everybody can log in', async () => {
    const log = await readFile(join(data, 'eventstore', 'log-00000000000000'), 'latin1')
    const secret = [/"hash":"([^"]+)"/g, /"login":"([0-9a-f]+)"/g].flatMap((of) =>
      [...log.matchAll(of)].map(([, found]) => found!),
    )
    expect(secret.length).to.be.at.least(6)
    const { emailKey } = JSON.parse(await readFile(join(data, 'secrets.json'), 'utf8'))
    const fork = join(folder, 'masked')
    const made = await run(['fork', fork, '--mask'])
    expect(made.code, made.err).to.equal(0)
    expect((await run(['eventstore', 'verify'], { TILLROLL_DATA: fork })).out).to.contain('no problems found')
    const [, one] = /with the password (\S+),/.exec(made.out)!
    const second = await start(fork)
    try {
      const people = JSON.parse((await run(['users', 'list', '--json'], { TILLROLL_DATA: fork })).out) as {
        email: string
        role: string
      }[]
      expect(people).to.have.length(3)
      expect(people.map(({ role }) => role).sort()).to.deep.equal(['customer', 'customer', 'staff'])
      for (const { email: masked } of people)
        expect((await send(second.url, '/login', { email: masked, password: one! })).status).to.equal(200)
      const staff = people.find(({ role }) => role === 'staff')!
      expect((await send(second.url, '/login', { email: staff.email, password })).status).to.not.equal(200)
      expect((await send(second.url, '/login', { email, password: one! })).status).to.not.equal(200)
      const { token } = await send(second.url, '/login', { email: staff.email, password: one! })
      expect((await send(second.url, '/products/new', { name: 'Tea', stock: 7, price: 4.5 }, token)).status).to.be.below(300)
    } finally {
      await second.stop()
    }
    const words = ['Lovelace', 'Babbage', 'Hopper', email, 'charles@example.com', 'grace@example.com', emailKey, one!, ...secret]
    let files = 0
    for (const entry of await readdir(fork, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue
      files++
      const bytes = await readFile(join(entry.parentPath, entry.name))
      for (const word of words) expect(bytes.includes(word), `${entry.name} holds ${word}`).to.equal(false)
    }
    expect(files).to.be.greaterThan(100)
  })

  it('says what cannot be forked, and where to, and leaves nothing there', async () => {
    const full = join(folder, 'full')
    await mkdir(full)
    await writeFile(join(full, 'a-file'), 'mine')
    const refused = async (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> => {
      const before = { ...process.env }
      Object.assign(process.env, { TILLROLL_DATA: data, EVENTSTORE_URL: '', DATABASE_URL: '', ...env })
      try {
        return (await failure(createProgram().parseAsync(['node', 'tillroll', 'fork', ...args]))).message
      } finally {
        for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name]
        Object.assign(process.env, before)
      }
    }
    const never = join(folder, 'never')
    expect(await refused([full])).to.contain('is not empty')
    expect(await refused([join(full, 'a-file')])).to.contain('is no folder')
    expect(await refused([join(data, 'inside')])).to.contain('is in the folder of the shop itself')
    expect(await refused([never, '--at', '2020-01-01'])).to.match(/is before the beginning: the first event is of 20/)
    expect(await refused([never, '--at', '1'])).to.contain('--at 1 is before the beginning')
    expect(await refused([never, '--at', '2999-01-01'])).to.contain('is after now')
    expect(await refused([never, '--at', '99999999'])).to.contain('is after the last event')
    expect(await refused([never, '--at', 'yesterday'])).to.contain('is no place in the history')
    expect(await refused([never], { TILLROLL_DATA: full })).to.contain('holds no event store')
    expect(await refused([never], { EVENTSTORE_URL: 'esdb://127.0.0.1:1?tls=false' })).to.contain(
      'restore a backup of it on a second node',
    )
    expect(await refused([never], { EMAIL_KEY: 'a key that is of another shop, and long enough' })).to.contain(
      'EMAIL_KEY is not the key',
    )
    expect(await readdir(folder))
      .to.not.include('never')
      .and.not.include('never.forking')
    expect(await readdir(full)).to.deep.equal(['a-file'])
  })

  it('leaves no half of a shop when it is interrupted or killed, and can be made then', async () => {
    const fork = join(folder, 'interrupted')
    for (const signal of ['SIGINT', 'SIGKILL'] as const) {
      const child = spawnCli(['fork', fork], { TILLROLL_DATA: data })
      const closed = once(child, 'exit')
      while (!existsSync(join(`${fork}.forking`, 'postgres'))) await new Promise((resolve) => setTimeout(resolve, 10))
      child.kill(signal)
      const [code] = await closed
      expect(existsSync(fork)).to.equal(false)
      if (signal === 'SIGKILL') continue
      expect(code).to.equal(130)
      expect(existsSync(`${fork}.forking`)).to.equal(false)
    }
    const made = await run(['fork', fork])
    expect(made.code, made.err).to.equal(0)
    expect((await run(['eventstore', 'verify'], { TILLROLL_DATA: fork })).out).to.contain('no problems found')
  })

  it('is made of a shop that is stopped, and touches nothing of it', async () => {
    await shop.stop()
    const before = await stateOf(data)
    const fork = join(folder, 'of-stopped')
    const made = await run(['fork', fork])
    expect(made.code, made.err).to.equal(0)
    expect(await stateOf(data)).to.deep.equal(before)
    expect((await run(['users', 'list'], { TILLROLL_DATA: fork })).out).to.contain(email)
  })
})
