import type { ClientHttp2Session } from 'node:http2'
import { parseConnectionString } from '@eventstore/db-client/dist/Client/parseConnectionString.js'
import shared from '@eventstore/db-client/generated/shared_pb.js'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import { isInsideRecord, unavailable } from './failures.js'
import {
  type Connection,
  discover,
  type Endpoint,
  framed,
  headersOf,
  messagesOf,
  NotLeader,
  openSession,
  statusOf,
} from './grpc.js'
import { decodeEvent, type ScannedEvent } from './scan-decode.js'
import { type Position, PositionLost, StoreUnavailable } from './store.js'

export type ScanOptions = {
  /** Begins after this position (exclusive); left out: at the start. */
  readonly after?: Position
  /** At most so many events, those of the system included. */
  readonly limit?: number
  readonly signal?: AbortSignal
  /** Milliseconds without an answer after which the read is given up. Default 30,000. */
  readonly timeout?: number
  /** Read from the leader alone, which is never behind. Default true. */
  readonly requiresLeader?: boolean
}

const redirects = 3

/**
 * Reads `$all` in bulk, the system's events included: the client's own call over Node's HTTP/2, decoded by hand. Answers arrays, so
 * that a reader of millions waits a few thousand times. Throws `StoreUnavailable`, and `PositionLost` where `after` is inside an event.
 */
export async function* scanAll(url: string, options: ScanOptions = {}): AsyncGenerator<readonly ScannedEvent[], void> {
  const connection = parseConnectionString(url)
  let endpoint: Endpoint | undefined
  let after = options.after
  for (let attempt = 0; attempt <= redirects; attempt++) {
    endpoint ??= await discover(connection)
    const session = await openSession(connection, endpoint)
    try {
      for await (const events of readFrom(session, connection, { ...options, ...(after && { after }) })) {
        const last = events.at(-1)
        if (last) after = { commit: last.position, prepare: last.preparePosition }
        yield events
      }
      return
    } catch (error) {
      const leader = error instanceof NotLeader ? error.leader : undefined
      if (after && isInsideRecord(error)) throw new PositionLost(after, { cause: error })
      if (!leader || after !== options.after) throw unavailable(error)
      endpoint = leader
    } finally {
      session.destroy()
    }
  }
  throw new StoreUnavailable('the event store has no leader that answers')
}

/** Reads single streams in bulk, over one connection. */
export type StreamReader = {
  /** The events from a revision on, oldest first; none of a stream that isn't there. Throws `StoreUnavailable`. */
  readonly read: (streamId: string, from?: number) => AsyncGenerator<readonly ScannedEvent[], void>
  readonly close: () => void
}

/** Throws `StoreUnavailable`. */
export const openStreams = async (url: string): Promise<StreamReader> => {
  const connection = parseConnectionString(url)
  const open = async (endpoint: Endpoint) => openSession(connection, endpoint)
  let session = await open(await discover(connection))
  async function* read(stream: string, from = 0): AsyncGenerator<readonly ScannedEvent[], void> {
    for (let attempt = 0; attempt <= redirects; attempt++) {
      try {
        yield* readFrom(session, connection, { stream, from })
        return
      } catch (error) {
        // A node says so before anything else.
        if (!(error instanceof NotLeader)) throw unavailable(error)
        session.close()
        session = await open(error.leader)
      }
    }
    throw new StoreUnavailable('the event store has no leader that answers')
  }
  return { read, close: () => session.destroy() }
}

/** `stream` and `from`: that stream alone, from the revision on, instead of `$all`. */
type ReadOptions = ScanOptions & { readonly stream?: string; readonly from?: number }

const readRequest = ({ stream, from = 0, ...rest }: ReadOptions): Uint8Array => {
  const form = new streams.ReadReq.Options.UUIDOption()
  form.setString(new shared.Empty())
  const options = new streams.ReadReq.Options()
  if (stream === undefined) targetAll(options, rest)
  else targetStream(options, stream, from)
  options.setNoFilter(new shared.Empty())
  options.setUuidOption(form)
  const request = new streams.ReadReq()
  request.setOptions(options)
  return request.serializeBinary()
}

type RequestOptions = InstanceType<typeof streams.ReadReq.Options>

const targetStream = (options: RequestOptions, stream: string, from: number): void => {
  const identifier = new shared.StreamIdentifier()
  identifier.setStreamName(Buffer.from(stream))
  const target = new streams.ReadReq.Options.StreamOptions()
  target.setStreamIdentifier(identifier)
  target.setRevision(`${from}`)
  options.setStream(target)
  options.setCount(`${Number.MAX_SAFE_INTEGER}`)
}

const targetAll = (options: RequestOptions, { after, limit }: ScanOptions): void => {
  const all = new streams.ReadReq.Options.AllOptions()
  if (after) {
    const position = new streams.ReadReq.Options.Position()
    position.setCommitPosition(`${after.commit}`)
    position.setPreparePosition(`${after.prepare}`)
    all.setPosition(position)
  } else all.setStart(new shared.Empty())
  options.setAll(all)
  // The event at the position comes first, and is not wanted.
  options.setCount(`${limit === undefined ? Number.MAX_SAFE_INTEGER : limit + (after ? 1 : 0)}`)
}

async function* readFrom(
  session: ClientHttp2Session,
  connection: Connection,
  options: ReadOptions,
): AsyncGenerator<ScannedEvent[]> {
  const { after, limit = Number.POSITIVE_INFINITY, signal, timeout = 30_000, requiresLeader = true } = options
  const call = session.request(headersOf(connection, '/event_store.client.streams.Streams/Read', requiresLeader))
  const status = statusOf(call)
  call.setTimeout(timeout, () => call.destroy(new StoreUnavailable(`the event store did not answer within ${timeout} ms`)))
  const abort = (): void => {
    call.destroy()
  }
  signal?.addEventListener('abort', abort, { once: true })
  if (signal?.aborted) abort()
  call.end(framed(readRequest(options)))
  let count = 0
  try {
    for await (const messages of messagesOf(call)) {
      const events: ScannedEvent[] = []
      for (const { bytes, from, to } of messages) {
        const event = decodeEvent(bytes, from, to)
        if (event && count < limit && (!after || event.position > after.commit)) {
          events.push(event)
          count++
        }
      }
      if (events.length > 0) yield events
    }
    if (!signal?.aborted) await status()
  } catch (error) {
    if (!signal?.aborted) throw error
  } finally {
    signal?.removeEventListener('abort', abort)
    call.destroy()
  }
}
