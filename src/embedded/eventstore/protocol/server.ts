import { createServer as createHttp1Server } from 'node:http'
import { constants, createServer, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import { TLSSocket } from 'node:tls'
import { sleep } from '../../../platform/async.js'
import { type Handler, refuse, serveCall } from './call.js'
import { codes, createLedger, type Status } from './framing.js'
import { type Listener, listen, type TlsOptions } from './listener.js'
import { answerInHttp1, answerInHttp2, type Web } from './web.js'

/** Another kind of request on the same port; `true` where it took it. */
export type Aside = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => boolean

export type ServerOptions = {
  readonly host: string
  /** 0: any that is free. */
  readonly port: number
  readonly tls?: TlsOptions | undefined
  readonly aside: Aside
  /** Answers what is not gRPC. */
  readonly web: Web
}

export type GrpcServer = {
  readonly port: number
  /** Every call gets its last word. Ends within about a second, whatever the clients do. */
  readonly stop: () => Promise<void>
}

/** What all calls together may hold of requests that are not finished, in bytes. */
const maxHeld = 256 * 1024 * 1024

/** Milliseconds after which a connection in HTTP/1.1 that says nothing is closed. */
const idleHttp1 = 10_000

const unencrypted: Status = { code: codes.unavailable, message: 'this node is served over TLS: connect with tls=true' }

/** gRPC over Node's own HTTP/2: frames that are stored are sent as they are. */
export const serveGrpc = async (
  methods: ReadonlyMap<string, Handler>,
  { host, port, tls, aside, web }: ServerOptions,
): Promise<GrpcServer> => {
  /** Each stream that is open, with what ends its call in words. */
  const open = new Map<ServerHttp2Stream, (() => void) | undefined>()
  const sessions = new Set<ServerHttp2Session>()
  const ledger = createLedger(maxHeld)
  // What a slow reader has not taken counts against its whole connection, whose other calls must go on.
  const http2 = createServer({
    maxSessionMemory: 1_000,
    settings: { initialWindowSize: 1024 * 1024, maxConcurrentStreams: 10_000 },
  })
  http2.on('session', (session) => {
    sessions.add(session)
    session.setLocalWindowSize(8 * 1024 * 1024)
    session.on('close', () => sessions.delete(session))
    // A client that goes away without a word ends its calls, no more.
    session.on('error', () => session.destroy())
  })
  http2.on('stream', (stream, headers) => {
    open.set(stream, undefined)
    stream.on('close', () => open.delete(stream))
    stream.on('error', () => stream.destroy())
    if (aside(stream, headers)) return
    const { ':method': method = '', ':path': path = '' } = headers
    if (method === 'GET' || method === 'HEAD') return answerInHttp2(web, stream, method, path)
    const handler = methods.get(path)
    if (tls && !(stream.session?.socket instanceof TLSSocket)) refuse(stream, unencrypted)
    else if (method === 'POST' && handler) open.set(stream, serveCall(stream, headers, handler, ledger()))
    else refuse(stream, { code: codes.unimplemented, message: `${path} is not served` })
  })
  const listener = await listen(
    { http2, http1: createHttp1Server(answerInHttp1(web)).setTimeout(idleHttp1) },
    { host, port, tls },
  )
  return { port: listener.port, stop: () => stop(listener, open, sessions) }
}

/** Milliseconds for a client that reads to take its last word. */
const lastWordTime = 300
/** Milliseconds for what was reset to be told of it. */
const resetTime = 300

const sleepUntil = async (isDone: () => boolean, milliseconds: number): Promise<void> => {
  const end = performance.now() + milliseconds
  while (!isDone() && performance.now() < end) await sleep(10)
}

/**
 * Trailers first, for whoever reads. A client that reads no further has no room for them, but a reset needs none: it sees CANCELLED. One
 * that is suspended takes not even that, and loses its connection.
 */
const stop = async (
  listener: Listener,
  open: ReadonlyMap<ServerHttp2Stream, (() => void) | undefined>,
  sessions: ReadonlySet<ServerHttp2Session>,
): Promise<void> => {
  listener.refuse()
  for (const endCall of [...open.values()]) endCall?.()
  for (const session of sessions) if (!session.destroyed) session.close()
  await sleepUntil(() => open.size === 0, lastWordTime)
  for (const stream of [...open.keys()]) stream.close(constants.NGHTTP2_CANCEL)
  await sleepUntil(() => sessions.size === 0, resetTime)
  await listener.destroy()
}
