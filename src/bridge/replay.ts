import type { Logger } from 'pino'
import { createFeed } from '../eventstore/feed.js'
import { positionOf, type RecordedEvent, type Store } from '../eventstore/store.js'
import type { Database } from '../platform/database.js'
import { createBridge } from './engine/bridge.js'
import { createGenerations, type Generations, type TopicGeneration } from './engine/generations.js'
import { BridgeStopped } from './engine/sink.js'
import { leaseOf, type Sinks } from './service.js'

/** Where a replay begins: a moment (an event's own time), or a commit position, inclusive. */
export type ReplayFrom = { readonly time: string } | { readonly position: bigint }

export type ReplayOptions = {
  readonly database: Database
  readonly store: Store
  readonly storeId: string
  readonly sinks: Sinks
  readonly to: string
  /** Left out: the beginning of the history. */
  readonly from?: ReplayFrom
  /** The bridge goes on with it. */
  readonly live?: boolean
  readonly holder: string
  readonly leaseTtl: number
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>
  readonly signal: AbortSignal
  readonly onProgress?: (progress: ReplayProgress) => void
}

export type ReplayProgress = { readonly position: bigint; readonly target: bigint; readonly records: number }

export type Replayed = {
  readonly topic: string
  readonly records: number
  /** Records of events after this position are written as they happen, if anybody goes on. */
  readonly liveFrom: bigint
  readonly state: 'complete' | 'live' | 'interrupted'
}

/**
 * Publishes the history into a generation of the topic that nobody has filled, up to the event that is the newest at the start. One that
 * was interrupted goes on where it was, and one that is complete is brought up to date. Throws `BridgeStopped`.
 */
export const replay = async (options: ReplayOptions): Promise<Replayed> => {
  const { database, store, sinks, to, from, live = false, signal, log, onProgress = () => undefined } = options
  const target = positionOf(await store.last())
  if (!target) throw new BridgeStopped('there is nothing to replay: the history is empty')
  const generations = createGenerations(database, sinks.kind)
  await begin(generations, sinks, to, describe(from))

  const feed = createFeed({ store, log })
  const lease = { database, name: leaseOf(sinks.kind, to), holder: options.holder, ttl: options.leaseTtl }
  const ending = new AbortController()
  const bridge = createBridge({
    ...options,
    feed,
    sink: sinks.sink(to, lease),
    lease,
    replayedUpTo: target.commit,
    ...(from && { skips: skipped(from) }),
  })
  let done = false
  const look = setInterval(() => {
    if (done) return
    const { position, records } = bridge.status()
    onProgress({ position: position?.commit ?? 0n, target: target.commit, records })
    done ||= (position?.commit ?? -1n) >= target.commit
    if (done) ending.abort()
  }, 50)
  try {
    await bridge.run(AbortSignal.any([signal, ending.signal]))
  } finally {
    clearInterval(look)
    await feed.close()
  }
  const { records, lastError } = bridge.status()
  const report = { holder: options.holder, records, lastError: lastError ?? null, head: `${target.commit}`, lagMs: null }
  if (done) await generations.report(to, { ...report, state: 'standby', position: `${target.commit}` })
  if (!done) return { topic: to, records, liveFrom: target.commit, state: 'interrupted' }
  const state = live ? 'live' : 'complete'
  await generations.move(to, ['replaying'], state, target.commit)
  return { topic: to, records, liveFrom: target.commit, state }
}

const describe = (from: ReplayFrom | undefined): TopicGeneration['replay'] =>
  from === undefined ? {} : { from: 'time' in from ? from.time : `${from.position}` }

const skipped = (from: ReplayFrom) => (event: RecordedEvent) =>
  'position' in from
    ? event.position < from.position
    : Date.parse((event.data as { at?: string } | null)?.at ?? '') < Date.parse(from.time)

/** One that another replay, or the bridge, fills or has filled must not be filled again: everything would be there twice. */
const begin = async (generations: Generations, sinks: Sinks, to: string, replay: TopicGeneration['replay']): Promise<void> => {
  const found = await generations.find(to)
  if (!found) {
    await generations.begin(to, await sinks.prepare(to), 'replaying', replay)
    return
  }
  if (found.state === 'live' || found.state === 'ended') {
    throw new BridgeStopped(`the topic ${to} is filled already (${found.state}): choose another name, such as ${nextName(to)}`)
  }
  if (found.replay?.from !== replay?.from) {
    throw new BridgeStopped(
      `the topic ${to} was begun from ${found.replay?.from ?? 'the beginning'}: go on with that, or choose another name, such as ${nextName(to)}`,
    )
  }
  await generations.move(to, ['replaying', 'complete'], 'replaying')
}

/** `orders` → `orders.v2` → `orders.v3`. */
export const nextName = (topic: string): string => {
  const [, name, number] = /^(.*)\.v(\d+)$/.exec(topic) ?? [undefined, topic, '1']
  return `${name}.v${Number(number) + 1}`
}
