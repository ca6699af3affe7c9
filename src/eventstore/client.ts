import type { EventEmitter } from 'node:events'
import {
  EventStoreDBClient,
  jsonEvent,
  type StreamingRead,
  StreamNotFoundError,
  WrongExpectedVersionError,
} from '@eventstore/db-client'
import { type Appended, type Appends, createAppends } from './appends.js'
import { isInsideRecord, unavailable } from './failures.js'
import { createChannel } from './grpc.js'
import { subscribeAll } from './live.js'
import {
  type EventMetadata,
  type NewEvent,
  noStream,
  type Position,
  PositionLost,
  type RecordedEvent,
  type Store,
  StoreUnavailable,
  WrongRevision,
} from './store.js'

// The only code that knows the client.

const defaultTimeout = 5_000

/** Whether appends are made by the client, or over the same call by `appends.ts`. */
export type AppendsThrough = 'direct' | 'client'

/** A store at `esdb://...`. Connects lazily; nothing fails before the first call. */
export const connectStore = (url: string, { through = 'direct' }: { readonly through?: AppendsThrough } = {}): Store => {
  const client = EventStoreDBClient.connectionString(url)
  const channel = createChannel(url)

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

  const appendThrough: Record<AppendsThrough, Appends> = {
    direct: createAppends(channel),
    client: (streamId, events, expectedRevision, timeout) => ({
      result: appendByClient(client, streamId, events, expectedRevision, timeout),
      giveUp: () => undefined,
    }),
  }

  const append: Store['append'] = async (streamId, events, expectedRevision, timeout = defaultTimeout) => {
    const { result, giveUp } = appendThrough[through](streamId, events, expectedRevision, timeout)
    try {
      return await within(result, timeout, giveUp)
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
      if (signal?.aborted) return
      throw after && isInsideRecord(error) ? new PositionLost(after, { cause: error }) : unavailable(error)
    } finally {
      signal?.removeEventListener('abort', stop)
      await stream.cancel()
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

  /** Whether the position is refused as one inside an event. A store that is away makes it no such thing. */
  const standsInside = (position: Position): Promise<boolean> =>
    page({ fromPosition: position, maxCount: 1 }, defaultTimeout).then(
      () => false,
      (error: StoreUnavailable) => isInsideRecord(error.cause),
    )

  const eventAt: Store['eventAt'] = async (position) => {
    const [event] = await page({ fromPosition: position, maxCount: 1 }, defaultTimeout).catch((error: StoreUnavailable) => {
      if (isInsideRecord(error.cause)) return []
      throw error
    })
    return event && event.position!.commit === position.commit ? recorded(event) : undefined
  }

  const subscribe: Store['subscribe'] = (after, options) => subscribeAll(channel, after, options, standsInside)

  const close = (): Promise<void> => {
    channel.close()
    return dispose(client)
  }

  return { url, read, append, readAll, last, eventAt, subscribe, close }
}

/**
 * Removes a stream that is none of the shop's; its events go with the store's next scavenge. One that is not there is left at that. Throws
 * `StoreUnavailable`.
 */
export const removeStream = async (url: string, streamId: string): Promise<void> => {
  const client = EventStoreDBClient.connectionString(url)
  try {
    await within(client.deleteStream(streamId), defaultTimeout)
  } catch (error) {
    if (!(error instanceof WrongExpectedVersionError)) throw unavailable(error)
  } finally {
    await dispose(client)
  }
}

const appendByClient = async (
  client: EventStoreDBClient,
  streamId: string,
  events: readonly NewEvent[],
  expectedRevision: number,
  timeout: number,
): Promise<Appended> => {
  const messages = events.map(({ id, type, data, metadata }) =>
    jsonEvent({ id, type, data: data as Record<string, unknown>, metadata }),
  )
  const { nextExpectedRevision, position } = await client.appendToStream(streamId, messages, {
    expectedRevision: expectedRevision === noStream ? 'no_stream' : BigInt(expectedRevision),
    deadline: timeout,
  })
  return { revision: Number(nextExpectedRevision), position: position!.commit }
}

/** The loop over a stream throws its errors; one that comes when nobody loops any more must not end the process. */
const heard = <S extends EventEmitter>(stream: S): S => stream.on('error', () => undefined)

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
