import type { Socket } from 'node:net'
import { connect } from '../connect.js'
import { type App, startApp } from '../main.js'
import { readConfig } from '../platform/config.js'
import { acceptHttp } from '../platform/http-server.js'
import { createLog } from '../platform/log.js'
import { createPeer } from '../platform/peer.js'
import { isHandover, type PrimaryCalls, type Stores, type WorkerCalls } from './calls.js'
import { createSharedOwnWrites } from './own-writes.js'
import { createSharedLimiter } from './rate-limits.js'

// One process of several that serve a shop's HTTP, forked by `pool.ts`; it has no life of its own.

const config = readConfig()
const log = createLog(config.logLevel, { format: config.logFormat })
const ownWrites = createSharedOwnWrites((entries) => primary.call('wrote', entries))
let app: App | undefined

const listen: typeof acceptHttp = (handler) => {
  const server = acceptHttp(handler, config)
  process.on('message', (message, socket) => {
    if (!isHandover(message)) return
    process.send!(message)
    // Whoever has left meanwhile has no socket any more.
    if (socket) {
      server.accept(socket as Socket)
      ;(socket as Socket).once('close', () => process.connected && process.send!({ closed: message.connection }))
    } else process.send!({ closed: message.connection })
  })
  return server
}

const serve = async (stores: Stores): Promise<void> => {
  const connections = await connect({ ...config, ...stores }, { join: false, log })
  const several = config.httpWorkers! > 1
  app = await startApp(config, {
    connections,
    role: 'api',
    log,
    workers: {
      listen,
      metrics: () => primary.call('metrics', undefined as never),
      bridges: () => primary.call('bridges', undefined as never),
      ...(several && { ownWrites, limiter: createSharedLimiter((count) => primary.call('count', count)) }),
    },
  })
  void app.failed.then((reason) => primary.call('failed', reason))
}

const stop = async (): Promise<never> => {
  await app?.stop()
  process.exit(0)
}

const calls: WorkerCalls = {
  serve,
  wrote: ownWrites.learn,
  metrics: async () => (await app?.registry.getMetricsAsJSON()) ?? [],
  // What follows from it ends this process: it isn't waited for by who asked.
  stop: () => void stop(),
}
const primary = createPeer<PrimaryCalls>(process, calls)

// A key press on a terminal reaches every process of its group; the one that forked this one says when to stop.
process.on('SIGINT', () => undefined)
process.on('SIGTERM', () => void stop())
process.on('disconnect', () => process.exit(1))
