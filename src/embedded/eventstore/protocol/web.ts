import type { RequestListener } from 'node:http'
import type { ServerHttp2Stream } from 'node:http2'
import type { Store } from '../storage/store.js'
import { serverVersion } from './methods/about.js'

/** What `/stats` tells, in the words of EventStoreDB's. */
const statsOf = (store: Store) => {
  const { user, system } = process.cpuUsage()
  const segments = store.log.segments()
  return {
    proc: {
      startTime: new Date(Date.now() - process.uptime() * 1000).toISOString(),
      id: process.pid,
      /** Bytes. */
      mem: process.memoryUsage.rss(),
      /** Seconds of CPU time since the start. */
      cpuSeconds: (user + system) / 1e6,
    },
    es: {
      version: serverVersion,
      /** The position after the last event. */
      writer: { end: store.log.end() },
      log: { chunks: segments.length, bytes: segments.reduce((sum, { bytes }) => sum + bytes, 0) },
    },
  }
}

/** In the words of EventStoreDB, where the number is that of a message of its inside. */
const pong = JSON.stringify({ msgTypeId: 0, text: 'Ping request successfully handled' })

/** What a request beside gRPC is answered. */
export type WebAnswer = { readonly status: number; readonly type?: string; readonly body?: string }

/**
 * The few answers to plain HTTP: whether the node lives (as monitors and containers ask), and how it stands. Anything else is told that
 * this port speaks gRPC.
 */
export const createWeb =
  (store: Store) =>
  (method: string, url: string): WebAnswer => {
    const path = url.split('?')[0]
    const reads = method === 'GET' || method === 'HEAD'
    if (reads && path === '/health/live') return { status: 204 }
    if (reads && path === '/stats') return { status: 200, type: 'application/json', body: JSON.stringify(statsOf(store)) }
    if (reads && path === '/ping') return { status: 200, type: 'application/json', body: pong }
    return {
      status: 404,
      type: 'text/plain; charset=utf-8',
      body: 'This is an event store: clients speak gRPC to it. Else it answers GET /health/live, GET /ping and GET /stats.\n',
    }
  }

export type Web = ReturnType<typeof createWeb>

const headersOf = ({ type }: WebAnswer): Record<string, string> => (type === undefined ? {} : { 'content-type': type })

export const answerInHttp1 =
  (web: Web): RequestListener =>
  (request, response) => {
    // Whatever it sends is not wanted, nor is a connection that stays.
    request.resume()
    const answer = web(request.method ?? '', request.url ?? '')
    response.writeHead(answer.status, { ...headersOf(answer), connection: 'close' }).end(answer.body)
  }

/** Who agrees on HTTP/2 in a TLS handshake asks in it, as curl does. */
export const answerInHttp2 = (web: Web, stream: ServerHttp2Stream, method: string, path: string): void => {
  const answer = web(method, path)
  const hasBody = answer.body !== undefined && method !== 'HEAD'
  stream.respond({ ':status': answer.status, ...headersOf(answer) }, { endStream: !hasBody })
  if (hasBody) stream.end(answer.body)
  stream.resume()
}
