import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createSinks } from '../../../src/bridge/backend.js'
import { createGenerations } from '../../../src/bridge/engine/generations.js'
import { kafkaClient, readKafkaSettings } from '../../../src/bridge/kafka/settings.js'
import { spawnEventStore } from '../../../src/embedded/eventstore/spawn.js'
import { startPostgres } from '../../../src/embedded/postgres/server.js'
import { connectStore } from '../../../src/eventstore/client.js'
import { type NewEvent, noStream, type Store, StoreUnavailable } from '../../../src/eventstore/store.js'
import { connectDatabase, migrate } from '../../../src/platform/database.js'
import { readTopic } from '../../bridge/support/kafka.js'
import { expectedOf, lifeOf, newEvent, newOrderId } from '../../bridge/support/orders.js'
import { differences, postgresTopics } from '../../bridge/support/topics.js'
import { until } from '../../support/until.js'
import type { Said, Setup } from './worker.js'

export type Worker = {
  readonly child: ChildProcess
  readonly said: () => Said
  readonly pid: number
  /** Resolves when the process is gone. */
  readonly kill: () => Promise<void>
}

export type Rig = Awaited<ReturnType<typeof createRig>>

export type RigOptions = {
  readonly kafkaBrokers: readonly string[] | undefined
  /** Default 300. */
  readonly leaseTtl?: number
  /** What the bridge is told instead of the true addresses: a proxy's. */
  readonly through?: (urls: Pick<Setup, 'databaseUrl' | 'kafkaBrokers'>) => Promise<Partial<Setup>>
}

/** Event store, Postgres and topic; a load of orders; bridges that can be killed; and the look at what came of it. */
export const createRig = async ({ kafkaBrokers, leaseTtl = 300, through }: RigOptions) => {
  const folder = await mkdtemp(join(tmpdir(), 'tillroll-bridge-faults-'))
  let node = await spawnEventStore({ folder: join(folder, 'eventstore') })
  const postgres = await startPostgres({ folder: join(folder, 'postgres'), settings: { fsync: 'off' } })
  await migrate(postgres.url)
  const database = connectDatabase(postgres.url)
  const store = connectStore(node.url)
  const topic = `faults-${process.pid}-${Date.now()}`
  const sinks = createSinks(database, { kafkaBrokers: kafkaBrokers && [...kafkaBrokers], topicPartitions: 4 })
  await createGenerations(database, sinks.kind).begin(topic, await sinks.prepare(topic))
  const setup: Setup = {
    ...{ eventstoreUrl: node.url, databaseUrl: postgres.url, kafkaBrokers, topic, leaseTtl },
    ...(await through?.({ databaseUrl: postgres.url, kafkaBrokers })),
  }

  const workers = new Set<Worker>()
  let died: string | undefined
  const startWorker = (): Worker => {
    const child = fork(fileURLToPath(new URL('./worker.ts', import.meta.url)), [], {
      env: { ...process.env, BRIDGE_SETUP: JSON.stringify(setup) },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    let said: Said = { state: 'beginning', records: 0, errors: 0, lastError: undefined }
    child.on('message', (message: Said) => {
      said = message
    })
    const exited = once(child, 'exit')
    let killed = false
    exited.then(([code, signal]) => {
      if (!killed) died = `a bridge ended by itself (${code ?? signal})`
    })
    const worker: Worker = {
      child,
      said: () => said,
      pid: child.pid!,
      kill: async () => {
        killed = true
        child.kill('SIGKILL')
        await exited
        workers.delete(worker)
      },
    }
    workers.add(worker)
    return worker
  }

  const seen = async (uncommitted = false) => {
    if (!kafkaBrokers) return postgresTopics.readAll(database, topic)
    return readTopic(kafkaClient(readKafkaSettings(kafkaBrokers, {})), topic, uncommitted)
  }

  /** Waits until everything is published, or nothing has been for a while; and says what is wrong with it. */
  const check = async () => {
    const expected = await expectedOf(store)
    const count = [...expected.values()].flat().length
    let found = await seen()
    let moved = performance.now()
    while (found.length < count && performance.now() - moved < 90_000) {
      await sleep(200)
      const before = found.length
      found = await seen()
      if (found.length > before) moved = performance.now()
    }
    const uncommitted = kafkaBrokers ? (await seen(true)).length - found.length : 0
    const states = [...workers].map(({ pid, said }) => `bridge ${pid}: ${JSON.stringify(said())}`)
    return { wrong: differences(expected, found), records: found.length, uncommitted, states, waited: performance.now() - moved }
  }

  const load = startLoad(store)
  return {
    ...{ store, database, topic, startWorker, load },
    /** One that has the lease and is at work. */
    holder: async (): Promise<Worker> => {
      const at = () => [...workers].find(({ said }) => ['starting', 'running'].includes(said().state))
      await until(() => at() !== undefined, 30_000)
      return at()!
    },
    check,
    workers,
    /** Why, where a bridge is gone that nobody has killed. */
    died: () => died,
    /** The event store is killed, and started again at the same port. */
    restartStore: async () => {
      node.kill()
      await node.exited
      node = await spawnEventStore({ folder: join(folder, 'eventstore'), port: node.port })
    },
    close: async () => {
      await load.stop()
      await Promise.all([...workers].map((worker) => worker.kill()))
      if (kafkaBrokers) await removeTopics(kafkaBrokers, topic)
      await database.close()
      await store.close()
      await postgres.stop()
      await node.stop()
      await rm(folder, { recursive: true })
    },
  }
}

const removeTopics = async (brokers: readonly string[], topic: string): Promise<void> => {
  const admin = kafkaClient(readKafkaSettings(brokers, {})).admin()
  await admin.connect()
  await admin.deleteTopics({ topics: [topic, `${topic}.progress`] })
  await admin.disconnect()
}

/** Orders come and change until it is paused; an append whose answer was lost is repeated, which the store recognises. */
const startLoad = (store: Store) => {
  let paused = false
  let over = false
  let underWay = 0
  const append = async (stream: string, event: NewEvent, at: number): Promise<void> => {
    for (;;) {
      try {
        await store.append(stream, [event], at, 2_000)
        return
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error
        await sleep(50)
      }
    }
  }
  const customer = async (): Promise<void> => {
    while (!over) {
      if (paused) {
        await sleep(5)
        continue
      }
      underWay++
      const order = newOrderId()
      for (const [i, event] of lifeOf(order).entries()) await append(`order-${order}`, newEvent(event), noStream + i)
      underWay--
      await sleep(10)
    }
  }
  const customers = Promise.all(Array.from({ length: 8 }, customer))
  return {
    pause: async () => {
      paused = true
      await until(() => underWay === 0, 30_000)
    },
    go: () => {
      paused = false
    },
    stop: async () => {
      over = true
      await customers
    },
  }
}
