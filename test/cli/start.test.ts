import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { startEventStore, type TestEventStore } from '../support/eventstore.js'
import { createDatabase, type TestDatabase } from '../support/postgres.js'
import { freePort, processes, spawnCli, spawnEmbedded } from '../support/spawn-shop.js'
import { startStrictEventStore } from '../support/strict-eventstore.js'

describe('a start', () => {
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tillroll-start-'))
  })
  after(() => rm(folder, { recursive: true }))

  const begin = (args: readonly string[], env: NodeJS.ProcessEnv = {}) => {
    const child = spawnCli(args, { TILLROLL_DATA: join(folder, 'data'), PORT: '0', HTTP_WORKERS: '0', ...env })
    let text = ''
    for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (chunk) => (text += chunk))
    const closed = once(child, 'close') as Promise<[number | null]>
    const output = async (pattern: RegExp) => {
      while (!pattern.test(text)) await Promise.race([once(child.stdout!, 'data'), once(child.stderr!, 'data'), ended()])
    }
    const ended = async (): Promise<never> => {
      await closed
      throw new Error(`it ended:\n${text}`)
    }
    return { child, closed, output, text: () => text }
  }

  const run = async (args: readonly string[], env: NodeJS.ProcessEnv = {}) => {
    const { closed, text } = begin(args, env)
    return { code: (await closed)[0], text: text() }
  }

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`that waits for a store ends at ${signal} within 2 seconds, a command too, and says for what it waits`, async () => {
      const port = await freePort()
      const env = {
        EVENTSTORE_URL: `esdb://admin:word@127.0.0.1:${port}?tls=false`,
        DATABASE_URL: `postgres://u:word@127.0.0.1:${port}/x`,
      }
      const cases = [
        { args: ['serve'], code: 0 },
        { args: ['users', 'grant', 'ada@example.org', 'staff'], code: 130 },
      ]
      await Promise.all(
        cases.map(async ({ args, code }) => {
          const { child, closed, output, text } = begin(args, env)
          await output(new RegExp(`event store at 127.0.0.1:${port} \\(EVENTSTORE_URL\\) does not answer yet`))
          await output(new RegExp(`Postgres at 127.0.0.1:${port} \\(DATABASE_URL\\) does not answer yet`))
          const began = performance.now()
          child.kill(signal)
          expect((await closed)[0]).to.equal(code)
          expect(performance.now() - began).to.be.below(2_000)
          expect(text()).to.not.contain('word')
        }),
      )
    })
  }

  it('that finds no room on its disk names the folder, its setting and what to do', async () => {
    const node = await startEventStore()
    const data = join(folder, 'no-room')
    // What a file may have of the disk, here half a megabyte, is what all of them may have where it is full.
    const limited = 'trap "" XFSZ; ulimit -f 1000; exec "$0" "$@"'
    const cli = fileURLToPath(new URL('../../dist/cli/index.js', import.meta.url))
    const env = { TILLROLL_DATA: data, PORT: '0', HTTP_WORKERS: '0' }
    const child = spawnEmbedded('/bin/sh', ['-c', limited, process.execPath, cli, 'serve'], { ...env, EVENTSTORE_URL: node.url })
    let text = ''
    for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (chunk) => (text += chunk))
    const [code] = await once(child, 'close')
    await node.stop()
    expect(code).to.equal(1)
    expect(text).to.match(
      /^tillroll: TILLROLL_DATA: .*no-room has no room left \(.*File too large.*\): make space, or choose another folder$/m,
    )
    expect(text).to.not.contain('--pwfile')
  })

  it('that waits for a store that takes connections and says nothing ends at a signal too', async () => {
    const silent = createServer().listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const { port } = silent.address() as { port: number }
    const env = { EVENTSTORE_URL: `esdb://127.0.0.1:${port}?tls=false`, DATABASE_URL: `postgres://127.0.0.1:${port}/x` }
    const connected = once(silent, 'connection')
    const { child, closed } = begin(['serve'], env)
    await connected
    const began = performance.now()
    child.kill('SIGTERM')
    expect((await closed)[0]).to.equal(0)
    expect(performance.now() - began).to.be.below(2_000)
    silent.close()
  })

  it('that finds a store which is not ready yet waits for it, and says so', async () => {
    const [node, database] = [await startStrictEventStore({ notReady: true }), await createDatabase()]
    const { child, closed, output } = begin(['serve'], { EVENTSTORE_URL: node.url, DATABASE_URL: database.url })
    await output(/event store at 127.0.0.1:\d+ \(EVENTSTORE_URL\) does not answer yet: .*Server Is Not Ready/)
    node.behaviour.notReady = false
    await output(/The shop is open|"listening"|http:\/\/127.0.0.1:\d+/)
    child.kill('SIGTERM')
    expect((await closed)[0]).to.equal(0)
    await node.stop()
    await database.drop()
  }).timeout(30_000)

  describe('that the event store will never serve ends at once, and says what to do', () => {
    const fixture = (name: string): string => fileURLToPath(new URL(`../eventstore/fixtures/${name}`, import.meta.url))
    const ca = fixture('cert.pem')
    let secure: TestEventStore
    let plain: TestEventStore
    let database: TestDatabase
    before(async () => {
      secure = await startEventStore({
        tls: { cert: await readFile(ca), key: await readFile(fixture('key.pem')) },
        passwords: { admin: 'right', ops: 'other' },
      })
      plain = await startEventStore()
      database = await createDatabase()
    })
    after(async () => {
      await Promise.all([secure.stop(), plain.stop()])
      await database.drop()
    })
    const cases = [
      [
        'a wrong password',
        () => `admin:secret-word@localhost:${secure.port}?tls=true&tlsCAFile=${ca}`,
        /refuses the user or the password/,
      ],
      [
        'no user',
        () => `localhost:${secure.port}?tls=true&tlsCAFile=${ca}`,
        /denies access.*user:password.*grants the right.*\$acl/,
      ],
      [
        'a certificate of an unknown authority',
        () => `admin:secret-word@localhost:${secure.port}?tls=true`,
        /not trusted.*tlsCAFile=/,
      ],
      [
        'a certificate of an unknown authority, where the leader is looked for',
        () => `admin:secret-word@localhost:${secure.port},localhost:${plain.port}?tls=true`,
        /not trusted.*tlsCAFile=/,
      ],
      ['a plain connection to TLS', () => `localhost:${secure.port}?tls=false`, /perhaps tls=false in the address is wrong/],
      ['TLS to a plain port', () => `localhost:${plain.port}?tls=true`, /perhaps tls=false is missing/],
    ] as const
    for (const [what, address, told] of cases) {
      it(`for ${what}`, async () => {
        const env = { EVENTSTORE_URL: `esdb://${address()}`, DATABASE_URL: database.url }
        const began = performance.now()
        const { code, text } = await run(['serve'], env)
        expect(code, text).to.equal(1)
        expect(performance.now() - began).to.be.below(15_000)
        expect(text)
          .to.match(/^tillroll: the event store at localhost:[\d,a-z:]+ \(EVENTSTORE_URL\) can't be used: .*\n$/)
          .and.match(told)
          .and.not.contain('secret-word')
      }).timeout(20_000)
    }
  })

  it('that is ended while the embedded parts come up leaves none of them behind', async () => {
    const data = join(folder, 'ended')
    const { child, closed } = begin(['serve'], { TILLROLL_DATA: data })
    while (!processes().some(({ command }) => command.includes(data))) await new Promise((resolve) => setTimeout(resolve, 10))
    child.kill('SIGTERM')
    expect((await closed)[0]).to.equal(0)
    while (processes().some(({ command }) => command.includes(data))) await new Promise((resolve) => setTimeout(resolve, 10))
  })

  it('on a data folder that can not be is refused at once, by the name of the setting', async () => {
    const file = join(folder, 'file')
    await writeFile(file, '')
    const results = await Promise.all(
      ['/proc/tillroll', file, join(file, 'below')].map(async (data) => ({
        data,
        ...(await run(['serve'], { TILLROLL_DATA: data })),
      })),
    )
    for (const { data, code, text } of results) {
      expect(code).to.equal(1)
      expect(text)
        .to.match(/^tillroll: TILLROLL_DATA: .*: choose another folder\n$/)
        .and.contain(data)
    }
  })

  it('with settings of Kafka that can not be is refused before anything is started', async () => {
    const data = join(folder, 'kafka')
    const { code, text } = await run(['serve'], { TILLROLL_DATA: data, KAFKA_BROKERS: 'a:1', KAFKA_CA: '/not/there.pem' })
    expect(code).to.equal(1)
    expect(text).to.match(/^tillroll: KAFKA_CA: .*\n$/)
  })

  it('with an address of the event store that can not be is refused at once, without the password', async () => {
    const { code, text } = await run(['serve'], { EVENTSTORE_URL: 'esdb://admin:secret-word@localhost:2113?tsl=false' })
    expect(code).to.equal(1)
    expect(text)
      .to.match(/^tillroll: EVENTSTORE_URL: "tsl" is no option of an address.*\n$/)
      .and.not.contain('secret-word')
  })

  it('without a word shows what there is, and so do the roles', async () => {
    const [bare, grant] = await Promise.all([run([]), run(['users', 'grant', '--help'])])
    expect(bare.code).to.equal(0)
    expect(bare.text)
      .to.match(/^Usage: tillroll/)
      .and.contain('projections')
    expect(grant.text).to.match(/customer.*analyst.*staff/s)
  })
})
