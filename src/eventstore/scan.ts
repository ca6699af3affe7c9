import { readFile } from 'node:fs/promises'
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type IncomingHttpHeaders } from 'node:http2'
import querystring from 'node:querystring'
import { parseConnectionString } from '@eventstore/db-client/dist/Client/parseConnectionString.js'
import gossip from '@eventstore/db-client/generated/gossip_pb.js'
import shared from '@eventstore/db-client/generated/shared_pb.js'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import { decodeEvent, type ScannedEvent } from './scan-decode.js'
import { type Position, StoreUnavailable } from './store.js'

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

type Endpoint = { readonly address: string; readonly port: number }
type Connection = ReturnType<typeof parseConnectionString>

const redirects = 3

/**
 * Reads `$all` in bulk, the system's events included: the client's own call over Node's HTTP/2, decoded by hand. Answers arrays, so
 * that a reader of millions waits a few thousand times. Throws `StoreUnavailable`.
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

class NotLeader extends Error {
  override readonly name = 'NotLeader'
  readonly leader: Endpoint

  constructor(leader: Endpoint) {
    super('the node is not the leader')
    this.leader = leader
  }
}

const unavailable = (error: unknown): StoreUnavailable =>
  error instanceof StoreUnavailable ? error : new StoreUnavailable((error as Error).message, { cause: error })

/** Bytes that may be on their way: enough to keep both sides busy, and held in memory by each reader. */
const windowSize = 1024 * 1024

const openSession = async (connection: Connection, { address, port }: Endpoint): Promise<ClientHttp2Session> => {
  const secure = connection.tls !== false
  const optionalFile = async (path: string | undefined) => (path ? await readFile(path) : undefined)
  const [ca, cert, key] = await Promise.all(
    [connection.tlsCAFile, connection.userCertFile, connection.userKeyFile].map(optionalFile),
  )
  const session = connect(`${secure ? 'https' : 'http'}://${address.includes(':') ? `[${address}]` : address}:${port}`, {
    settings: { initialWindowSize: windowSize },
    ...(secure && {
      ...(ca && { ca }),
      ...(cert && { cert }),
      ...(key && { key }),
    }),
  })
  return new Promise((resolve, reject) => {
    session.once('error', (error) => reject(unavailable(error)))
    session.once('connect', () => {
      // What breaks later ends the calls, and they say so.
      session.on('error', () => session.destroy())
      session.setLocalWindowSize(windowSize)
      resolve(session)
    })
  })
}

/** A call's headers, as the client sends them. Credentials travel over TLS alone. */
const headersOf = (connection: Connection, path: string, requiresLeader: boolean): Record<string, string> => {
  const { defaultCredentials: who, connectionName } = connection
  const secret = who && connection.tls !== false ? Buffer.from(`${who.username}:${who.password}`).toString('base64') : undefined
  return {
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    'connection-name': connectionName ?? 'tillroll',
    ...(requiresLeader && { 'requires-leader': 'true' }),
    ...(secret && { authorization: `Basic ${secret}` }),
  }
}

const prefixSize = 5

const framed = (message: Uint8Array): Buffer => {
  const out = Buffer.alloc(prefixSize + message.length)
  out.writeUInt32BE(message.length, 1)
  out.set(message, prefixSize)
  return out
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

type Message = { readonly bytes: Buffer; readonly from: number; readonly to: number }

/** The messages of a call, those of one chunk together. */
async function* messagesOf(call: ClientHttp2Stream): AsyncGenerator<Message[]> {
  let chunks: Buffer[] = []
  let held = 0
  let needed = prefixSize
  for await (const chunk of call as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    held += chunk.length
    if (held < needed) continue
    const bytes = chunks.length === 1 ? chunk : Buffer.concat(chunks)
    const messages: Message[] = []
    let at = 0
    for (;;) {
      needed = prefixSize
      if (bytes.length - at < needed) break
      needed += bytes.readUInt32BE(at + 1)
      if (bytes.length - at < needed) break
      messages.push({ bytes, from: at + prefixSize, to: at + needed })
      at += needed
    }
    chunks = at < bytes.length ? [bytes.subarray(at)] : []
    held = bytes.length - at
    yield messages
  }
}

/** Listens for how the call ends; the answered function waits for it and throws where it ended badly. */
const statusOf = (call: ClientHttp2Stream): (() => Promise<void>) => {
  let headers: IncomingHttpHeaders = {}
  let trailers: IncomingHttpHeaders = {}
  call.on('response', (found) => {
    headers = found
  })
  call.on('trailers', (found: IncomingHttpHeaders) => {
    trailers = found
  })
  const closed = new Promise<void>((resolve) => call.once('close', resolve))
  return async () => {
    await closed
    const all = { ...headers, ...trailers }
    if (all['grpc-status'] === '0') return
    if (all.exception === 'not-leader') {
      throw new NotLeader({ address: `${all['leader-endpoint-host']}`, port: Number(all['leader-endpoint-port']) })
    }
    const message = querystring.unescape(`${all['grpc-message'] ?? ''}`)
    throw new StoreUnavailable(`the event store ended the read: ${message || `status ${all['grpc-status'] ?? 'unknown'}`}`)
  }
}

/** The node to read from: the one that is named, or where several are, the leader that they name. */
const discover = async (connection: Connection): Promise<Endpoint> => {
  const { hosts, dnsDiscover } = connection
  if (hosts.length === 1 && !dnsDiscover) return hosts[0]!
  const attempts = connection.maxDiscoverAttempts ?? 10
  for (let attempt = 0; attempt < attempts; attempt++) {
    for (const host of hosts) {
      const found = await askGossip(connection, host).catch(() => undefined)
      if (found) return found
    }
    await new Promise((resolve) => setTimeout(resolve, connection.discoveryInterval ?? 100))
  }
  throw new StoreUnavailable(`no node of the event store was found in ${attempts} attempts`)
}

const askGossip = async (connection: Connection, host: Endpoint): Promise<Endpoint | undefined> => {
  const session = await openSession(connection, host)
  try {
    const call = session.request(headersOf(connection, '/event_store.client.gossip.Gossip/Read', false))
    call.setTimeout((connection.gossipTimeout ?? 5) * 1_000, () => call.destroy())
    call.end(framed(new shared.Empty().serializeBinary()))
    for await (const [message] of messagesOf(call)) {
      if (!message) continue
      const info = gossip.ClusterInfo.deserializeBinary(message.bytes.subarray(message.from, message.to))
      const { LEADER } = gossip.MemberInfo.VNodeState
      const leader = info.getMembersList().find((member) => member.getIsAlive() && member.getState() === LEADER)
      const at = leader?.getHttpEndPoint()
      if (at) return { address: at.getAddress(), port: at.getPort() }
    }
    return undefined
  } finally {
    session.destroy()
  }
}
