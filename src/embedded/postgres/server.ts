import { type ChildProcess, type ExecFileException, execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, readFile, readlink, rename, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { sleep } from '../../platform/async.js'
import { codeOf } from '../../platform/errors.js'
import { syncFolder, writeWhole } from '../../platform/files.js'
import { holdLock } from '../../platform/folder-lock.js'
import { clusterOf, environment, type Home, type HomeOptions, homeOf, lend, makeFolder } from './home.js'

const run = promisify(execFile)

export type Exit = { readonly code: number | null; readonly signal: NodeJS.Signals | null }

export type Postgres = {
  /** `postgres://...`, with the password. */
  readonly url: string
  readonly port: number
  readonly pid: number
  /** Resolves when the server is gone, for whatever reason. */
  readonly exited: Promise<Exit>
  /** Ends what its clients are doing, writes a checkpoint, and waits until it is gone. */
  readonly stop: () => Promise<void>
  /** SIGKILL. The next start recovers. */
  readonly kill: () => void
}

export type PostgresOptions = {
  /** Holds the cluster, its password, and a pointer to the cluster where it had to go elsewhere. */
  readonly folder: string
  /** On 127.0.0.1; left out: any that is free. */
  readonly port?: number
  /** What people should know about how it was started. */
  readonly log?: (line: string) => void
  /** The server's own log, line by line. */
  readonly onOutput?: (line: string) => void
  /** Settings of the server beyond ours. */
  readonly settings?: Readonly<Record<string, string>>
} & Omit<HomeOptions, 'log'>

const user = 'tillroll'

// Nothing acknowledged is lost: fsync, full_page_writes and synchronous_commit stay on. The rest is for a small shop on a small machine.
// Without replicas the log may be minimal, and then a table that is filled in the transaction that made it isn't written twice.
const settings = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '100',
  shared_buffers: '64MB',
  max_wal_size: '512MB',
  wal_level: 'minimal',
  max_wal_senders: '0',
  io_method: 'sync',
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_min_messages: 'log',
  log_checkpoints: 'off',
}

/**
 * Starts the folder's PostgreSQL, made on the first start, and resolves when it accepts connections. It ends with this process, however
 * that ends. Throws `FolderInUse` where another process runs it, else an error with the server's last words.
 */
export const startPostgres = async (options: PostgresOptions): Promise<Postgres> => {
  const { folder, log = () => undefined } = options
  await mkdir(folder, { recursive: true, mode: 0o711 })
  const lock = await holdLock(folder)
  try {
    await stopLeftOver(await clusterOf(folder), log)
    const home = await homeOf(folder, { ...options, log })
    const password = await readPassword(folder)
    await initialise(home, password)
    const server = await startOnFreePort(home, options)
    const exited = server.exited.finally(() => lock.release())
    const stop = async () => {
      await server.stop()
      await exited
    }
    return { ...server, exited, stop, url: `postgres://${user}:${password}@127.0.0.1:${server.port}/postgres` }
  } catch (error) {
    await lock.release()
    throw error
  }
}

/** The superuser's password: random, made once. */
const readPassword = async (folder: string): Promise<string> => {
  const path = join(folder, 'password')
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
    const password = randomBytes(24).toString('base64url')
    await writeWhole(path, password, 0o600)
    return password
  }
}

// initdb syncs what it wrote. Under another name first, so that one that was cut short is never taken for a cluster.
const initialise = async ({ cluster, programs, runner }: Home, password: string): Promise<void> => {
  if (await stat(cluster).catch(() => undefined)) return
  const half = `${cluster}.new`
  const secret = `${cluster}.password`
  await makeFolder(half, runner)
  await lend(secret, password, runner)
  const { prefix, ...ids } = runner
  const [file, ...args] = [...prefix, join(programs, 'bin/initdb'), '-D', half, '-U', user, '--pwfile', secret]
  args.push('--auth=scram-sha-256', '--encoding=UTF8', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C')
  args.push('--data-checksums', '--no-instructions')
  // Given, these need not be tried out: that is a third of the time.
  args.push('-c', `max_connections=${settings.max_connections}`, '-c', `shared_buffers=${settings.shared_buffers}`)
  try {
    await run(file!, args, { cwd: '/', env: environment, ...ids })
  } catch (error) {
    throw new Error(`the Postgres cluster can't be made: ${reasonOf(error)}`, { cause: error })
  } finally {
    await rm(secret, { force: true })
  }
  await rename(half, cluster)
  await syncFolder(join(cluster, '..'))
}

/** What a program said went wrong, without its command line; where it said nothing of the kind, its last words. */
const reasonOf = (error: unknown): string => {
  const { stderr = '', message } = error as Partial<ExecFileException> & Error
  const lines = stderr.trim().split('\n')
  return lines.find((line) => /\b(error|fatal|panic)\b/i.test(line)) || lines.at(-1) || message
}

type Server = Omit<Postgres, 'url'>

/** What a server said that ended before it was ready. */
class NotStarted extends Error {
  override readonly name = 'NotStarted'
}

const startOnFreePort = async (home: Home, { port, settings: extra, onOutput }: PostgresOptions): Promise<Server> => {
  // Somebody else can take a free port before the server does. A fixed one, or the memory of a server that was killed, may take a moment to come free.
  for (let attempt = 1; ; attempt++) {
    try {
      return await startServer(home, port ?? (await freePort()), { ...settings, ...extra }, onOutput)
    } catch (error) {
      const passing = error instanceof NotStarted && /could not bind|shared memory block .* still in use/.test(error.message)
      if (!passing || attempt === 50) throw error
      await sleep(100)
    }
  }
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })

// The shell becomes the server. Before that it leaves a watcher behind, whose input is a pipe from this process: it ends when this process
// does, however it ends, and then the watcher stops the server, unless it was told that the server is done. The watcher is an orphan (the
// outer parentheses), for the server restarts itself when a child that it doesn't know dies badly.
const keeper = `
exec 3<&0 </dev/null
( { read -r word <&3; [ "$word" = done ] || kill -INT $$; } >/dev/null 2>&1 & )
exec 3<&-
exec "$@"`

const startServer = (
  { cluster, programs, runner: { prefix, ...ids } }: Home,
  port: number,
  values: Record<string, string>,
  onOutput: (line: string) => void = () => undefined,
): Promise<Server> => {
  const command = [...prefix, join(programs, 'bin/postgres'), '-D', cluster, '-p', `${port}`]
  for (const [name, value] of Object.entries(values)) command.push('-c', `${name}=${value}`)
  // In a session of its own: an interrupt from the terminal is for us, who stop the server when its clients are done.
  const child = spawn('/bin/sh', ['-c', keeper, 'tillroll-postgres', ...command], {
    cwd: '/',
    env: environment,
    detached: true,
    stdio: ['pipe', 'ignore', 'pipe'],
    ...ids,
  })
  // The watcher may be gone before us.
  child.stdin.on('error', () => child.stdin.destroy())
  const exited = exitOf(child)
  void exited.then(() => child.stdin.end('done\n'))
  const server = { port, pid: child.pid!, exited, stop: () => stop(child, exited), kill: () => void child.kill('SIGKILL') }

  return new Promise((resolve, reject) => {
    const words: string[] = []
    createInterface({ input: child.stderr }).on('line', (line) => {
      onOutput(line)
      words.push(line)
      if (words.length > 20) words.shift()
      if (line.includes('ready to accept connections')) resolve(server)
    })
    child.once('error', reject)
    child.once('close', () => reject(new NotStarted(`Postgres did not start:\n${words.join('\n')}`)))
  })
}

const exitOf = (child: ChildProcess): Promise<Exit> =>
  new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }))
    child.once('error', () => resolve({ code: null, signal: null }))
  })

const stop = async (child: ChildProcess, exited: Promise<Exit>): Promise<void> => {
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
    if (child.exitCode !== null || child.signalCode !== null) break
    child.kill(signal)
    if (await Promise.race([exited.then(() => true), sleep(10_000, undefined, { ref: false }).then(() => false)])) break
  }
  await exited
}

/** Stops a server that outlived its owner. That there is no owner any more is known from the lock on the folder. */
const stopLeftOver = async (cluster: string, log: (line: string) => void): Promise<void> => {
  const path = join(cluster, 'postmaster.pid')
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    throw error
  })
  const pid = Number(text.split('\n')[0])
  if (!text || !isAlive(pid)) return
  if (!(await isServerOf(pid, cluster))) {
    // The number was given to another process since. The server would refuse to start beside it, but not beside its own parent.
    await writeFile(path, text.replace(/^.*/, `${process.pid}`))
    return
  }
  log(`stops a server (pid ${pid}) that was left behind`)
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
    if (!(await isServerOf(pid, cluster))) return
    process.kill(pid, signal)
    for (let waited = 0; waited < 5_000 && (await isServerOf(pid, cluster)); waited += 20) await sleep(20)
  }
}

const isAlive = (pid: number): boolean => {
  try {
    return pid > 0 && process.kill(pid, 0)
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
}

const isServerOf = async (pid: number, cluster: string): Promise<boolean> => {
  if (process.platform !== 'linux') {
    const { stdout } = await run('ps', ['-o', 'command=', '-p', `${pid}`])
    return stdout.includes('postgres') && stdout.includes(cluster)
  }
  const program = await readlink(`/proc/${pid}/exe`).catch(() => '')
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  return /\/postgres( \(deleted\))?$/.test(program) && command.split('\0').includes(cluster)
}
