import type { Filter } from '../filter.js'

/** Where a read begins: a place, or one of the ends. */
export type From = number | 'start' | 'end'

export type SubscriptionFilter = {
  readonly matches: Filter
  /** Events that are looked at in one go while it catches up. */
  readonly window: number
  /** A checkpoint is sent whenever this many events were looked at. */
  readonly checkpointEvery: number
}
