import type { RequestListener } from 'node:http'
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

/**
 * The few answers to HTTP/1.1: whether the node lives (as monitors and containers ask), and how it stands. Anything else is told that
 * this port speaks gRPC.
 */
export const serveHttp1 =
  (store: Store): RequestListener =>
  (request, response) => {
    const path = (request.url ?? '').split('?')[0]
    const reads = request.method === 'GET' || request.method === 'HEAD'
    // Whatever it sends is not wanted, nor is a connection that stays.
    request.resume()
    response.setHeader('connection', 'close')
    if (reads && path === '/health/live') response.writeHead(204).end()
    else if (reads && path === '/stats')
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(statsOf(store)))
    else
      response
        .writeHead(404, { 'content-type': 'text/plain; charset=utf-8' })
        .end('This is an event store: clients speak gRPC to it. In HTTP/1.1 it answers GET /health/live and GET /stats.\n')
  }
