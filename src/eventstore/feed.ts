import type { Logger } from 'pino'
import { backoff, sleep } from '../platform/async.js'
import { inBatches } from './batches.js'
import { createNewest } from './newest.js'
import { createProbe } from './probe.js'
import { createRecentEvents } from './recent-events.js'
import { type Position, positionOf, type RecordedEvent, type Store, StoreUnavailable } from './store.js'

/** A part of the process that wants every event after a position. */
export type Follower = {
  /** Left out: from the start. */
  readonly after?: Position | undefined
  readonly signal: AbortSignal
  /**
   * Called with the next events, in order, and not again before it has resolved: one event at once when there is no more, many when
   * this part is behind. `live`: they came through the shared subscription. What it throws ends the following.
   */
  readonly onBatch: (events: readonly RecordedEvent[], context: { readonly live: boolean }) => Promise<void> | void
  /**
   * Milliseconds to wait after a batch of several live events, so that the next is larger: for a part that pays by the batch. One event
   * alone is handed on, and followed by the next, at once. Default 0.
   */
  readonly restAfterSeveral?: number
}

/** The one subscription of a process to `$all` (system events excluded), shared by everything that wants events. */
export type Feed = {
  /**
   * Resolves when the follower's signal aborts or the feed closes; rejects with what `onBatch` threw, and with `PositionLost`. Waits
   * out a store that is away.
   */
  readonly follow: (follower: Follower) => Promise<void>
  /** Milliseconds since the moment up to which it is known that every event of the store has arrived here. */
  readonly behindFor: () => number
  /** Whether that is at most so many milliseconds. */
  readonly healthy: (milliseconds: number) => boolean
  /** Milliseconds since the store last answered how far it is; it is asked several times a second. */
  readonly unansweredFor: () => number
  /** Why the store was not reached the last time that it was asked, where it did not merely take its time. */
  readonly problem: () => StoreUnavailable | undefined
  /** The newest event that arrived, or that was there when the subscription began. */
  readonly head: () => Position | undefined
  readonly close: () => Promise<void>
}

export type FeedOptions = {
  readonly store: Store
  readonly log: Pick<Logger, 'warn' | 'info'>
  /** How many events a follower may fall behind before it has to read by itself. */
  readonly keep?: number
  /** The most events of a batch. */
  readonly maxBatch?: number
  /** Milliseconds between two looks at how far the store is. */
  readonly probeEvery?: number
  /** Milliseconds without an event, while the store has more, after which the subscription is begun again. Default 10,000. */
  readonly silentFor?: number
  /** Milliseconds for which the store must have been without what had arrived, to be one that was put back. Default 5,000. */
  readonly goneFor?: number
}

/**
 * Subscribes when the first follower comes. The memory is bounded by the events that it keeps: a follower that is slower reads the
 * store by itself until it has caught up.
 */
export const createFeed = ({
  store,
  log,
  keep = 4096,
  maxBatch = 1000,
  probeEvery = 400,
  silentFor = 10_000,
  goneFor = 5_000,
}: FeedOptions): Feed => {
  const closing = new AbortController()
  const recent = createRecentEvents(keep)
  const probe = createProbe(recent)
  const newest = createNewest(store, goneFor)
  const warn = warner(log)
  const broken = new AbortController()
  let running: Promise<unknown> | undefined
  let problem: StoreUnavailable | undefined
  let silence = new AbortController()

  const shared = async (): Promise<void> => {
    const pause = backoff(closing.signal, { most: 1_000 })
    while (!closing.signal.aborted) {
      silence = new AbortController()
      const signal = AbortSignal.any([closing.signal, silence.signal])
      try {
        if (recent.begun()) await newest.assertThere()
        else {
          const last = await store.last()
          newest.is(last)
          recent.begin(positionOf(last))
        }
        for await (const event of store.subscribe(recent.head(), { signal, onConfirmed: pause.reset })) {
          recent.push(event)
          newest.is(event)
          probe.arrived()
        }
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error
        warn(error, 'the subscription broke; subscribing again')
        await pause()
      }
    }
  }

  /** Nothing helps against what is no outage: whoever follows is told, and looks for itself what has become of its place. */
  const sharing = async (): Promise<void> => {
    try {
      await shared()
    } catch (error) {
      broken.abort(error)
    }
  }

  const probing = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      try {
        await look()
        problem = undefined
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error
        // One that only takes its time has no cause: how long it has taken is what `behindFor` tells.
        if (error.cause !== undefined) problem = error
      }
      await sleep(probeEvery, closing.signal)
    }
  }

  const look = async (): Promise<void> => {
    const before = performance.now()
    probe.saw(before, positionOf(await store.last(2_000)))
    if (probe.silentFor() > silentFor) {
      log.warn('the subscription brings nothing though the store has more; subscribing again')
      probe.forgive()
      silence.abort()
    }
  }

  const follow: Feed['follow'] = async ({ after, signal, onBatch, restAfterSeveral = 0 }) => {
    running ??= Promise.all([sharing(), probing()])
    const ended = AbortSignal.any([signal, closing.signal, broken.signal])
    const pause = backoff(ended)
    let cursor = after
    while (!ended.aborted) {
      const events = recent.after(cursor, maxBatch)
      if (!events) {
        const reached = await catchUp({ store, maxBatch, warn }, cursor, ended, pause, onBatch)
        // Nothing came though the store has more: it went away, or the shared subscription has not begun yet.
        if (reached === cursor) await pause()
        else cursor = reached
      } else if (events.length === 0) {
        await recent.changed(ended)
      } else {
        await onBatch(events, { live: true })
        cursor = positionOf(events.at(-1))
        pause.reset()
        if (restAfterSeveral > 0 && events.length > 1) await sleep(restAfterSeveral, ended)
      }
    }
    if (!signal.aborted && !closing.signal.aborted) broken.signal.throwIfAborted()
  }

  return {
    follow,
    behindFor: probe.behindFor,
    healthy: (milliseconds) => probe.behindFor() <= milliseconds,
    unansweredFor: probe.unansweredFor,
    problem: () => problem,
    head: recent.head,
    close: async () => {
      closing.abort()
      await running
    },
  }
}

type Reading = {
  readonly store: Pick<Store, 'readAll'>
  readonly maxBatch: number
  readonly warn: ReturnType<typeof warner>
}

/** Reads from a place to the end. Answers how far it came: a store that goes away ends it sooner. */
const catchUp = async (
  { store, maxBatch, warn }: Reading,
  from: Position | undefined,
  signal: AbortSignal,
  pause: ReturnType<typeof backoff>,
  onBatch: Follower['onBatch'],
): Promise<Position | undefined> => {
  let cursor = from
  const stopping = new AbortController()
  const batches = inBatches(store.readAll(cursor, { signal: AbortSignal.any([signal, stopping.signal]) }), maxBatch)
  try {
    for (;;) {
      const batch = await batches.next().catch((error: unknown) => {
        if (!(error instanceof StoreUnavailable)) throw error
        warn(error, 'catching up broke off; reading on')
        return undefined
      })
      if (!batch || batch.length === 0 || signal.aborted) return cursor
      await onBatch(batch, { live: false })
      cursor = positionOf(batch.at(-1))
      pause.reset()
    }
  } finally {
    stopping.abort()
    await batches.stop()
  }
}

const minute = 60_000

/** Says what waiting doesn't help with once a minute, with what is missing: the same is found again and again. */
const warner = (log: FeedOptions['log']) => {
  let said: string | undefined
  let at = Number.NEGATIVE_INFINITY
  return (error: StoreUnavailable, what: string): void => {
    const { missing } = error
    if (missing !== undefined && missing === said && performance.now() - at < minute) return
    said = missing
    at = performance.now()
    log.warn({ err: error }, missing === undefined ? what : `the event store (EVENTSTORE_URL) can't be used: ${missing}`)
  }
}
