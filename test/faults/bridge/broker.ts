import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const script = fileURLToPath(new URL('../../kafka.sh', import.meta.url))

export type Broker = {
  /** What tests read from. */
  readonly brokers: readonly string[]
  readonly kill: () => Promise<void>
  readonly start: () => Promise<void>
  /** Everything in the topic, by Kafka's own consumer: `committed` or also what was given up. */
  readonly console: (topic: string, isolation: 'committed' | 'uncommitted') => Promise<readonly string[]>
  readonly remove: () => Promise<void>
}

/**
 * A broker of its own, that may be killed. `advertised`: a port (a proxy's) under which clients that come to `listener` are told to find
 * it; those that come to `brokers` aren't.
 */
export const startBroker = async (proxied?: { readonly listener: number; readonly advertised: number }): Promise<Broker> => {
  const folder = await mkdtemp(join(tmpdir(), 'tillroll-broker-'))
  const port = await freePorts()
  const home = join(folder, 'home')
  const options = ['--dir', home, '--port', `${port}`]
  const env = { ...process.env }
  if (proxied) {
    env.KAFKA_EXTRA = join(folder, 'extra.properties')
    const safe = `SAFE://localhost:${port + 2}`
    await writeFile(
      env.KAFKA_EXTRA,
      [
        `listeners=OPEN://127.0.0.1:${port},QUORUM://127.0.0.1:${port + 1},${safe},CUT://127.0.0.1:${proxied.listener}`,
        `advertised.listeners=OPEN://127.0.0.1:${port},${safe},CUT://127.0.0.1:${proxied.advertised}`,
        'listener.security.protocol.map=OPEN:PLAINTEXT,QUORUM:PLAINTEXT,SAFE:SASL_SSL,CUT:PLAINTEXT\n',
      ].join('\n'),
    )
  }
  const start = async () => {
    await run(script, ['start', ...options], { env })
  }
  await start()
  return {
    brokers: [`127.0.0.1:${port}`],
    start,
    kill: async () => {
      await run(script, ['stop', '--kill', ...options], { env })
    },
    console: async (topic, isolation) => {
      const { stdout } = await run(script, ['console', topic, isolation, ...options], { env, maxBuffer: 2 ** 30 })
      return stdout.split('\n').filter((line) => line !== '')
    },
    remove: async () => {
      await run(script, ['clean', ...options], { env })
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** The first of four in a row that are free now. */
const freePorts = async (): Promise<number> => {
  for (;;) {
    const first = await freePort()
    const rest = await Promise.all([1, 2, 3].map((step) => freePort(first + step).catch(() => undefined)))
    if (rest.every((port) => port !== undefined)) return first
  }
}

export const freePort = (wanted = 0): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(wanted, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
