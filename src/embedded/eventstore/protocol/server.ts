import {
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import { codes, createLedger, framed, type Hold, type Receiver, receive, type Status, shortened } from './framing.js'

/** One call of a method. */
export type Call = {
  readonly headers: IncomingHttpHeaders
  /** Sends a message; those of one turn leave in one write. */
  readonly send: (message: Uint8Array) => void
  /**
   * Sends messages that have their prefix already. At most two such writes are on their way: it waits for the one before to be taken, so
   * that there is always something for a client that takes it. `false` once the call is over.
   */
  readonly write: (messages: Uint8Array) => Promise<boolean>
  readonly end: (status?: Status) => void
  readonly isOver: () => boolean
  /** Called once, whoever ends the call. */
  readonly onOver: (listener: () => void) => void
  /** When the node stops: what this call is answered then. */
  readonly onStop: (status: Status) => void
  /** Milliseconds that the client waits at most. */
  readonly timeout: number | undefined
  /** Counts what the call holds of its request; `false` where that is too much. What is not let go of is when the call is over. */
  readonly hold: Hold
}

/** What a method does with a call's messages. */
export type Handler = (call: Call) => Receiver

/** Another kind of request on the same port; `true` where it took it. */
export type Aside = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => boolean

export type GrpcServer = {
  readonly port: number
  readonly stop: () => Promise<void>
}

/** What all calls together may hold of requests that are not finished, in bytes. */
const maxHeld = 256 * 1024 * 1024

/** gRPC over Node's own HTTP/2: frames that are stored are sent as they are. */
export const serveGrpc = async (
  methods: ReadonlyMap<string, Handler>,
  { host, port, aside }: { host: string; port: number; aside: Aside },
): Promise<GrpcServer> => {
  const calls = new Set<() => void>()
  const sessions = new Set<ServerHttp2Session>()
  const ledger = createLedger(maxHeld)
  // What a slow reader has not taken counts against its whole connection, whose other calls must go on.
  const server = createServer({
    maxSessionMemory: 1_000,
    settings: { initialWindowSize: 1024 * 1024, maxConcurrentStreams: 10_000 },
  })
  server.on('session', (session) => {
    sessions.add(session)
    session.setLocalWindowSize(8 * 1024 * 1024)
    session.on('close', () => sessions.delete(session))
    // A client that goes away without a word ends its calls, no more.
    session.on('error', () => session.destroy())
  })
  server.on('stream', (stream, headers) => {
    stream.on('error', () => stream.destroy())
    if (aside(stream, headers)) return
    const handler = methods.get(headers[':path'] ?? '')
    if (headers[':method'] === 'POST' && handler) serveCall(stream, headers, handler, calls, ledger())
    else refuse(stream, { code: codes.unimplemented, message: `${headers[':path']} is not served` })
  })
  await listen(server, host, port)
  return {
    port: (server.address() as AddressInfo).port,
    stop: () => stop(server, calls, sessions),
  }
}

const listen = (server: Http2Server, host: string, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port }, () => {
      server.off('error', reject)
      resolve()
    })
  })

const goodbyeTime = 500

/** Every call gets its last word; a client that doesn't take it is cut off. */
const stop = (server: Http2Server, calls: ReadonlySet<() => void>, sessions: ReadonlySet<ServerHttp2Session>): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve())
    for (const end of [...calls]) end()
    for (const session of sessions) session.close()
    const timer = setTimeout(() => {
      for (const session of sessions) session.destroy()
    }, goodbyeTime)
    server.once('close', () => clearTimeout(timer))
  })

/** HTTP headers hold ASCII: a gRPC message is percent-encoded. */
const encoded = (message: string): string =>
  shortened(message).replace(/[^\x20-\x24\x26-\x7e]+/gu, (part) => encodeURIComponent(part).replaceAll("'", '%27'))

const trailersOf = ({ code, message, trailers }: Status): Record<string, string> => ({
  ...trailers,
  'grpc-status': `${code}`,
  ...(message && { 'grpc-message': encoded(message) }),
})

const contentType = { ':status': 200, 'content-type': 'application/grpc+proto' }

const refuse = (stream: ServerHttp2Stream, status: Status): void => {
  if (stream.destroyed || stream.closed) return
  stream.respond({ ...contentType, ...trailersOf(status) }, { endStream: true })
  stream.resume()
}

const serveCall = (
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  handler: Handler,
  calls: Set<() => void>,
  holdOf: Hold,
): void => {
  let over = false
  let held = 0
  let status: Status = { code: codes.ok, message: '' }
  let waiting: Buffer[] = []
  let onStop: Status = { code: codes.unavailable, message: 'the node is stopping' }
  const listeners = new Set<() => void>()
  let written: Promise<void> = Promise.resolve()
  let timer: NodeJS.Timeout | undefined

  const finish = (): void => {
    calls.delete(stopped)
    if (over) return
    over = true
    holdOf(-held)
    clearTimeout(timer)
    for (const listener of listeners) listener()
  }

  const flush = (): void => {
    if (waiting.length === 0 || stream.destroyed || stream.closed) return
    const bytes = waiting.length === 1 ? waiting[0]! : Buffer.concat(waiting)
    waiting = []
    respond()
    stream.write(bytes)
  }

  const respond = (): void => {
    if (!stream.headersSent) stream.respond(contentType, { waitForTrailers: true })
  }

  const end = (last: Status = status): void => {
    if (over) return
    flush()
    status = last
    finish()
    if (stream.destroyed || stream.closed) return
    if (stream.headersSent) stream.end()
    else refuse(stream, status)
    // What the client still sends is not read any more, but must not hold up its other calls.
    stream.resume()
  }

  const stopped = (): void => end(onStop)
  calls.add(stopped)
  stream.on('wantTrailers', () => stream.sendTrailers(trailersOf(status)))
  stream.on('aborted', finish)
  stream.on('close', finish)

  const timeout = parseTimeout(headers['grpc-timeout'])
  if (timeout !== undefined) {
    timer = setTimeout(
      () => end({ code: codes.deadlineExceeded, message: 'the deadline has passed' }),
      Math.min(timeout, 2 ** 31 - 1),
    )
  }

  const hold: Hold = (bytes) => {
    if (over) return true
    if (!holdOf(bytes)) return false
    held += bytes
    return true
  }

  const call: Call = {
    headers,
    timeout,
    hold,
    send: (message) => {
      if (over) return
      if (waiting.length === 0) queueMicrotask(flush)
      waiting.push(framed(message))
    },
    write: async (messages) => {
      flush()
      if (over || stream.destroyed || stream.closed) return false
      respond()
      const before = written
      written = new Promise((resolve) => {
        const taken = (): void => {
          listeners.delete(taken)
          resolve()
        }
        listeners.add(taken)
        stream.write(messages, taken)
      })
      await before
      return !over
    },
    end,
    isOver: () => over,
    onOver: (listener) => {
      listeners.add(listener)
    },
    onStop: (last) => {
      onStop = last
    },
  }
  receive(stream, handler(call), { hold, finish: end, isOver: call.isOver })
}

const units: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 }

const parseTimeout = (header: string | string[] | undefined): number | undefined => {
  const match = typeof header === 'string' ? /^(\d{1,8})([HMSmun])$/.exec(header) : null
  return match ? Number(match[1]) * units[match[2]!]! : undefined
}
