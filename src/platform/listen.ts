import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Server as NetServer, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { sleep } from './async.js'

/** The port can't be listened on; the message says why and what to do. */
export class PortUnusable extends Error {
  override readonly name = 'PortUnusable'
}

export type Listening = {
  /** `http://host:port`. */
  readonly address: string
  /** Takes no new connection, lets the requests that are being answered end, and after `patience` milliseconds cuts them off. */
  readonly drain: (patience: number) => Promise<void>
}

/** Serves HTTP on connections that somebody else has accepted. */
export type Accepting = Pick<Listening, 'drain'> & { readonly accept: (socket: Socket) => void }

/** Serves HTTP. Throws `PortUnusable`. */
export const listen = async (handler: RequestListener, host: string, port: number): Promise<Listening> => {
  const { server, drain } = createHttpServer(handler)
  return { address: await listenOn(server, host, port), drain }
}

export const acceptHttp = (handler: RequestListener): Accepting => {
  const { server, drain } = createHttpServer(handler)
  // Its time limits are watched from here on.
  server.emit('listening')
  return {
    accept: (socket) => {
      server.emit('connection', socket)
      socket.resume()
    },
    drain,
  }
}

/** Throws `PortUnusable`. Answers `http://host:port`. */
export const listenOn = async (server: NetServer, host: string, port: number): Promise<string> => {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(unusable(error, host, port)))
    server.listen(port, host, resolve)
  })
  return urlOf(server.address() as AddressInfo)
}

const createHttpServer = (handler: RequestListener): { readonly server: Server } & Pick<Listening, 'drain'> => {
  const sockets = new Set<Socket>()
  let draining = false
  const server = createServer({ requireHostHeader: false }, (request, response) => {
    if (request.headers.host === undefined && request.httpVersion === '1.1')
      return refuseNow(response, 400, 'a request names its Host')
    // A proxy may have read the one, and we the other.
    if ((request.headersDistinct.host?.length ?? 0) > 1) return refuseNow(response, 400, 'a request names its Host once')
    // A connection that is kept alive would otherwise outlive its last request.
    if (draining) response.setHeader('Connection', 'close')
    handler(request, response)
  })
  server.on('clientError', answerUnreadable)
  server.on('checkExpectation', (_, response: ServerResponse) => refuseNow(response, 417, 'Expect can only be 100-continue'))
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  const drain = async (patience: number) => {
    draining = true
    server.close()
    const cut = setTimeout(() => server.closeAllConnections(), patience)
    for (server.closeIdleConnections(); sockets.size > 0; await sleep(20)) server.closeIdleConnections()
    clearTimeout(cut)
  }
  return { server, drain }
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

/** What is no request of HTTP reaches no route: it is told so, and the connection ends, since nobody knows where the next one would begin. */
const answerUnreadable = (error: NodeJS.ErrnoException, socket: Duplex): void => {
  if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy()
  const [status, message] = unreadable[error.code ?? ''] ?? ['400 Bad Request', 'this is not a well-formed HTTP request']
  const body = JSON.stringify({ msg: message })
  socket.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
}

/** Throws `PortUnusable` at once instead of when everything else has been started. */
export const checkPort = async (host: string, port: number): Promise<void> => {
  const { drain } = await listen((_, response) => void response.writeHead(503).end(), host, port)
  await drain(0)
}

const urlOf = ({ address, family, port }: AddressInfo): string => `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`

const unusable = (error: NodeJS.ErrnoException, host: string, port: number): Error => {
  const why: Record<string, string> = {
    EADDRINUSE: `port ${port} on ${host} is in use by another program: stop that, or choose another port with PORT`,
    EACCES: `port ${port} on ${host} is not allowed to this user: choose one from 1024 on with PORT`,
    EADDRNOTAVAIL: `${host} is no address of this machine: choose another with HOST`,
    ENOTFOUND: `${host} is not known: choose another address with HOST`,
  }
  const message = why[error.code ?? '']
  return message ? new PortUnusable(message, { cause: error }) : error
}
