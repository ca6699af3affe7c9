import type { Feed } from '../../eventstore/feed.js'
import type { Position } from '../../eventstore/store.js'
import type { Sink } from './sink.js'

/** `standby`: another holds the lease. `failing`: after an error, before the next try. `stopped`: until a person has seen to it. */
export type BridgeState = 'standby' | 'starting' | 'running' | 'failing' | 'stopped'

export type BridgeStatus = {
  readonly topic: string
  readonly sink: Sink['kind']
  readonly state: BridgeState
  /** Everything up to here is handled, in this process or an earlier one; unknown while standing by. */
  readonly position: Position | undefined
  readonly head: Position | undefined
  /** Milliseconds since the topic had everything that was there; unknown while standing by. */
  readonly lagMs: number | undefined
  /** Since this process began. */
  readonly records: number
  readonly batches: number
  readonly errors: number
  readonly lastError: { readonly message: string; readonly at: string } | undefined
}

/** What others may see of a bridge. */
export const trackStatus = (feed: Pick<Feed, 'head'>, sink: Pick<Sink, 'kind' | 'topic'>) => {
  let state: BridgeState = 'standby'
  let position: Position | undefined
  let caughtUpAt = performance.now()
  let records = 0
  let batches = 0
  let errors = 0
  let lastError: BridgeStatus['lastError']

  const atHead = (): boolean => (position?.commit ?? -1n) >= (feed.head()?.commit ?? -1n)
  const lag = (): number => {
    if (state === 'running' && atHead()) caughtUpAt = performance.now()
    return performance.now() - caughtUpAt
  }

  return {
    enter: (next: BridgeState): void => {
      state = next
    },
    handled: (at: Position | undefined): void => {
      position = at && { commit: at.commit, prepare: at.prepare }
      lag()
    },
    wrote: (count: number): void => {
      records += count
      batches++
    },
    failed: (error: unknown): void => {
      errors++
      lastError = { message: error instanceof Error ? error.message : String(error), at: new Date().toISOString() }
    },
    lastError: () => lastError,
    status: (): BridgeStatus => ({
      topic: sink.topic,
      sink: sink.kind,
      state,
      position: state === 'standby' ? undefined : position,
      head: feed.head(),
      lagMs: state === 'standby' ? undefined : lag(),
      records,
      batches,
      errors,
      lastError,
    }),
  }
}
