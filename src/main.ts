import { createHmac, createSecretKey } from 'node:crypto'
import type { RequestListener } from 'node:http'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { collectDefaultMetrics, Registry } from 'prom-client'
import { sinksOf, topicOf } from './bridge/backend.js'
import { bridgeMetrics } from './bridge/metrics.js'
import { type BridgeService, createBridgeService } from './bridge/service.js'
import { type Commands, createCommands } from './commands/index.js'
import type { Connections } from './connect.js'
import { createFeed, type Feed } from './eventstore/feed.js'
import { createFollowing, type Following } from './eventstore/follow.js'
import { createAsOf } from './history/as-of.js'
import { orderHistory } from './history/order.js'
import type { Limiter } from './http/pipeline/rate-limits.js'
import type { OwnWrites } from './http/pipeline/read-your-writes.js'
import { createHttp } from './http/server.js'
import { once, sleep, withResolvers } from './platform/async.js'
import type { Config } from './platform/config.js'
import { keepLease } from './platform/lease.js'
import { type Accepting, type Listening, listen } from './platform/listen.js'
import type { Log } from './platform/log.js'
import { bridges, type ProcessRole, projects, servesHttp } from './platform/process-role.js'
import { createOrderRecovery } from './processes/order.js'
import { projections } from './projections/all.js'
import { assertStandsIn, readCheckpoint } from './projections/engine/checkpoint.js'
import { createBatchMetrics, registerStatusMetrics } from './projections/operations/metrics.js'
import { startOver } from './projections/operations/start-over.js'
import { runProjections } from './projections/runner.js'
import { createFreshness, type Freshness } from './queries/engine/freshness.js'
import { createProjectionHealth, type ProjectionHealth } from './queries/engine/health.js'
import { createMemory } from './queries/engine/memory.js'
import { NotReady } from './queries/engine/read.js'
import { createQueries, type Queries } from './queries/index.js'
import { createSessions } from './queries/sessions.js'

export type App = {
  /** `http://host:port`, where the role serves HTTP. */
  readonly address: string | undefined
  readonly config: Config
  readonly connections: Connections
  readonly commands: Commands
  readonly queries: Queries
  /** The metrics of this process. */
  readonly registry: Registry
  /** How the topics are that are written here; `undefined` where none is. */
  readonly bridges: () => readonly object[] | undefined
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
  /** What the commands are told of the whole shop's events. */
  readonly following: Following
  readonly freshness: Freshness
  readonly queries: Queries
  readonly commands: Commands
  readonly registry: Registry
  readonly workers: AmongWorkers
  readonly projectionHealth: () => Promise<ProjectionHealth>
  /** In the roles that write the topic. */
  readonly bridge: BridgeService | undefined
  readonly signal: AbortSignal
  readonly fail: (error: unknown) => void
}

/** What a process that serves HTTP beside others of the same shop has from them. */
export type AmongWorkers = {
  /** Serves HTTP, on connections that are handed over. */
  readonly listen?: (handler: RequestListener) => Accepting
  /** Where users' reads may reach another process than their writes. */
  readonly ownWrites?: OwnWrites
  /** Counts for all of them. */
  readonly limiter?: Limiter
  /** The metrics of all of them, as text. */
  readonly metrics?: () => Promise<string>
  /** How the topics are that another of them writes. */
  readonly bridges?: () => Promise<readonly object[] | undefined>
}

export type StartOptions = {
  /** Closed when the app stops, and where it can't start. */
  readonly connections: Connections
  readonly role: ProcessRole
  readonly log: Log
  readonly workers?: AmongWorkers
  /** Other processes serve the role's HTTP. */
  readonly httpElsewhere?: boolean
  /** Forgets the read models first: they are built anew from the event store that there is. */
  readonly startOver?: boolean
}

/** The whole shop, or a role of it. Throws what prevents the start, with everything stopped that was started. */
export const startApp = async (config: Config, options: StartOptions): Promise<App> => {
  const { connections, role, log, workers = {}, httpElsewhere = false, startOver: anew = false } = options
  const closers: (() => Promise<void>)[] = [connections.close]
  const stop = once(() => closeAll(closers, log))
  try {
    if (anew) await startOverWith(connections)
    await assertSameStore(connections)
    const ending = new AbortController()
    const { promise: failed, resolve: fail } = withResolvers<unknown>()
    const running = {
      ...connections,
      ...shared(config, options, closers),
      config,
      log,
      workers,
      signal: ending.signal,
      fail,
    }

    const background = backgroundOf(role).map((part) => part(running).catch(fail))
    closers.push(async () => {
      ending.abort()
      await Promise.all(background)
    })
    const address = servesHttp(role) && !httpElsewhere ? await serveHttp(running, closers) : undefined
    const { commands, queries, registry } = running
    return { address, config, connections, commands, queries, registry, bridges: () => bridgesOf(running), failed, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

const startOverWith = async ({ database }: Connections): Promise<void> => {
  const client = await database.pool.connect()
  try {
    await startOver(client, projections)
  } finally {
    client.release()
  }
}

/** Nothing is answered from read models of another store, or of a state that the store was put back from. Throws `WrongStore`. */
const assertSameStore = async ({ database, store, storeId }: Connections): Promise<void> => {
  const checkpoint = await readCheckpoint(database.pool)
  if (checkpoint) await assertStandsIn(store, storeId, checkpoint)
}

const shared = (config: Config, { role, connections, log, workers = {} }: StartOptions, closers: (() => Promise<void>)[]) => {
  const { store, database, secrets } = connections
  const feed = createFeed({ store, log })
  closers.push(feed.close)
  const freshness = createFreshness({ database, log })
  closers.push(freshness.close)
  const { health: projectionHealth, close } = createProjectionHealth({ database, feed, freshness, projections })
  closers.push(async () => close())
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  if (!workers.metrics) registerStatusMetrics(registry, { client: database.pool, store, projections })
  const bridge = bridges(role) ? bridgeOf(config, connections, feed, log, closers) : undefined
  if (bridge) bridgeMetrics(registry, bridge)
  const following = createFollowing(feed)
  const commands = createCommands(
    store,
    { ...config, ...secrets },
    {
      isCurrent: following.isCurrent,
      onError: (error, what) => log.warn({ err: error }, what),
    },
  )
  return { feed, following, freshness, queries: createQueries(database), commands, registry, projectionHealth, bridge }
}

const bridgeOf = (
  config: Config,
  connections: Connections,
  feed: Feed,
  log: Log,
  closers: (() => Promise<void>)[],
): BridgeService => {
  const sinks = sinksOf(connections.database, config)
  closers.push(sinks.close)
  return createBridgeService({ ...connections, feed, sinks, holder, leaseTtl: config.leaseTtl, log })
}

const backgroundOf = (role: ProcessRole): ((running: Running) => Promise<void>)[] => [
  ...(projects(role) ? [project, recover] : []),
  async ({ bridge, signal }) => bridge?.run(signal),
]

const holder = `${hostname()} (pid ${process.pid})`

const project = ({ config, freshness, registry, ...running }: Running): Promise<void> => {
  const observers = { onPosition: freshness.note, onBatch: createBatchMetrics(registry) }
  return runProjections({ ...running, projections, holder, leaseTtl: config.leaseTtl, ...observers })
}

/** More than a crash of a busy shop leaves behind: what is not looked at is not watched. */
const recoveredAtOnce = 10_000

const recover = async ({ config, database, log, queries, commands, signal }: Running): Promise<void> => {
  const recovery = createOrderRecovery({
    ...commands,
    unsettledOrders: async () =>
      (await queries.unsettledOrders(recoveredAtOnce)).value.map(({ orderId, revision }) => ({ id: orderId, mark: revision })),
    // A cart may be filled on while its checkout stands still.
    outstandingCheckouts: async () =>
      (await queries.outstandingCheckouts(recoveredAtOnce)).value.map(({ userId, orderId }) => ({ id: userId, mark: orderId })),
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

const serveHttp = async (running: Running, closers: (() => Promise<void>)[]): Promise<string | undefined> => {
  const { config, store, database, secrets, feed, queries, workers, registry, fail } = running
  const sessions = await createSessions({ load: queries.sessions, feed, onFailure: fail })
  closers.push(sessions.close)
  const memory = await createMemory({ database, feed, categories: ['cart', 'product'], onFailure: fail })
  closers.push(memory.close)
  void running.following.run(store, running.signal, running.commands.onEvents).catch(fail)
  const topic = topicOf(database, config)
  closers.push(topic.close)
  const streams = new AbortController()
  const source = { store, storeId: running.storeId, folder: join(config.data, 'history') }
  const http = createHttp({
    ...running,
    sessions,
    remember: memory.remember,
    secrets: {
      jwt: secrets.jwtSecrets.map((secret) => createSecretKey(Buffer.from(secret, 'utf8'))),
      idempotency: createHmac('sha256', secrets.emailKey).update('idempotency').digest(),
    },
    history: {
      orderHistory: orderHistory(store),
      asOf: createAsOf(source),
      source,
      head: () => feed.head()?.commit,
    },
    topic,
    health: () => health(running),
    metrics: workers.metrics ?? (() => registry.metrics()),
    ...(workers.ownWrites && { ownWrites: workers.ownWrites }),
    ...(workers.limiter && { limiter: workers.limiter }),
    ending: streams.signal,
  })
  await readModelsThere(running)
  const listening: Accepting | Listening = await (workers.listen ?? listen)(http.callback(), config.host, config.port)
  const { drain } = listening
  closers.push(() => {
    streams.abort()
    return drain(config.commandDeadline)
  })
  return 'address' in listening ? listening.address : undefined
}

/** Long enough for the tables of a new shop; where a large history must be folded first, the answer until then is 503. */
const patience = 3_000

const readModelsThere = async ({ projectionHealth }: Running): Promise<void> => {
  for (const began = performance.now(); performance.now() - began < patience; await sleep(10)) {
    if ((await projectionHealth()).building.length === 0) return
  }
}

/** A bridge that has stopped is shown, but the shop can serve without it. */
const health = async (running: Running) => {
  const { feed, projectionHealth, workers } = running
  const projections = await projectionHealth().catch(() => undefined)
  const eventstore = feed.healthy(5_000)
  const bridges = workers.bridges ? await workers.bridges() : bridgesOf(running)
  const parts = { eventstore, postgres: projections !== undefined, projections, bridges }
  return { ready: eventstore && projections?.ready === true, parts }
}

const bridgesOf = ({ bridge }: Running): readonly object[] | undefined =>
  bridge?.status().map(({ position, head, ...status }) => ({
    ...status,
    position: position?.commit.toString(),
    head: head?.commit.toString(),
  }))

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
