import { createHmac, createSecretKey } from 'node:crypto'
import type { RequestListener } from 'node:http'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { collectDefaultMetrics, Registry } from 'prom-client'
import { createSinks, openTopic } from './bridge/backend.js'
import { bridgeMetrics } from './bridge/metrics.js'
import { type BridgeService, createBridgeService } from './bridge/service.js'
import { type Commands, createCommands } from './commands/index.js'
import type { Connections } from './connect.js'
import { createFeed, type Feed } from './eventstore/feed.js'
import { createFollowing, type Following } from './eventstore/follow.js'
import { noticingFull } from './eventstore/full.js'
import { StoreUnavailable } from './eventstore/store.js'
import { createAsOf } from './history/as-of.js'
import { positionsOfRows } from './history/engine/find-time.js'
import { orderHistory } from './history/order.js'
import { createHistoryService } from './history/service/client.js'
import type { Limiter } from './http/pipeline/rate-limits.js'
import type { OwnWrites } from './http/pipeline/read-your-writes.js'
import { createHttp } from './http/server.js'
import { sleep, withResolvers } from './platform/async.js'
import type { Config } from './platform/config.js'
import type { Accepting } from './platform/http-server.js'
import { type Listening, listen } from './platform/listen.js'
import type { Log } from './platform/log.js'
import { bridges, type ProcessRole, projects, servesHttp } from './platform/process-role.js'
import { createScope, type Scope } from './platform/scope.js'
import { runOrderRecovery } from './processes/order.js'
import { projections } from './projections/all.js'
import { assertStandsIn, readCheckpoint } from './projections/engine/checkpoint.js'
import { createBatchMetrics, registerStatusMetrics } from './projections/operations/metrics.js'
import { startOver } from './projections/operations/start-over.js'
import { runProjections } from './projections/runner.js'
import { createFreshness, type Freshness } from './queries/engine/freshness.js'
import { createProjectionHealth, type ProjectionHealth } from './queries/engine/health.js'
import { createMemory } from './queries/engine/memory.js'
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

/** What the parts of a running app share. */
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
  /** Whether the last append of this process was refused for want of space. */
  readonly isStoreFull: () => boolean
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
  const { connections, role, log, httpElsewhere = false, startOver: anew = false } = options
  const scope = createScope(log)
  scope.add(connections)
  try {
    if (anew) await startOverWith(connections)
    await assertSameStore(connections)
    const { promise: failed, resolve: fail } = withResolvers<unknown>()
    const ending = new AbortController()
    const running = parts(config, options, scope, ending.signal, fail)
    const background = backgroundOf(role).map((part) => part(running).catch(fail))
    scope.add({
      close: async () => {
        ending.abort()
        await Promise.all(background)
      },
    })
    const address = servesHttp(role) && !httpElsewhere ? await serveHttp(running, scope) : undefined
    const { commands, queries, registry } = running
    return {
      address,
      config,
      connections,
      commands,
      queries,
      registry,
      bridges: () => running.bridge?.describe(),
      failed,
      stop: scope.close,
    }
  } catch (error) {
    await scope.close()
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

const parts = (
  config: Config,
  { role, connections, log, workers = {} }: StartOptions,
  scope: Scope,
  signal: AbortSignal,
  fail: (error: unknown) => void,
): Running => {
  const { store, database, secrets } = connections
  const feed = scope.add(createFeed({ store, log }))
  const freshness = scope.add(createFreshness({ database, log }))
  const health = scope.add(createProjectionHealth({ database, feed, freshness, projections }))
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  if (!workers.metrics) registerStatusMetrics(registry, { client: database.pool, store, projections })
  const bridge = bridges(role) ? bridgeOf(config, connections, { feed, log, scope }) : undefined
  if (bridge) bridgeMetrics(registry, bridge)
  const following = createFollowing(feed)
  const settings = {
    emailKey: secrets.emailKey,
    bcryptCost: config.bcryptCost,
    claimYoung: config.claimYoung,
    cacheStreams: config.cacheStreams,
  }
  const writing = noticingFull(store)
  const commands = createCommands(writing.store, settings, {
    isCurrent: following.isCurrent,
    onError: (error, what) => log.warn({ err: error }, what),
    isServing: true,
  })
  return {
    ...connections,
    config,
    log,
    feed,
    following,
    freshness,
    queries: createQueries(database),
    commands,
    registry,
    workers,
    projectionHealth: health.health,
    isStoreFull: writing.isFull,
    bridge,
    signal,
    fail,
  }
}

type BridgeParts = { readonly feed: Feed; readonly log: Log; readonly scope: Scope }

const bridgeOf = (config: Config, connections: Connections, { feed, log, scope }: BridgeParts): BridgeService => {
  const { database, store, storeId } = connections
  const sinks = scope.add(createSinks(database, config))
  return createBridgeService({ database, store, storeId, feed, sinks, holder, leaseTtl: config.leaseTtl, log })
}

const backgroundOf = (role: ProcessRole): ((running: Running) => Promise<void>)[] => [
  ...(projects(role) ? [project, recover] : []),
  async ({ bridge, signal }) => bridge?.run(signal),
]

const holder = `${hostname()} (pid ${process.pid})`

const project = ({ config, store, storeId, database, feed, freshness, registry, log, signal }: Running): Promise<void> =>
  runProjections({
    store,
    storeId,
    database,
    feed,
    projections,
    holder,
    leaseTtl: config.leaseTtl,
    onPosition: freshness.note,
    onBatch: createBatchMetrics(registry),
    log,
    signal,
  })

const recover = ({ config, database, queries, commands, log, signal }: Running): Promise<void> =>
  runOrderRecovery({
    database,
    queries,
    orders: commands.orders,
    cart: commands.cart,
    delay: config.recoveryDelay,
    deadline: config.commandDeadline,
    holder,
    leaseTtl: config.leaseTtl,
    log,
    signal,
  })

const serveHttp = async (running: Running, scope: Scope): Promise<string | undefined> => {
  const { config, store, storeId, database, secrets, feed, commands, queries, freshness, workers, registry, log, fail } = running
  const sessions = scope.add(await createSessions({ load: queries.sessions, feed, onFailure: fail }))
  const memory = scope.add(await createMemory({ database, feed, categories: ['cart', 'product'], onFailure: fail }))
  void running.following.run(store, running.signal, commands.onEvents).catch(fail)
  const topic = scope.add(openTopic(database, config))
  const ending = new AbortController()
  const source = { store, storeId, folder: join(config.data, 'history'), somePositions: positionsOfRows(database) }
  const service = scope.add(
    createHistoryService({
      eventstoreUrl: store.url!,
      databaseUrl: database.url,
      storeId,
      folder: source.folder,
      limits: { memory: config.historyMemory, threads: config.historyThreads },
      timeout: config.historyTimeout,
      onWarning: (warning) => log.warn({ part: 'history' }, warning),
    }),
  )
  const http = createHttp({
    config,
    log,
    commands,
    queries,
    freshness,
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
      ask: service.ask,
      head: () => feed.head()?.commit,
    },
    topic,
    health: () => health(running),
    registry,
    metrics: workers.metrics ?? (() => registry.metrics()),
    ...(workers.ownWrites && { ownWrites: workers.ownWrites }),
    ...(workers.limiter && { limiter: workers.limiter }),
    ending: ending.signal,
  })
  await readModelsThere(running)
  const handler = http.callback()
  const listening: Accepting | Listening = workers.listen
    ? workers.listen(handler)
    : await listen(handler, config.host, config.port, { times: config, connections: config })
  scope.add({
    close: () => {
      ending.abort()
      return listening.drain(config.commandDeadline)
    },
  })
  return 'address' in listening ? listening.address : undefined
}

/** Milliseconds. Long enough for the tables of a new shop; where a large history must be folded first, the answer until then is 503. */
const waitForTables = 3_000

const readModelsThere = async ({ projectionHealth }: Running): Promise<void> => {
  for (const began = performance.now(); performance.now() - began < waitForTables; await sleep(10)) {
    if ((await projectionHealth()).building.length === 0) return
  }
}

/** Milliseconds: a store that has not answered for longer would not take a command, and one that is behind for longer not show its events. */
const silentAtMost = 1_500
const behindAtMost = 5_000

/** A bridge that has stopped is shown, but the shop can serve without it. */
const health = async ({ feed, projectionHealth, isStoreFull, workers, bridge }: Running) => {
  const projections = await projectionHealth().catch(() => undefined)
  const problem = feed.problem()
  const eventstore = problem === undefined && feed.unansweredFor() <= silentAtMost && feed.healthy(behindAtMost)
  const bridges = workers.bridges ? await workers.bridges() : bridge?.describe()
  const missing = problem?.missing && { eventstoreMissing: problem.missing }
  // Reads go on, so it is ready all the same.
  const full = isStoreFull() && { diskFull: new StoreUnavailable('', { full: true }).outside }
  const parts = { eventstore, ...missing, ...full, postgres: projections !== undefined, projections, bridges }
  return { ready: eventstore && projections?.ready === true, parts }
}
