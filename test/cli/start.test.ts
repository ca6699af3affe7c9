import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { freePort, processes, spawnCli } from '../support/spawn-shop.js'

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

  it('without a word shows what there is, and so do the roles', async () => {
    const [bare, grant] = await Promise.all([run([]), run(['users', 'grant', '--help'])])
    expect(bare.code).to.equal(0)
    expect(bare.text)
      .to.match(/^Usage: tillroll/)
      .and.contain('projections')
    expect(grant.text).to.match(/customer.*analyst.*staff/s)
  })
})
