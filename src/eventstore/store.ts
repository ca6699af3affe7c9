import type { EventEmitter } from 'node:events'
import {
  CancelledError,
  EventStoreDBClient,
  excludeSystemEvents,
  jsonEvent,
  type StreamingRead,
  StreamNotFoundError,
  UnknownError,
  WrongExpectedVersionError,
} from '@eventstore/db-client'
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

/** The store did not answer, or not usably. What an append asked for may or may not have happened. */
export class StoreUnavailable extends Unavailable {
  override readonly name = 'StoreUnavailable'
  override readonly outside: string
  /** Its disk is full: nothing of this append was written, and trying again helps only when there is space. Reads go on. */
  readonly full: boolean
  constructor(message = '', { full = false, ...options }: ErrorOptions & { readonly full?: boolean } = {}) {
    super(message, options)
    this.full = full
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

/** The event store as the application knows it: the only code that knows the client. */
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
  /** `$all` without system events, after the position (exclusive), to the end. Stops when the consumer does, or `signal` aborts. */
  readonly readAll: (after?: Position, options?: { readonly signal?: AbortSignal }) => AsyncIterable<RecordedEvent>
  /** The newest event of `$all` that is not a system event. Throws `StoreUnavailable` after `timeout` milliseconds (default 5,000). */
  readonly last: (timeout?: number) => Promise<RecordedEvent | undefined>
  /** The event that stands at exactly this place of `$all`. Throws `StoreUnavailable`. */
  readonly eventAt: (position: Position) => Promise<RecordedEvent | undefined>
  /**
   * `$all` without system events, after the position, and then what comes live, until `signal` aborts (ends) or the connection
   * breaks (throws `StoreUnavailable`). `onConfirmed` is called when the store has accepted the subscription.
   */
  readonly subscribe: (after: Position | undefined, options: SubscribeOptions) => AsyncIterable<RecordedEvent>
  readonly close: () => Promise<void>
}

export type SubscribeOptions = { readonly signal: AbortSignal; readonly onConfirmed?: () => void }

const defaultTimeout = 5_000

/** Connects lazily to `esdb://...`; nothing fails before the first call. */
export const connectStore = (url: string): Store => {
  const client = EventStoreDBClient.connectionString(url)

  const read: Store['read'] = async (streamId, options = {}) => {
    const backwards = options.direction === 'backwards'
    const stream = heard(
      client.readStream(streamId, {
        direction: backwards ? 'backwards' : 'forwards',
        fromRevision: options.from === undefined ? (backwards ? 'end' : 'start') : BigInt(options.from),
        ...(options.maxCount !== undefined && { maxCount: options.maxCount }),
      }),
    )
    const events: RecordedEvent[] = []
    const all = async () => {
      for await (const { event } of stream) if (event) events.push(recorded(event as ClientEvent))
    }
    try {
      await within(all(), options.timeout ?? defaultTimeout, () => giveUp(stream))
      return events
    } catch (error) {
      if (error instanceof StreamNotFoundError) return []
      throw unavailable(error)
    }
  }

  const append: Store['append'] = async (streamId, events, expectedRevision, timeout = defaultTimeout) => {
    const messages = events.map(({ id, type, data, metadata }) =>
      jsonEvent({ id, type, data: data as Record<string, unknown>, metadata }),
    )
    try {
      const result = await within(
        client.appendToStream(streamId, messages, {
          expectedRevision: expectedRevision === noStream ? 'no_stream' : BigInt(expectedRevision),
          deadline: timeout,
        }),
        timeout,
      )
      return { revision: Number(result.nextExpectedRevision), position: result.position!.commit }
    } catch (error) {
      if (error instanceof WrongExpectedVersionError)
        throw new WrongRevision(`${streamId} is not at ${expectedRevision}`, { cause: error })
      throw unavailable(error)
    }
  }

  async function* readAll(after?: Position, { signal }: { signal?: AbortSignal } = {}): AsyncIterable<RecordedEvent> {
    const stream = heard(client.readAll({ fromPosition: after ?? 'start' }))
    const stop = () => stream.destroy()
    if (signal?.aborted) stop()
    signal?.addEventListener('abort', stop, { once: true })
    try {
      for await (const { event } of stream) {
        if (!event || isSystem(event.type) || (after && event.position.commit <= after.commit)) continue
        yield recorded(event as ClientEvent)
      }
    } catch (error) {
      if (!signal?.aborted) throw unavailable(error)
    } finally {
      signal?.removeEventListener('abort', stop)
      await stream.cancel()
    }
  }

  async function* subscribe(
    after: Position | undefined,
    { signal, onConfirmed }: SubscribeOptions,
  ): AsyncIterable<RecordedEvent> {
    const subscription = heard(client.subscribeToAll({ fromPosition: after ?? 'start', filter: excludeSystemEvents() }))
    if (onConfirmed) subscription.on('confirmation', onConfirmed)
    const stop = () => subscription.destroy()
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
    try {
      for await (const { event } of subscription) if (event) yield recorded(event as ClientEvent)
      if (!signal.aborted) throw new StoreUnavailable('the subscription was ended by the event store')
    } catch (error) {
      if (!signal.aborted) throw unavailable(error)
    } finally {
      signal.removeEventListener('abort', stop)
      await subscription.unsubscribe()
    }
  }

  /** A few events of `$all`, system events too. */
  const page = async (options: Parameters<typeof client.readAll>[0], timeout: number): Promise<ClientEvent[]> => {
    const stream = heard(client.readAll(options))
    const events: ClientEvent[] = []
    const all = async () => {
      for await (const { event } of stream) if (event) events.push(event as ClientEvent)
    }
    try {
      await within(all(), timeout, () => giveUp(stream))
      return events
    } catch (error) {
      throw unavailable(error)
    }
  }

  /** The newest event of all, and the newest that is not a system event, as they were when this was last asked. */
  let known: { readonly top: string; readonly newest: RecordedEvent | undefined } | undefined

  /** A cluster writes its own statistics all night: what was looked through once need not be looked through again. */
  const last: Store['last'] = async (timeout = defaultTimeout) => {
    const before = known
    let top: string | undefined
    let from: Position | 'end' = 'end'
    for (let size = 16; ; size = Math.min(4 * size, 1_024)) {
      const events = await page({ direction: 'backwards', fromPosition: from, maxCount: size }, timeout)
      top ??= events[0]?.id
      const found = events.find(({ id, type }) => !isSystem(type) || id === before?.top)
      const oldest = events.at(-1)
      if (found || !oldest) {
        const newest = found && (isSystem(found.type) ? before!.newest : recorded(found))
        if (top !== undefined) known = { top, newest }
        return newest
      }
      from = oldest.position!
    }
  }

  const eventAt: Store['eventAt'] = async (position) => {
    const [event] = await page({ fromPosition: position, maxCount: 1 }, defaultTimeout).catch((error: StoreUnavailable) => {
      if (isInsideRecord(error.cause)) return []
      throw error
    })
    return event && event.position!.commit === position.commit ? recorded(event) : undefined
  }

  return { url, read, append, readAll, last, eventAt, subscribe, close: () => dispose(client) }
}

/** The loop over a stream throws its errors; one that comes when nobody loops any more must not end the process. */
const heard = <S extends EventEmitter>(stream: S): S => stream.on('error', () => undefined)

/** How a store refuses to read `$all` from inside a record: 24.10 names it; 23.10 says the same of a log that is damaged. */
const isInsideRecord = (cause: unknown): boolean =>
  cause instanceof UnknownError && /ReadAllResult: (InvalidPosition|Error)$/.test(cause.message)

const isSystem = (type: string): boolean => type.startsWith('$')

type ClientEvent = {
  id: string
  type: string
  data: unknown
  metadata?: unknown
  streamId: string
  revision: bigint
  position?: Position
  created: Date
}

const recorded = (event: ClientEvent): RecordedEvent => ({
  id: event.id,
  type: event.type,
  data: event.data,
  metadata: (event.metadata ?? {}) as EventMetadata,
  streamId: event.streamId,
  revision: Number(event.revision),
  position: event.position!.commit,
  preparePosition: event.position!.prepare,
  created: event.created,
})

/** Ends the call, and leaves its reader reading: a call that nobody reads to its end would never count as finished. */
const giveUp = (stream: StreamingRead<unknown>): void => {
  // A call that could not even be made has nothing to be ended.
  stream.cancel().catch(() => undefined)
}

const goodbyeTime = 1_000

/** The client waits for each of its calls to finish, and one that was cancelled while it was being made may never do so. */
const dispose = async (client: EventStoreDBClient): Promise<void> => {
  let timer: NodeJS.Timeout | undefined
  const patience = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, goodbyeTime)
  })
  await Promise.race([client.dispose(), patience])
  clearTimeout(timer)
}

/** The client puts no deadline on reads and batch appends: without one of our own, a store that is silent would hold us for ever. */
const within = <T>(work: Promise<T>, milliseconds: number, giveUp?: () => void): Promise<T> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new StoreUnavailable(`the event store did not answer within ${milliseconds} ms`))
      giveUp?.()
    }, milliseconds)
    work.then(resolve, reject).finally(() => clearTimeout(timer))
  })

const unavailable = (error: unknown): StoreUnavailable => {
  if (error instanceof StoreUnavailable) return error
  const message =
    error instanceof CancelledError
      ? 'the event store cancelled the call'
      : error instanceof Error
        ? error.message
        : String(error)
  // The embedded store's words; they are all that a client gets of a refused append.
  return new StoreUnavailable(message, { cause: error, full: message.includes("the event store's disk is full") })
}
