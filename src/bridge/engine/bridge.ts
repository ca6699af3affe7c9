import type { Logger } from 'pino'
import type { Feed } from '../../eventstore/feed.js'
import type { Position, RecordedEvent, Store } from '../../eventstore/store.js'
import { backoff } from '../../platform/async.js'
import type { Database } from '../../platform/database.js'
import { keepLease, type Lease, LeaseLost } from '../../platform/lease.js'
import { Unpublishable } from '../public-record.js'
import { type Stretch, stretches, stretchOf } from './batches.js'
import { BatchTooLarge, BridgeStopped, type Sink, TopicFenced, type TopicProgress } from './sink.js'
import { type BridgeStatus, trackStatus } from './status.js'
import { createWriter } from './writer.js'

export type BridgeOptions = {
  readonly feed: Pick<Feed, 'follow' | 'head'>
  /** With its `url`, what was there before is read in bulk. */
  readonly store: Pick<Store, 'eventAt' | 'url'>
  readonly storeId: string
  readonly sink: Sink
  readonly lease: { readonly database: Database; readonly name: string; readonly holder: string; readonly ttl: number }
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>
  /** Milliseconds after which the progress is written though there was nothing to publish. Default 1,000. */
  readonly idleProgress?: number
  /** Events up to this position get the header `ce_replayed`. */
  readonly replayedUpTo?: bigint
  /** Events that are left out, though accepted: those before the beginning of a replay that doesn't begin at the beginning. */
  readonly skips?: (event: RecordedEvent) => boolean
}

export type Bridge = {
  /** Resolves when the signal aborts; rejects with `BridgeStopped`. Everything else is waited out. */
  readonly run: (signal: AbortSignal) => Promise<void>
  readonly status: () => BridgeStatus
}

/** Milliseconds. A transaction costs the same for one record as for thirty. */
const restAfterSeveral = 10

/** Republishes the accepted events of orders, each once and in order, for as long as it holds its lease. */
export const createBridge = (options: BridgeOptions): Bridge => {
  const { feed, store, sink, lease, log } = options
  const tracker = trackStatus(feed, sink)
  let batchBytes = sink.batchBytes

  const publish = async (epoch: number, signal: AbortSignal, settled: () => void): Promise<void> => {
    tracker.enter('starting')
    const session = await sink.open(epoch, signal)
    try {
      const { progress } = session
      await checkProgress(progress, options)
      tracker.handled(progress?.at)
      tracker.enter('running')
      log.info({ topic: sink.topic, position: progress ? `${progress.at.commit}` : 'the beginning' }, 'publishing')
      const writer = createWriter(session, { ...options, batchBytes, wrote: tracker.wrote, handled: tracker.handled })
      const handle = async (stretch: Stretch): Promise<void> => {
        await writer.handle(stretch)
        settled()
      }
      await writer.following(signal, async (ended) => {
        let after: Position | undefined = progress?.at
        if (store.url !== undefined) {
          for await (const stretch of stretches(store.url, after, ended)) {
            await handle(stretch)
            after = stretch.end
          }
        }
        await feed.follow({ after, signal: ended, restAfterSeveral, onBatch: (events) => handle(stretchOf(events)) })
      })
    } finally {
      await session.close()
    }
  }

  /** One lease's time: after any error, from the progress again. */
  const hold = async ({ epoch, signal }: Lease): Promise<void> => {
    const pause = backoff(signal)
    while (!signal.aborted) {
      try {
        await publish(epoch, signal, pause.reset)
      } catch (error) {
        // The lease is over, and with it whatever was at work.
        if (signal.aborted && !(error instanceof BridgeStopped)) return
        tracker.failed(error)
        tracker.enter('failing')
        if (error instanceof LeaseLost || error instanceof TopicFenced) {
          log.warn({ topic: sink.topic, err: error }, 'another writes the topic: standing by')
          tracker.enter('standby')
          throw error instanceof LeaseLost ? error : new LeaseLost(error.message, { cause: error })
        }
        if (error instanceof BridgeStopped) throw error
        if (error instanceof Unpublishable) throw new BridgeStopped(error.message, { cause: error })
        if (error instanceof BatchTooLarge) batchBytes = Math.max(1, Math.floor(batchBytes / 2))
        log.warn({ topic: sink.topic, err: error }, 'publishing failed; going on from the progress')
        await pause()
      }
    }
  }

  const run: Bridge['run'] = async (signal) => {
    try {
      await keepLease({
        ...lease,
        signal,
        onError: tracker.failed,
        onAcquired: async (held) => {
          await hold(held)
          tracker.enter('standby')
        },
      })
    } catch (error) {
      tracker.enter('stopped')
      if (error instanceof BridgeStopped) log.error({ topic: sink.topic, err: error }, 'the bridge has stopped')
      throw error
    }
  }

  return { run, status: tracker.status }
}

/** A topic that was written from another store, or from a state of this one that isn't there any more, must not be continued. */
const checkProgress = async (
  progress: TopicProgress | undefined,
  { store, storeId, sink: { topic } }: Pick<BridgeOptions, 'store' | 'storeId' | 'sink'>,
): Promise<void> => {
  if (!progress) return
  const remedy = `publish the history anew, into a new generation: tillroll bridge replay --to ${topic}.v2 --live`
  if (progress.storeId !== storeId) {
    throw new BridgeStopped(
      `the topic ${topic} was written from the event store ${progress.storeId}, and this is ${storeId}: connect the right one, or ${remedy}`,
    )
  }
  const event = await store.eventAt(progress.at)
  if (event?.id !== progress.at.eventId) {
    throw new BridgeStopped(
      `the topic ${topic} was written up to event ${progress.at.eventId} at position ${progress.at.commit}, where the event store has ` +
        `${event ? `event ${event.id}` : 'none'}: it was put back to an older state. Restore the newer one, or ${remedy}`,
    )
  }
}
