import { createHmac, createSecretKey } from 'node:crypto'
import { hostname } from 'node:os'
import { Registry } from 'prom-client'
import { createTopic } from './bridge/reader.js'
import { createBridgeService, postgresSinks, type Sinks } from './bridge/service.js'
import { type Commands, createCommands } from './commands/index.js'
import { type Connections, connect } from './connect.js'
import { createFeed, type Feed } from './eventstore/feed.js'
import { createAsOf } from './history/as-of.js'
import { orderHistory } from './history/orders.js'
import { createHttp } from './http/server.js'
import { createSessions } from './http/sessions.js'
import type { Config } from './platform/config.js'
import type { Database } from './platform/database.js'
import { keepLease } from './platform/lease.js'
import { checkPort, listen } from './platform/listen.js'
import type { Log } from './platform/log.js'
import { createOrderRecovery } from './processes/orders.js'
import { projections } from './projections/all.js'
import { runProjections } from './projections/runner.js'
import { createFreshness, type Freshness } from './queries/freshness.js'
import { createQueries, type Queries } from './queries/index.js'
import { NotReady } from './queries/live.js'

export type Role = 'all' | 'api' | 'projections' | 'bridge'

export type App = {
  /** `http://host:port`, where the role serves HTTP. */
  readonly address: string | undefined
  readonly config: Config
  readonly connections: Connections
  readonly commands: Commands
  readonly queries: Queries
  /** Resolves when a part gives up for good, with the reason: the process can't go on. */
  readonly failed: Promise<unknown>
  /** Answers the requests that are under way, then stops everything that was started, in order. */
  readonly stop: () => Promise<void>
}

/** What the parts of a running app share. What is pushed to `closers` is called at the end, the last one first. */
type Running = Connections & {
  readonly config: Config
  readonly log: Log
  readonly feed: Feed
  readonly freshness: Freshness
  readonly queries: Queries
  readonly commands: Commands
  readonly signal: AbortSignal
  readonly fail: (error: unknown) => void
}

/** The whole shop, or a role of it. Throws what prevents the start, with everything stopped that was started. */
export const startApp = async (config: Config, { role, log }: { role: Role; log: Log }): Promise<App> => {
  const closers: (() => Promise<void>)[] = []
  const stop = once(() => closeAll(closers, log))
  try {
    const serves = role === 'all' || role === 'api'
    if (serves) await checkPort(config.host, config.port)
    const connections = await connect(config, { join: role !== 'all', log })
    closers.push(connections.close)
    const ending = new AbortController()
    const { promise: failed, resolve: fail } = withResolvers<unknown>()
    const running = { ...connections, ...shared(config, connections, log, closers), config, log, signal: ending.signal, fail }

    const background = backgroundOf(role).map((part) => part(running).catch(fail))
    closers.push(async () => {
      ending.abort()
      await Promise.all(background)
    })
    const address = serves ? await serveHttp(running, closers) : undefined
    return { address, config, connections, commands: running.commands, queries: running.queries, failed, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

const shared = (config: Config, { store, database, secrets }: Connections, log: Log, closers: (() => Promise<void>)[]) => {
  const feed = createFeed({ store, log })
  closers.push(feed.close)
  const freshness = createFreshness({ database, log })
  closers.push(freshness.close)
  return { feed, freshness, queries: createQueries(database), commands: createCommands(store, { ...config, ...secrets }) }
}

const backgroundOf = (role: Role): ((running: Running) => Promise<void>)[] => [
  ...(role === 'all' || role === 'projections' ? [project, recover] : []),
  ...(role === 'all' || role === 'bridge' ? [bridge] : []),
]

const holder = `${hostname()} (pid ${process.pid})`

const project = ({ config, freshness, ...running }: Running): Promise<void> =>
  runProjections({ ...running, projections, holder, leaseTtl: config.leaseTtl, onPosition: freshness.note })

const recover = async ({ config, database, log, queries, commands, signal }: Running): Promise<void> => {
  const recovery = createOrderRecovery({
    ...commands,
    unsettledOrders: async () =>
      (await queries.unsettledOrders(100)).value.map(({ orderId, revision }) => ({ id: orderId, revision })),
    outstandingCheckouts: async () =>
      (await queries.outstandingCheckouts(100)).value.map(({ userId, revision }) => ({ id: userId, revision })),
    delay: config.recoveryDelay,
    deadline: config.commandDeadline,
    // Until the read models are there, it is nothing to worry about that they can't be read.
    onError: (error, what) =>
      log[error instanceof NotReady ? 'debug' : 'warn']({ err: error, what }, `${what}: recovery failed, and is tried again`),
  })
  await keepLease({
    database,
    name: 'processes',
    holder,
    ttl: config.leaseTtl,
    signal,
    onError: (error) => log.warn({ err: error }, 'the lease of the processes could not be asked for'),
    onAcquired: (lease) => recovery.run(lease.signal),
  })
}

const bridge = async ({ config, signal, ...running }: Running): Promise<void> => {
  const sinks = sinksOf(config, running.database)
  const service = createBridgeService({ ...running, sinks, holder, leaseTtl: config.leaseTtl })
  try {
    await service.run(signal)
  } finally {
    await sinks.close()
  }
}

const sinksOf = ({ kafkaBrokers, topicPartitions }: Config, database: Database): Sinks => {
  if (kafkaBrokers) throw new Error('KAFKA_BROKERS is set, but this release writes the topic into Postgres only')
  return postgresSinks(database, topicPartitions)
}

const serveHttp = async (running: Running, closers: (() => Promise<void>)[]): Promise<string> => {
  const { config, log, store, database, secrets, feed, queries, fail } = running
  const sessions = await createSessions({ load: queries.sessions, feed, onFailure: fail })
  closers.push(sessions.close)
  const topic = createTopic(database)
  closers.push(topic.close)
  const streams = new AbortController()
  const http = createHttp({
    ...running,
    sessions,
    secrets: {
      jwt: secrets.jwtSecrets.map((secret) => createSecretKey(Buffer.from(secret, 'utf8'))),
      idempotency: createHmac('sha256', secrets.emailKey).update('idempotency').digest(),
    },
    history: { orderHistory: orderHistory(store), asOf: createAsOf(store) },
    topic,
    health: () => health(running),
    registry: new Registry(),
    ending: streams.signal,
  })
  const { address, drain } = await listen(http.callback(), config.host, config.port)
  closers.push(() => {
    streams.abort()
    return drain(config.commandDeadline)
  })
  log.info({ part: 'HTTP', address }, `HTTP is up at ${address}`)
  return address
}

const health = async ({ feed, database }: Running) => {
  const postgres = await database.pool.query('select 1').then(
    () => true,
    () => false,
  )
  const eventstore = feed.healthy(5_000)
  return { ready: postgres && eventstore, parts: { eventstore, postgres } }
}

/** All of them, whatever becomes of one. Throws the first error in the end. */
const closeAll = async (closers: readonly (() => Promise<void>)[], log: Log): Promise<void> => {
  const errors: unknown[] = []
  for (const close of [...closers].reverse()) {
    try {
      await close()
    } catch (error) {
      log.error({ err: error }, 'a part could not be stopped in order')
      errors.push(error)
    }
  }
  if (errors.length > 0) throw errors[0]
}

const once = <T>(work: () => T): (() => T) => {
  let result: { readonly value: T } | undefined
  return () => {
    result ??= { value: work() }
    return result.value
  }
}

const withResolvers = <T>() => {
  let resolve!: (value: T) => void
  const promise = new Promise<T>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}
