import { backoff } from '../platform/async.js'
import type { Feed } from './feed.js'
import { type Position, positionOf, type RecordedEvent, type Store, StoreUnavailable } from './store.js'

/** Somebody who is given what comes from now on, and can tell whether that is all there is. */
export type Following = {
  /** Follows from the store's end until the signal aborts. Waits out a store that is away. Rejects with what `onEvents` threw. */
  readonly run: (
    store: Pick<Store, 'last'>,
    signal: AbortSignal,
    onEvents: (events: readonly RecordedEvent[]) => void,
  ) => Promise<void>
  /** Whether everything that the store had a moment ago (at most `healthyFor` milliseconds) has been given. */
  readonly isCurrent: () => boolean
}

const healthyFor = 2_000

export const createFollowing = (feed: Pick<Feed, 'follow' | 'healthy' | 'head'>): Following => {
  /** −1: from the start of an empty store; `undefined`: not yet. */
  let taken: bigint | undefined
  return {
    run: async (store, signal, onEvents) => {
      const after = await endOf(store, signal)
      if (signal.aborted) return
      taken = after?.commit ?? -1n
      const onBatch = (events: readonly RecordedEvent[]): void => {
        onEvents(events)
        taken = events.at(-1)?.position ?? taken
      }
      try {
        await feed.follow({ after, signal, onBatch })
      } finally {
        taken = undefined
      }
    },
    // A follower that has lost the feed's newest events reads them by itself: then the feed is well, and its follower is behind.
    isCurrent: () => taken !== undefined && taken >= (feed.head()?.commit ?? -1n) && feed.healthy(healthyFor),
  }
}

/** Where the store ends now; nowhere where it is empty, or the signal aborts before it answers. */
const endOf = async (store: Pick<Store, 'last'>, signal: AbortSignal): Promise<Position | undefined> => {
  for (const pause = backoff(signal); !signal.aborted; await pause()) {
    try {
      return positionOf(await store.last())
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
    }
  }
  return undefined
}
