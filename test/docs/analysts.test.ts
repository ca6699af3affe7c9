import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import pg from 'pg'
import { freePort, type Shop, spawnShop } from '../support/spawn-shop.js'
import { until } from '../support/until.js'

const project = fileURLToPath(new URL('../..', import.meta.url))

/** The document's commands, one a line, in their order. */
const commandsOf = (text: string): readonly string[] =>
  [...text.matchAll(/^```sh\n([\s\S]*?)^```/gm)].flatMap(([, block]) => block!.trim().split('\n'))

/** What goes on until it is interrupted. */
const goesOn = (command: string): boolean => /history serve|tail.* -f/.test(command)

describe("the analysts' document", () => {
  const document = readFile(join(project, 'docs/analysts.md'), 'utf8')
  let folder: string
  let shop: Shop
  let historyPort: number
  let env: NodeJS.ProcessEnv
  const answers = new Map<string, string>()

  before(async function () {
    this.timeout(120_000)
    folder = await mkdtemp(join(tmpdir(), 'tillroll-analysts-'))
    const port = await freePort()
    historyPort = await freePort()
    // `npx tillroll` is what this project installs, wherever it is called.
    await writeFile(join(folder, 'npx'), `#!/bin/sh\nshift\nexec "${process.execPath}" "${project}dist/cli/index.js" "$@"\n`)
    await chmod(join(folder, 'npx'), 0o755)
    await symlink(join(project, 'examples'), join(folder, 'examples'))
    const data = join(folder, 'data')
    env = {
      ...process.env,
      PATH: `${folder}${delimiter}${process.env.PATH}`,
      TILLROLL_DATA: data,
      EVENTSTORE_URL: '',
      DATABASE_URL: '',
      BCRYPT_COST: '4',
    }
    shop = await spawnShop({ data, port, env: { HTTP_WORKERS: '0' }, args: ['--demo'] })
    await until(() => shop.output().includes('the shop is filled'), 60_000)
  })
  after(async () => {
    await shop?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  const start = (command: string): ChildProcess => {
    const here = command.replaceAll('http://127.0.0.1:3000', shop.url).replaceAll('5433', `${historyPort}`)
    return spawn('bash', ['-o', 'pipefail', '-c', here], { cwd: folder, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  }
  const run = async (command: string): Promise<string> => {
    const child = start(command)
    let [out, all] = ['', '']
    child.stdout!.on('data', (chunk) => (out += chunk))
    for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (chunk) => (all += chunk))
    const [code] = await once(child, 'close')
    expect(code, `${command}\n${all}`).to.equal(0)
    return out
  }
  /** The values are the next commands' to use, as in a shell. */
  const assign = async (name: string, command: string): Promise<void> => {
    const value = (await run(`${command}; printf %s "$${name}"`)).trim()
    expect(value, command).to.match(/^\S+$/)
    env[name] = value
  }
  const untilInterrupted = async (command: string): Promise<void> => {
    const child = start(command)
    let all = ''
    for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (chunk) => (all += chunk))
    const closed = once(child, 'close')
    await until(() => all !== '' || child.exitCode !== null, 30_000)
    if (command.includes('serve')) await connectTo(historyPort)
    process.kill(-child.pid!, 'SIGINT')
    const [code] = await closed
    expect(code, `${command}\n${all}`).to.be.oneOf([0, 130])
  }
  const connectTo = async (port: number): Promise<void> => {
    const client = new pg.Client({
      host: '127.0.0.1',
      port,
      database: 'history',
      user: 'staff@demo.example',
      password: 'demo-password',
    })
    await client.connect()
    const { rows } = await client.query('select count(*)::int as n from order_placed')
    await client.end()
    expect(rows[0].n).to.be.greaterThan(0)
  }

  it('has commands that all run', async function () {
    this.timeout(180_000)
    const commands = commandsOf(await document)
    expect(commands.length).to.be.greaterThan(15)
    for (const command of commands) {
      const [, name] = /^([A-Z]+)=/.exec(command) ?? []
      if (name) await assign(name, command)
      else if (goesOn(command)) await untilInterrupted(command)
      else answers.set(command, await run(command))
    }
  })

  it('leaves no command to prose, where nothing would run it', async () => {
    const prose = (await document).replaceAll(/^```sh\n[\s\S]*?^```/gm, '')
    expect(prose).to.not.contain('npx tillroll')
  })

  it('answers its four questions', async () => {
    const answerOf = (part: string): string => [...answers].find(([command]) => command.includes(part))![1]
    expect(answerOf('sum(price) / 100 as revenue')).to.match(/\d{4}-\d\d-\d\d +\| +\d+ \| +\d+/)
    expect(answerOf('from cart_item_added')).to.match(/[0-9a-f]{24} +\| \d{4}-/)
    expect(JSON.parse(answerOf('?asOf=')).data.data)
      .to.include({ name: 'Peppermint 80 g' })
      .and.have.property('stock')
    expect(answerOf('history blame')).to.match(/stock: \(none\) -> 200\n.*ProductAdded.* by /)
    expect(answerOf('replay examples/revenue-a-day.ts --every day')).to.match(
      /^PERIOD +ORDERS +REVENUE\n(\d{4}-\d\d-\d\d +\d+ +[\d.]+\n){30,}/,
    )
    expect(answerOf('what-if --projection orders')).to.match(/^orders: \d+ rows as they are/)
    expect(answerOf('replay examples/abandoned-carts.ts')).to.match(/^CART +SINCE/)
    const [command] = [...answers.keys()].filter((one) => one.includes('T09:00:00Z'))
    const allDay = await run(command!.replace(/>= '[^']*'/, ">= '2000-01-01'").replace(/< '[^']*'/, "< '2100-01-01'"))
    expect(allDay).to.contain('OrderPlaced')
  })

  it('answers the same of a shop that does not run', async function () {
    this.timeout(120_000)
    const yesterday = new Date(Date.now() - 86_400_000).toISOString()
    const commands = [
      `npx tillroll history replay examples/revenue-a-day.ts --every week --as-of ${yesterday}`,
      `npx tillroll history diff --from 2020-01-01 --to ${yesterday} --projection orders`,
      'npx tillroll history what-if --projection orders --with examples/cancelled-costs-nothing.ts',
    ]
    const running = []
    for (const command of commands) running.push(await run(command))
    await shop.stop()
    for (const [i, command] of commands.entries()) expect(await run(command), command).to.equal(running[i])
  })
})
