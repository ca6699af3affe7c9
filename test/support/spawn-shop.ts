import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A shop in processes of its own, as `npm start` runs it. */
export type Shop = {
  readonly url: string
  readonly pid: number
  /** All that it has written so far. */
  readonly output: () => string
  readonly exited: Promise<number | null>
  readonly stop: (signal?: NodeJS.Signals) => Promise<number | null>
}

export type ShopOptions = {
  readonly data: string
  readonly port: number
  readonly env?: NodeJS.ProcessEnv
  readonly args?: readonly string[]
  /** Milliseconds until it must be ready. */
  readonly within?: number
}

const project = fileURLToPath(new URL('../..', import.meta.url))

const built = 'TEST_BUILT'

/**
 * What is spawned is what is installed, of today's source: a process that compiles itself takes a second longer to start. Once for all
 * processes of a run, before there are several, or they would write over what another one loads.
 */
export const build = (): void => {
  if (!process.env[built]) execFileSync('npm', ['run', '--silent', 'build'], { cwd: project, stdio: 'inherit' })
  process.env[built] = 'yes'
}

/** Runs the command line, without waiting for anything. */
export const spawnCli = (args: readonly string[], env: NodeJS.ProcessEnv): ChildProcess => {
  build()
  return spawnEmbedded(process.execPath, [join(project, 'dist/cli/index.js'), ...args], env)
}

/** Runs a program on embedded parts, whatever the suite itself was given. */
export const spawnEmbedded = (program: string, args: readonly string[], env: NodeJS.ProcessEnv): ChildProcess => {
  const given = Object.entries(process.env).filter(([name]) => !name.startsWith('KAFKA_'))
  return spawn(program, args, {
    env: { ...Object.fromEntries(given), EVENTSTORE_URL: '', DATABASE_URL: '', BCRYPT_COST: '4', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

/** Resolves when it is ready to serve; rejects with its output when it ends before. */
export const spawnShop = async ({ data, port, env = {}, args = [], within = 60_000 }: ShopOptions): Promise<Shop> =>
  shopOf(spawnCli(['serve', ...args], { TILLROLL_DATA: data, PORT: String(port), ...env }), port, within)

export const shopOf = async (child: ChildProcess, port: number, within = 60_000): Promise<Shop> => {
  let output = ''
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const exited = new Promise<number | null>((resolve) => child.on('exit', (code) => resolve(code)))
  const url = `http://127.0.0.1:${port}`
  let ended = false
  void exited.then(() => {
    ended = true
  })
  for (const began = performance.now(); ; await new Promise((resolve) => setTimeout(resolve, 50))) {
    if (ended) throw new Error(`the shop ended before it was ready:\n${output}`)
    if (await isReady(url)) break
    if (performance.now() - began > within) {
      child.kill('SIGKILL')
      throw new Error(`the shop was not ready within ${within} ms:\n${output}`)
    }
  }
  const stop: Shop['stop'] = (signal = 'SIGTERM') => {
    child.kill(signal)
    return exited
  }
  return { url, pid: child.pid!, output: () => output, exited, stop }
}

const isReady = async (url: string): Promise<boolean> => {
  try {
    return (await fetch(`${url}/health/ready`)).ok
  } catch {
    return false
  }
}

export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })

export type Process = { readonly pid: number; readonly parent: number; readonly command: string }

/** Every process of this machine (Linux). */
export const processes = (): Process[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
        const parent = Number(stat.slice(stat.lastIndexOf(')') + 4).split(' ')[0])
        return [
          { pid: Number(name), parent, command: readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim() },
        ]
      } catch {
        return [] // it has ended meanwhile
      }
    })

/** The process's children, and theirs. */
export const descendantsOf = (pid: number): Process[] => {
  const all = processes()
  const below = (parent: number): Process[] =>
    all.filter((one) => one.parent === parent).flatMap((one) => [one, ...below(one.pid)])
  return below(pid)
}
