import type { SubscriptionFilter } from './options.js'

/** A place to resume at. `prepare` is 0 where it is the beginning of a page in which nothing matched. */
export type Checkpoint = { readonly commit: number; readonly prepare: number }

export type Checkpoints = {
  /** The event that the subscription begins after: not given, but counted. */
  readonly skip: () => void
  /** An event that was looked at, and what is to be told after it. */
  readonly consider: (position: number, matches: boolean) => Checkpoint | undefined
  /** All that was there has been looked at. What is to be told before `caughtUp`. */
  readonly goLive: () => Checkpoint | undefined
  /** What is to be told after `fellBehind`. */
  readonly fallBehind: () => Checkpoint | undefined
}

/** A page ends after so many events that match, too. */
const pageMatches = 32

/**
 * Which checkpoints a filtered subscription to `$all` tells, by the rule of EventStoreDB 24.10.5 and later. While it catches up it goes by
 * pages of `window` events, and tells of a page its last match or else its beginning: it lags a page behind. Live, it tells each n-th event.
 * `start`: the position that the client gave, 0 for the start; `undefined` for the end.
 */
export const createCheckpoints = ({ window, checkpointEvery }: SubscriptionFilter, start: number | undefined): Checkpoints => {
  const fresh = { size: 0, matches: 0 }
  let page = { ...fresh }
  let beginning: Checkpoint | undefined = start === undefined ? undefined : { commit: start, prepare: start }
  let candidate: Checkpoint | undefined
  let lastMatch: number | undefined
  let counted = 0
  let last: number | undefined
  let told = -1
  let live = false

  /** Never one that is not beyond the one before. */
  const tell = (checkpoint: Checkpoint | undefined): Checkpoint | undefined => {
    if (!checkpoint || checkpoint.commit <= told) return undefined
    told = checkpoint.commit
    return checkpoint
  }

  const closePage = (): void => {
    candidate = lastMatch === undefined ? beginning : { commit: lastMatch, prepare: lastMatch }
    page = { ...fresh }
    beginning = undefined
    lastMatch = undefined
  }

  const count = (): Checkpoint | undefined => {
    page.size++
    counted++
    if (page.size < window && page.matches < pageMatches) return undefined
    closePage()
    if (counted < checkpointEvery) return undefined
    counted %= checkpointEvery
    return tell(candidate)
  }

  return {
    skip: () => {
      if (window > 1) count()
    },
    consider: (position, matches) => {
      last = position
      if (live) return ++counted % checkpointEvery === 0 ? tell({ commit: position, prepare: position }) : undefined
      beginning ??= { commit: position, prepare: 0 }
      if (matches) {
        lastMatch = position
        page.matches++
      }
      return count()
    },
    goLive: () => {
      if (page.size > 0) closePage()
      live = true
      counted = 0
      return last === undefined ? undefined : tell(candidate)
    },
    fallBehind: () => {
      live = false
      counted = 0
      return last === undefined ? undefined : tell({ commit: last, prepare: last })
    },
  }
}
