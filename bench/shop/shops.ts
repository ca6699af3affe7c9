import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { openSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { createServer } from 'node:net'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import pg from 'pg'
import { type Postgres, startPostgres } from '../../src/embedded/postgres/server.js'

/** A shop's processes, started as its users start it. */
export type Shop = {
  readonly port: number
  /** Its processes are these and all that come from them. */
  readonly pids: readonly number[]
  readonly makeStaff: (email: string) => Promise<void>
  /** Stops, and starts again as it is by default; meanwhile passwords are hashed at another cost. */
  readonly again: () => Promise<Shop>
  readonly stop: () => Promise<void>
}

const root = fileURLToPath(new URL('../..', import.meta.url))
const run = promisify(execFile)

export type OurOptions = {
  readonly folder: string
  /** bcrypt's; left out: the shop's default. */
  readonly cost?: number
  readonly port?: number
  /** Options of Node for the app's processes. */
  readonly node?: readonly string[]
}

/** Ours, as `npm start` starts it: on embedded parts, each request with its line in the log; no limit on requests. */
export const startOurs = async ({ folder, cost, port = 0, node = [] }: OurOptions): Promise<Shop> => {
  await mkdir(folder, { recursive: true })
  const at = port || (await freePort())
  const settings = { TILLROLL_DATA: join(folder, 'data'), RATE_LIMIT: '0', LOGIN_RATE_LIMIT: '0', LOG_LEVEL: 'info' }
  const env = { ...bare(), ...settings, PORT: `${at}`, ...(cost !== undefined && { BCRYPT_COST: `${cost}` }) }
  const program = [...node, join(root, 'dist/cli/index.js')]
  const child = start([...program, 'serve'], env, join(folder, 'log'))
  await answers(`http://127.0.0.1:${at}/health/ready`, child, join(folder, 'log'))
  const stop = () => ended(child)
  return {
    port: at,
    pids: [child.pid!],
    stop,
    makeStaff: async (email) => {
      await run(process.execPath, [...program, 'users', 'grant', email, 'staff'], { env })
    },
    again: async () => {
      await stop()
      return startOurs({ folder, port: at, node })
    },
  }
}

export type BaselineOptions = {
  readonly folder: string
  readonly cost?: number
  /** Processes, and connections to Postgres of each. */
  readonly workers?: number | undefined
  readonly pool?: number | undefined
  readonly postgres?: Postgres
  readonly port?: number
  readonly secret?: string
}

// What was fastest of 1 to 3 processes and 4 to 32 connections, on two cores.
const connections = 16

/** The shop without events, beside a Postgres of the same kind and with the same promises, which has more memory than ours. */
export const startBaseline = async (options: BaselineOptions): Promise<Shop> => {
  const { folder, cost, workers = availableParallelism(), pool = connections, secret = randomBytes(32).toString('hex') } = options
  await mkdir(folder, { recursive: true })
  const settings = { shared_buffers: '256MB', max_wal_size: '2GB' }
  const postgres = options.postgres ?? (await startPostgres({ folder: join(folder, 'postgres'), settings }))
  const port = options.port ?? (await freePort())
  const env = {
    ...bare(),
    DATABASE_URL: postgres.url,
    PORT: `${port}`,
    JWT_SECRET: secret,
    WORKERS: `${workers}`,
    POOL: `${pool}`,
  }
  const child = start(
    [join(root, 'dist/bench/baseline/index.js')],
    { ...env, ...(cost && { BCRYPT_COST: `${cost}` }) },
    join(folder, 'log'),
  )
  await answers(`http://127.0.0.1:${port}/products`, child, join(folder, 'log'))
  return {
    port,
    pids: [child.pid!, postgres.pid],
    makeStaff: (email) => makeStaff(postgres.url, email),
    again: async () => {
      await ended(child)
      return startBaseline({ folder, workers, pool, postgres, port, secret })
    },
    stop: async () => {
      await ended(child)
      await postgres.stop()
    },
  }
}

const makeStaff = async (connectionString: string, email: string): Promise<void> => {
  const client = new pg.Client({ connectionString })
  await client.connect()
  await client.query(`update users set role = 'staff' where email = $1`, [email])
  await client.end()
}

/** An empty route of Koa's. */
export const startFloor = async (folder: string): Promise<Omit<Shop, 'makeStaff' | 'again'>> => {
  await mkdir(folder, { recursive: true })
  const port = await freePort()
  const child = start([join(root, 'dist/bench/shop/floor.js')], { ...bare(), PORT: `${port}` }, join(folder, 'log'))
  await answers(`http://127.0.0.1:${port}/`, child, join(folder, 'log'))
  return { port, pids: [child.pid!], stop: () => ended(child) }
}

/** None of the settings that whoever runs this has for a shop of theirs. */
const bare = (): NodeJS.ProcessEnv => ({ PATH: process.env.PATH, HOME: process.env.HOME, NODE_ENV: 'production' })

const start = (args: readonly string[], env: NodeJS.ProcessEnv, log: string): ChildProcess => {
  const file = openSync(log, 'a')
  return spawn(process.execPath, args, { env, cwd: root, stdio: ['ignore', file, file] })
}

const answers = async (url: string, child: ChildProcess, log: string): Promise<void> => {
  while (child.exitCode === null && child.signalCode === null) {
    if (
      await fetch(url).then(
        (answer) => answer.ok,
        () => false,
      )
    )
      return
    await sleep(50)
  }
  throw new Error(`it did not start; ${log} says why`)
}

const ended = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  await exit
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
