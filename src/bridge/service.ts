import type { Logger } from 'pino'
import type { Feed } from '../eventstore/feed.js'
import type { Store } from '../eventstore/store.js'
import { sleep } from '../platform/async.js'
import type { Database } from '../platform/database.js'
import { type Bridge, createBridge } from './engine/bridge.js'
import { createGenerations, type Generations, type TopicGeneration } from './engine/generations.js'
import { BridgeStopped, type Sink } from './engine/sink.js'
import { type BridgeStatus, trackStatus } from './engine/status.js'
import { createTopicSink } from './postgres/sink.js'

/** Where topics are: in Kafka, or in Postgres. */
export type Sinks = {
  readonly kind: Sink['kind']
  /** Makes the topic where it must be made, or finds it, and answers how many partitions it has. Throws `BridgeStopped`. */
  readonly prepare: (topic: string) => Promise<number>
  readonly sink: (topic: string, lease: { readonly name: string; readonly ttl: number }) => Sink
  readonly close: () => Promise<void>
}

/** Topics in Postgres. */
export const postgresSinks = (database: Database, partitions: number): Sinks => {
  const generations = createGenerations(database, 'postgres')
  return {
    kind: 'postgres',
    prepare: async (topic) => (await generations.find(topic))?.partitions ?? partitions,
    sink: (topic, lease) => createTopicSink({ database, generations, topic, lease }),
    close: async () => undefined,
  }
}

/** One writer for each topic, in Kafka or in Postgres. */
export const leaseOf = (sink: Sink['kind'], topic: string): string => `bridge:${sink}:${topic}`

export type BridgeServiceOptions = {
  readonly database: Database
  readonly feed: Pick<Feed, 'follow' | 'head'>
  readonly store: Pick<Store, 'eventAt' | 'url'>
  readonly storeId: string
  readonly sinks: Sinks
  readonly holder: string
  readonly leaseTtl: number
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>
  /** Milliseconds between two looks at which generations are live, and between two reports. Default 1,000. */
  readonly lookEvery?: number
  /** Default `orders`. */
  readonly firstTopic?: string
}

export type BridgeService = {
  /** Resolves when the signal aborts; what doesn't answer is waited out. A bridge that has stopped stays so, visibly, until the process is started anew. */
  readonly run: (signal: AbortSignal) => Promise<void>
  /** One for each generation that this process writes, or stands by for. */
  readonly status: () => readonly BridgeStatus[]
  /** The same as JSON holds it. */
  readonly describe: () => readonly object[]
  /** Whether none has stopped or fails. */
  readonly healthy: () => boolean
}

/** Milliseconds after which a writer that says nothing has no say any more. */
const quiet = 5_000

type Running = { readonly bridge: Bridge; readonly stop: AbortController; readonly ended: Promise<void> }

/** A bridge for each live generation of the topic; the first one, `orders`, begins by itself. */
export const createBridgeService = (options: BridgeServiceOptions): BridgeService => {
  const { database, feed, sinks, lookEvery = 1_000, firstTopic = 'orders', log } = options
  const generations = createGenerations(database, sinks.kind)
  const running = new Map<string, Running>()
  /** Topics that could not be begun yet. */
  const waiting = new Map<string, ReturnType<typeof trackStatus>>()

  const start = async ({ name, partitions, liveFrom }: TopicGeneration): Promise<void> => {
    await checkPartitions(sinks, name, partitions)
    const lease = { database, name: leaseOf(sinks.kind, name), holder: options.holder, ttl: options.leaseTtl }
    const sink = sinks.sink(name, lease)
    const bridge = createBridge({ ...options, sink, lease, ...(liveFrom !== undefined && { replayedUpTo: liveFrom }) })
    const stop = new AbortController()
    // A bridge that has stopped says so in its status, and has written it to the log.
    const ended = bridge.run(stop.signal).catch((error: unknown) => {
      if (!(error instanceof BridgeStopped)) fail(error)
    })
    running.set(name, { bridge, stop, ended })
  }

  const end = async (name: string): Promise<void> => {
    const one = running.get(name)
    one?.stop.abort()
    await one?.ended
    running.delete(name)
  }

  /** What keeps a topic from being begun is its own trouble, and seen as that; the others go on. */
  const attempt = async (topic: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work()
      waiting.delete(topic)
    } catch (error) {
      const tracker = waiting.get(topic) ?? trackStatus(feed, { kind: sinks.kind, topic })
      const told = tracker.lastError()?.message
      tracker.failed(error)
      tracker.enter(error instanceof BridgeStopped ? 'stopped' : 'failing')
      waiting.set(topic, tracker)
      const message = tracker.lastError()?.message
      if (message !== told) log.warn({ topic, err: error }, 'the topic could not be begun; trying again')
      const { report: said, reportedAt } = (await generations.find(topic)) ?? {}
      const another = said && said.holder !== options.holder && Date.now() - (reportedAt?.getTime() ?? 0) < quiet
      if (!another) await report(generations, topic, options.holder, tracker.status())
    }
  }

  const look = async (): Promise<void> => {
    if (!(await generations.find(firstTopic))) {
      await attempt(firstTopic, async () => void (await generations.begin(firstTopic, await sinks.prepare(firstTopic))))
    }
    const live = (await generations.list()).filter(({ state }) => state === 'live')
    for (const generation of live) {
      if (!running.has(generation.name)) await attempt(generation.name, () => start(generation))
    }
    for (const name of waiting.keys()) {
      if (name !== firstTopic && !live.some((generation) => generation.name === name)) waiting.delete(name)
    }
    for (const name of running.keys()) if (!live.some((generation) => generation.name === name)) await end(name)
    for (const [name, { bridge }] of running) await report(generations, name, options.holder, bridge.status())
  }

  let failure: string | undefined
  let bug: { readonly error: unknown } | undefined
  const fail = (error: unknown) => {
    bug ??= { error }
  }

  const run: BridgeService['run'] = async (signal) => {
    while (!signal.aborted) {
      if (bug) throw bug.error
      try {
        await look()
        failure = undefined
      } catch (error) {
        // Postgres is away: the next look may find it.
        failure = error instanceof Error ? error.message : String(error)
        log.warn({ err: error }, 'the bridge could not look for its topics; looking again')
      }
      await sleep(lookEvery, signal)
    }
    await Promise.all([...running.keys()].map(end))
  }

  const status = () => [
    ...[...running.values()].map(({ bridge }) => bridge.status()),
    ...[...waiting.values()].map((tracker) => tracker.status()),
  ]
  return {
    run,
    status,
    describe: () =>
      status().map(({ position, head, ...rest }) => ({
        ...rest,
        position: position?.commit.toString(),
        head: head?.commit.toString(),
      })),
    healthy: () => !failure && status().every(({ state }) => state !== 'stopped' && state !== 'failing'),
  }
}

const checkPartitions = async (sinks: Sinks, topic: string, partitions: number): Promise<void> => {
  const found = await sinks.prepare(topic)
  if (found === partitions) return
  throw new BridgeStopped(
    `the topic ${topic} has ${found} partitions and began with ${partitions}: the records of an order would go on in another one. ` +
      `Publish the history anew, into a new generation: tillroll bridge replay --to ${topic}.v2 --live`,
  )
}

/** For whoever asks from another process; only the writer speaks. */
const report = async (generations: Generations, name: string, holder: string, status: BridgeStatus): Promise<void> => {
  if (status.state === 'standby') return
  await generations.report(name, {
    state: status.state,
    holder,
    position: status.position ? `${status.position.commit}` : null,
    head: status.head ? `${status.head.commit}` : null,
    lagMs: status.lagMs === undefined ? null : Math.round(status.lagMs),
    records: status.records,
    lastError: status.lastError ?? null,
  })
}
