import { readFile } from 'node:fs/promises'
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type IncomingHttpHeaders } from 'node:http2'
import querystring from 'node:querystring'
import { parseConnectionString } from '@eventstore/db-client/dist/Client/parseConnectionString.js'
import gossip from '@eventstore/db-client/generated/gossip_pb.js'
import shared from '@eventstore/db-client/generated/shared_pb.js'
import { sleep } from '../platform/async.js'
import { unavailable } from './failures.js'
import { StoreUnavailable } from './store.js'

// gRPC over Node's HTTP/2, for the calls that carry every event: the client's own takes several times as long for each message.

export type Endpoint = { readonly address: string; readonly port: number }
export type Connection = ReturnType<typeof parseConnectionString>

export class NotLeader extends Error {
  override readonly name = 'NotLeader'
  readonly leader: Endpoint

  constructor(leader: Endpoint) {
    super('the node is not the leader')
    this.leader = leader
  }
}

/** Bytes that may be on their way: enough to keep both sides busy, and held in memory by each reader. */
const windowSize = 1024 * 1024

/** Milliseconds. */
const connectTimeout = 10_000

export const openSession = async (
  connection: Connection,
  { address, port }: Endpoint,
  patience = connectTimeout,
): Promise<ClientHttp2Session> => {
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
    const timer = setTimeout(() => session.destroy(new Error(`${address}:${port} did not answer`)), patience)
    session.once('error', (error) => {
      clearTimeout(timer)
      reject(unavailable(error))
    })
    session.once('connect', () => {
      clearTimeout(timer)
      // What breaks later ends the calls, and they say so.
      session.on('error', () => session.destroy())
      session.setLocalWindowSize(windowSize)
      resolve(session)
    })
  })
}

/** A call's headers, as the client sends them. Credentials travel over TLS alone. */
export const headersOf = (connection: Connection, path: string, requiresLeader: boolean): Record<string, string> => {
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

export const framed = (message: Uint8Array): Buffer => {
  const out = Buffer.alloc(prefixSize + message.length)
  out.writeUInt32BE(message.length, 1)
  out.set(message, prefixSize)
  return out
}

export type Message = { readonly bytes: Buffer; readonly from: number; readonly to: number }

/** The messages of a call, those of one chunk together. */
export async function* messagesOf(call: ClientHttp2Stream): AsyncGenerator<Message[]> {
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
export const statusOf = (call: ClientHttp2Stream): (() => Promise<void>) => {
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
    const status = Number(all['grpc-status'])
    throw unavailable(
      Object.assign(new Error(`the event store ended the call: ${message || `status ${all['grpc-status'] ?? 'unknown'}`}`), {
        ...(Number.isInteger(status) && { code: status }),
      }),
    )
  }
}

/** The node to read from: the one that is named, or where several are, the leader that they name. */
export const discover = async (connection: Connection): Promise<Endpoint> => {
  const { hosts, dnsDiscover } = connection
  if (hosts.length === 1 && !dnsDiscover) return hosts[0]!
  const attempts = connection.maxDiscoverAttempts ?? 10
  for (let attempt = 0; attempt < attempts; attempt++) {
    for (const host of hosts) {
      const found = await askGossip(connection, host).catch(() => undefined)
      if (found) return found
    }
    await sleep(connection.discoveryInterval ?? 100)
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

/** The one connection on which a process makes its long calls: opened when it is needed, and again when it was lost. */
export type Channel = {
  /** A call to the node that takes writes, or the one that it named. Throws `StoreUnavailable`. */
  readonly call: (path: string) => Promise<ClientHttp2Stream>
  /** Whoever was called is not the leader: the next calls go to this node, until the connection is lost. */
  readonly redirect: (leader: Endpoint) => void
  readonly close: () => void
}

export const createChannel = (url: string): Channel => {
  const connection = parseConnectionString(url)
  let opened: Promise<ClientHttp2Session> | undefined
  let closed = false

  const open = (endpoint?: Endpoint): Promise<ClientHttp2Session> => {
    const opening = (async () => openSession(connection, endpoint ?? (await discover(connection))))()
    const lost = (): void => {
      if (opened === opening) opened = undefined
    }
    opening.then((session) => {
      if (closed) return session.destroy()
      // A node that stops says so first; whatever is under way may end in order.
      for (const event of ['goaway', 'close']) session.once(event, lost)
      keepAlive(session, connection)
    }, lost)
    return opening
  }

  return {
    call: async (path) => {
      if (closed) throw new StoreUnavailable('the connection to the event store is closed')
      opened ??= open()
      try {
        return (await opened).request(headersOf(connection, path, true))
      } catch (error) {
        throw unavailable(error)
      }
    },
    redirect: (leader) => {
      const before = opened
      opened = open(leader)
      before?.then((session) => session.close()).catch(() => undefined)
    },
    close: () => {
      closed = true
      opened?.then((session) => session.destroy()).catch(() => undefined)
    },
  }
}

/** A connection whose other end is gone without a word would be silent for ever: it is asked, as often as the client asks. */
const keepAlive = (session: ClientHttp2Session, { keepAliveInterval = 10_000, keepAliveTimeout = 10_000 }: Connection): void => {
  if (keepAliveInterval < 0) return
  let answered = true
  const timer = setInterval(() => {
    if (!answered) return
    answered = false
    const patience = setTimeout(() => session.destroy(new Error('the event store does not answer')), keepAliveTimeout)
    const pong = (error: Error | null): void => {
      clearTimeout(patience)
      answered = !error
    }
    if (session.destroyed || !session.ping(pong)) clearTimeout(patience)
  }, keepAliveInterval)
  timer.unref()
  session.once('close', () => clearInterval(timer))
}
