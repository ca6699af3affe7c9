import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet'
import { views } from '../../../src/history/engine/views.js'
import { build, freePort, type Shop, spawnShop } from '../../support/spawn-shop.js'
import { until } from '../../support/until.js'

const cli = fileURLToPath(new URL('../../../dist/cli/index.js', import.meta.url))
const endless = 'select count(*) from range(1000000) a, range(1000000) b where (a.range * b.range) % 7 = 3'

describe('tillroll history sql', function () {
  this.timeout(120_000)
  let folder: string
  let env: NodeJS.ProcessEnv
  let shop: Shop
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tillroll-cli-sql-'))
    const data = join(folder, 'data')
    env = { ...process.env, TILLROLL_DATA: data, EVENTSTORE_URL: '', DATABASE_URL: '' }
    shop = await spawnShop({ data, port: await freePort(), env: { HTTP_WORKERS: '0' }, args: ['--demo'] })
    await until(() => shop.output().includes('the shop is filled'), 60_000)
    build()
  })
  after(async () => {
    await shop?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  const start = (args: readonly string[], more: NodeJS.ProcessEnv = {}) =>
    spawn(process.execPath, [cli, 'history', 'sql', ...args], { cwd: folder, env: { ...env, ...more } })
  const ended = async (child: ReturnType<typeof start>) => {
    let [out, err] = ['', '']
    child.stdout.on('data', (chunk) => (out += chunk))
    child.stderr.on('data', (chunk) => (err += chunk))
    const [code] = (await once(child, 'close')) as [number | null]
    return { code, out, err }
  }
  const run = (args: readonly string[], more: NodeJS.ProcessEnv = {}) => {
    const child = start(args, more)
    child.stdin.end()
    return ended(child)
  }
  const answer = async (...args: readonly string[]): Promise<string> => {
    const { code, out, err } = await run(args)
    expect(code, err).to.equal(0)
    return out
  }

  it('answers as a table, as JSON, as CSV and as Parquet', async () => {
    const sql = 'select type, revision, at from events order by position limit 2'
    const rows = JSON.parse(await answer('--format', 'json', sql)) as { type: string; revision: number; at: string }[]
    expect(rows).to.have.length(2)
    expect(rows[0]!.at).to.match(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
    const [head, , first] = (await answer(sql)).split('\n')
    expect(head!.split('|').map((word) => word.trim())).to.deep.equal(['type', 'revision', 'at'])
    expect(first).to.contain(rows[0]!.type)
    expect((await answer('--format', 'csv', sql)).split('\n')).to.deep.equal([
      'type,revision,at',
      ...rows.map(({ type, revision, at }) => `${type},${revision},${at}`),
      '',
    ])
    await answer('--format', 'parquet', '--out', 'two.parquet', sql)
    const read = await parquetReadObjects({ file: await asyncBufferFromFile(join(folder, 'two.parquet')) })
    expect(read.map(({ type }) => type)).to.deep.equal(rows.map(({ type }) => type))
    expect((await readdir(folder)).filter((name) => name.includes('partial'))).to.deep.equal([])
    const refused = await run(['--format', 'parquet', sql])
    expect([refused.code, refused.err]).to.deep.equal([
      2,
      'error: Parquet is not written to the terminal: name a file with --out\n',
    ])
  })

  it('takes statements from a pipe', async () => {
    const child = start(['--format', 'csv'])
    child.stdin.end('select 1 as a;\n-- and\nselect 2 as b;')
    expect(await ended(child)).to.deep.equal({ code: 0, out: 'a\n1\nb\n2\n', err: '' })
  })

  it('explains every view and column', async () => {
    const told = await answer('--explain-schema')
    for (const { name, means, columns } of views()) {
      expect(told).to.contain(`${name}: ${means}\n`)
      for (const column of columns)
        expect(told)
          .to.match(new RegExp(`^  ${column.name} .*: `, 'm'))
          .and.contain(column.means)
    }
  })

  it('says which name comes near, and what it refuses', async () => {
    for (const [sql, told] of [
      ['select * from ordrs', /"orders"/],
      ['select custmer_id from order_placed', /"customer_id"/],
      ['insert into orders values (1)', /^tillroll: the history is only read, and INSERT writes\n$/],
      [`copy orders to 'x.csv'`, /COPY reads or writes files/],
      [`set memory_limit = '9GB'`, /SET changes settings/],
      [`select * from read_csv('http://127.0.0.1/x.csv')`, /disabled/],
    ] as const) {
      const { code, out, err } = await run([sql])
      expect([code, out], sql).to.deep.equal([1, ''])
      expect(err, sql).to.match(told)
    }
    expect(existsSync(join(folder, 'x.csv'))).to.equal(false)
  })

  it('takes no more than its settings say', async () => {
    const long = await run([endless], { HISTORY_TIMEOUT: '300' })
    expect([long.code, long.err]).to.deep.equal([
      1,
      'tillroll: the query took longer than 300 ms (HISTORY_TIMEOUT), and was ended\n',
    ])
    const large = await run(['select list(range) from range(20000000)'], { HISTORY_MEMORY: '64MB' })
    expect(large.code).to.equal(1)
    expect(large.err).to.match(/Out of Memory/)
    const threads = await run(['--format', 'csv', "select current_setting('threads') as n"], { HISTORY_THREADS: '1' })
    expect(threads.out).to.equal('n\n1\n')
    const wrong = await run(['select 1'], { HISTORY_MEMORY: 'much' })
    expect([wrong.code, wrong.err]).to.deep.equal([
      1,
      'tillroll: HISTORY_MEMORY: must be an amount of memory such as 512MB (it is "much")\n',
    ])
  })

  it('ends at Ctrl-C without a file, and leaves the shop undisturbed', async () => {
    const child = start(['--format', 'csv', '--out', 'cut.csv', endless])
    const end = ended(child)
    await until(() => existsSync(join(folder, 'cut.csv.partial')) || child.exitCode !== null, 20_000)
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect((await fetch(`${shop.url}/products`)).status).to.equal(200)
    child.kill('SIGINT')
    const { code, err } = await end
    expect([code, err]).to.deep.equal([130, 'the query was cancelled\n'])
    expect((await readdir(folder)).filter((name) => name.startsWith('cut'))).to.deep.equal([])
    expect((await fetch(`${shop.url}/health/ready`)).status).to.equal(200)
  })

  it('that is killed leaves no file but one that says that it is none, and the next one is whole', async () => {
    await writeFile(join(folder, 'kept.csv'), 'as it was')
    const child = start(['--format', 'csv', '--out', 'kept.csv', endless])
    await until(() => existsSync(join(folder, 'kept.csv.partial')) || child.exitCode !== null, 20_000)
    child.kill('SIGKILL')
    await once(child, 'close')
    expect(await readFile(join(folder, 'kept.csv'), 'utf8')).to.equal('as it was')
    await answer('--format', 'csv', '--out', 'kept.csv', 'select 7 as n')
    expect(await readFile(join(folder, 'kept.csv'), 'utf8')).to.equal('n\n7\n')
    expect((await readdir(folder)).filter((name) => name.includes('partial'))).to.deep.equal([])
  })

  it('on a full disk says so, leaves no file, and is whole when there is room', async () => {
    for (const format of ['csv', 'parquet']) {
      const all = ['--format', format, '--out', `all.${format}`, 'select * from events']
      // A process that may not write a file of more than 20 blocks sees a full disk at that point.
      const limited = spawn('bash', ['-c', 'ulimit -f 20; exec "$0" "$@"', process.execPath, cli, 'history', 'sql', ...all], {
        cwd: folder,
        env,
      })
      const { code, err } = await ended(limited as ReturnType<typeof start>)
      expect([code, err], format).to.deep.equal([
        1,
        'tillroll: the disk is full: nothing was written; make room on it, and ask again\n',
      ])
      expect((await readdir(folder)).filter((name) => name.startsWith('all'))).to.deep.equal([])
      await answer(...all)
      expect(existsSync(join(folder, `all.${format}`))).to.equal(true)
      await rm(join(folder, `all.${format}`))
    }
  })

  it('knows at each call what has happened since', async () => {
    const count = async () => JSON.parse(await answer('--format', 'json', 'select count(*) as n from user_registered'))[0].n
    const before = await count()
    const body = JSON.stringify({ email: 'late@example.org', password: 'correct horse' })
    const headers = { 'content-type': 'application/json' }
    expect((await fetch(`${shop.url}/register`, { method: 'POST', headers, body })).status).to.equal(201)
    expect(await count()).to.equal(before + 1)
  })
})
