import { Unavailable } from '../platform/errors.js'

/** What rides along with every event. */
export type EventMetadata = {
  readonly $correlationId?: string
  readonly $causationId?: string
  /** HMAC of user (or e-mail), route and Idempotency-Key. */
  readonly commandId?: string
  /** HMAC of the validated request without passwords. */
  readonly requestHash?: string
  /** The user who did it, `anonymous` or `system`. */
  readonly actor?: string
  /** The version of the event's shape; see `upcast.ts`. */
  readonly schema?: number
  readonly traceparent?: string
}

export type NewEvent = { readonly id: string; readonly type: string; readonly data: object; readonly metadata: EventMetadata }

export type RecordedEvent = {
  readonly id: string
  readonly type: string
  /** As it was stored: who folds it calls `upcast`. */
  readonly data: unknown
  readonly metadata: EventMetadata
  readonly streamId: string
  readonly revision: number
  /** The commit position in `$all`. */
  readonly position: bigint
  readonly preparePosition: bigint
  /** When the store wrote it. An event's own time is `data.at`. */
  readonly created: Date
}

export type Position = { readonly commit: bigint; readonly prepare: bigint }

/** Where an event stands in `$all`; nowhere for no event. */
export const positionOf = (event: RecordedEvent | undefined): Position | undefined =>
  event && { commit: event.position, prepare: event.preparePosition }

/** The expected revision of a stream that has no events. */
export const noStream = -1

/** The stream was not at the expected revision: nothing was written. */
export class WrongRevision extends Error {
  override readonly name = 'WrongRevision'
}

type Reasons = ErrorOptions & { readonly full?: boolean; readonly missing?: string }

/**
 * No event stands at the position after which was to be read: the store was put back to an older state and has grown since, or it is
 * another one. Trying again doesn't help.
 */
export class PositionLost extends Error {
  override readonly name = 'PositionLost'
  constructor({ commit }: Position, options?: ErrorOptions) {
    super(
      `no event of the event store stands at position ${commit}: it was put back to an older state, or is another one. Restore the newer one, or build the read models anew: tillroll serve --start-over`,
      options,
    )
  }
}

/** The store did not answer, or not usably. What an append asked for may or may not have happened. */
export class StoreUnavailable extends Unavailable {
  override readonly name = 'StoreUnavailable'
  override readonly outside: string
  /** Its disk is full: nothing of this append was written, and trying again helps only when there is space. Reads go on. */
  readonly full: boolean
  /** What its address lacks, for whoever runs the shop, where the store is there and waiting doesn't help: a right, a certificate. */
  readonly missing: string | undefined
  constructor(message = '', { full = false, missing, ...options }: Reasons = {}) {
    super(message, options)
    this.full = full
    this.missing = missing
    this.outside = full
      ? "the event store's disk is full: nothing can be written until there is space again; reads go on"
      : 'the event store does not answer; try again in a moment'
  }
}

export type ReadOptions = {
  /** Inclusive in both directions; left out: from the start forwards, from the end backwards. */
  readonly from?: number
  readonly direction?: 'forwards' | 'backwards'
  readonly maxCount?: number
  /** Milliseconds after which the read is given up with `StoreUnavailable`. Default 5,000. */
  readonly timeout?: number
}

/** The event store as the application knows it. */
export type Store = {
  /** Where it is, for reading in bulk (`scan.ts`); absent of one that is not reached by the network. */
  readonly url?: string
  /** The events of a stream; none where it doesn't exist or was deleted. Throws `StoreUnavailable`. */
  readonly read: (streamId: string, options?: ReadOptions) => Promise<readonly RecordedEvent[]>
  /**
   * Appends all of the events at the revision, or none. Repeating the same events (by id) at the same revision is recognised and
   * answers as the first time did. Throws `WrongRevision`, and `StoreUnavailable` at once where the store is full and else after `timeout` milliseconds (default 5,000).
   */
  readonly append: (
    streamId: string,
    events: readonly NewEvent[],
    expectedRevision: number,
    timeout?: number,
  ) => Promise<{ readonly revision: number; readonly position: bigint }>
  /**
   * `$all` without system events, after the position (exclusive), to the end. Stops when the consumer does, or `signal` aborts. Throws
   * `PositionLost` where the position is inside an event, and `StoreUnavailable`.
   */
  readonly readAll: (after?: Position, options?: { readonly signal?: AbortSignal }) => AsyncIterable<RecordedEvent>
  /** The newest event of `$all` that is not a system event. Throws `StoreUnavailable` after `timeout` milliseconds (default 5,000). */
  readonly last: (timeout?: number) => Promise<RecordedEvent | undefined>
  /** The event that stands at exactly this place of `$all`. Throws `StoreUnavailable`. */
  readonly eventAt: (position: Position) => Promise<RecordedEvent | undefined>
  /**
   * `$all` without system events, after the position, and then what comes live, until `signal` aborts (ends) or the connection
   * breaks (throws `StoreUnavailable`). `onConfirmed` is called when the store has accepted the subscription. Throws `PositionLost`
   * where the position is inside an event: after `onConfirmed`, as a store tells it so.
   */
  readonly subscribe: (after: Position | undefined, options: SubscribeOptions) => AsyncIterable<RecordedEvent>
  readonly close: () => Promise<void>
}

export type SubscribeOptions = { readonly signal: AbortSignal; readonly onConfirmed?: () => void }
