import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { sleep } from './async.js'
import { turnAway } from './door.js'

/** Milliseconds that a client has. */
export type HttpTimes = {
  /** To send the request line and the headers. */
  readonly headersTimeout: number
  /** To send a whole request. */
  readonly bodyTimeout: number
  /** To take some of what waits for it; up to twice as long after the last it took, as Node looks only now and then. */
  readonly stalledTimeout: number
}

export const usualTimes: HttpTimes = { headersTimeout: 10_000, bodyTimeout: 30_000, stalledTimeout: 20_000 }

/** Serves HTTP on connections that somebody else has accepted. */
export type Accepting = {
  readonly accept: (socket: Socket) => void
  /** Lets the requests that are being answered end, and after `patience` milliseconds cuts them off. */
  readonly drain: (patience: number) => Promise<void>
}

/** Bytes of the request line and the headers together, headers, and characters of the path and query. */
const headerSize = 16_384
const headerCount = 100
const longestUrl = 8_000

export const acceptHttp = (handler: RequestListener, times: HttpTimes = usualTimes): Accepting => {
  const server = createHttpServer(handler, times)
  const sockets = new Set<Socket>()
  // Its time limits are watched from here on.
  server.emit('listening')
  return {
    accept: (socket) => {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
      server.emit('connection', socket)
      socket.resume()
    },
    drain: async (patience) => {
      server.close()
      draining.add(server)
      const cut = setTimeout(() => server.closeAllConnections(), patience)
      for (server.closeIdleConnections(); sockets.size > 0; await sleep(20)) server.closeIdleConnections()
      clearTimeout(cut)
    },
  }
}

const draining = new WeakSet<Server>()

const createHttpServer = (handler: RequestListener, { headersTimeout, bodyTimeout, stalledTimeout }: HttpTimes): Server => {
  const underWay = createUnderWay()
  const server = createServer(
    {
      requireHostHeader: false,
      maxHeaderSize: headerSize,
      headersTimeout: Math.min(headersTimeout, bodyTimeout),
      requestTimeout: bodyTimeout,
      connectionsCheckingInterval: Math.min(1_000, Math.ceil(headersTimeout / 4)),
    },
    (request, response) => {
      underWay.begin(request, response)
      const refusal = refusalOf(request)
      if (refusal) return refuseNow(response, ...refusal)
      // A connection that is kept alive would otherwise outlive its last request.
      if (draining.has(server)) response.setHeader('Connection', 'close')
      handler(request, response)
    },
  )
  server.maxHeadersCount = headerCount
  server.timeout = stalledTimeout
  // Nothing came and nothing went for so long. Who waits for us may go on waiting; who takes nothing of what waits for them, or keeps a
  // connection open for nothing, may not.
  server.on('timeout', (socket) => {
    if (underWay.of(socket) > 0 && socket.writableLength === 0) socket.setTimeout(stalledTimeout)
    else socket.destroy()
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket) =>
    answerUnreadable(error, socket as Socket, underWay.isAnswered(socket as Socket)),
  )
  server.on('checkExpectation', (_, response: ServerResponse) => refuseNow(response, 417, 'Expect can only be 100-continue'))
  return server
}

/** What is known of each connection's requests: how many are being answered, and whether one was before all of it had come. */
const createUnderWay = () => {
  const answering = new WeakMap<Socket, number>()
  const answered = new WeakSet<Socket>()
  return {
    begin: (request: IncomingMessage, response: ServerResponse): void => {
      const { socket } = request
      answering.set(socket, (answering.get(socket) ?? 0) + 1)
      response.once('close', () => {
        answering.set(socket, answering.get(socket)! - 1)
        if (!request.complete) answered.add(socket)
      })
    },
    of: (socket: Socket): number => answering.get(socket) ?? 0,
    isAnswered: (socket: Socket): boolean => answered.has(socket),
  }
}

/** What is wrong with a request whatever it asks for. */
const refusalOf = ({
  headers,
  headersDistinct,
  httpVersion,
  url = '',
}: IncomingMessage): readonly [number, string] | undefined => {
  if (headers.host === undefined && httpVersion === '1.1') return [400, 'a request names its Host']
  // A proxy may have read the one, and we the other.
  if ((headersDistinct.host?.length ?? 0) > 1) return [400, 'a request names its Host once']
  if (url.length > longestUrl) return [414, `a path with its query has at most ${longestUrl} characters`]
  return undefined
}

/** Answers what reaches no route, and ends the connection. */
const refuseNow = (response: ServerResponse, status: number, message: string): void => {
  const body = JSON.stringify({ msg: message })
  const headers = {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    Connection: 'close',
  }
  response.writeHead(status, headers).end(body)
}

const unreadable: { readonly [code: string]: readonly [status: string, message: string] } = {
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'the request line and headers are too large together'],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'the request did not arrive in time'],
}

/**
 * What is no request of HTTP, or does not come to its end, reaches no route: it is told so, and the connection ends, since nobody knows
 * where the next one would begin. One that was answered before all of it had come gets no second answer.
 */
const answerUnreadable = (error: NodeJS.ErrnoException, socket: Socket, isAnswered: boolean): void => {
  if (!socket.writable || isAnswered || error.code === 'ECONNRESET') return void socket.destroy()
  turnAway(socket, ...(unreadable[error.code ?? ''] ?? ['400 Bad Request', 'this is not a well-formed HTTP request']))
}
