import type { ChildProcess } from 'node:child_process'
import { createServer, type Socket } from 'node:net'
import { listenOn } from '../platform/listen.js'
import { isHandover } from './calls.js'

/** Hands each connection to one of several processes. */
export type Connections = {
  /** Throws `PortUnusable`. Answers the address. */
  readonly listen: (host: string, port: number) => Promise<string>
  /** From now on the worker gets its share. */
  readonly add: (worker: ChildProcess) => void
  /** Takes no more connections. */
  readonly close: () => Promise<void>
}

/**
 * Accepts in one process, so that the port stays taken whatever becomes of the others, and hands sockets over unread, to one worker after
 * the other. A copy is kept until the worker says that it has the socket: what a dying one was given goes to the next. (The distribution of
 * node:cluster keeps no such copy, and a client would wait for ever.)
 */
export const createConnections = (): Connections => {
  const workers = new Map<ChildProcess, Map<number, Socket>>()
  const unserved: Socket[] = []
  let last = 0

  const hand = (socket: Socket): void => {
    const [next] = workers
    if (!next) return void unserved.push(socket)
    const [worker, given] = next
    // The first becomes the last: the next connection is another's.
    workers.delete(worker)
    workers.set(worker, given)
    const connection = ++last
    given.set(connection, socket)
    // That it could not be sent is told by the worker's exit too.
    worker.send({ connection }, socket, { keepOpen: true }, () => undefined)
  }

  const server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => {
    socket.on('error', () => socket.destroy())
    hand(socket)
  })

  return {
    listen: (host, port) => listenOn(server, host, port),
    add: (worker) => {
      const given = new Map<number, Socket>()
      workers.set(worker, given)
      worker.on('message', (message) => {
        if (!isHandover(message)) return
        given.get(message.connection)?.destroy()
        given.delete(message.connection)
      })
      worker.once('exit', () => {
        workers.delete(worker)
        for (const socket of given.values()) hand(socket)
      })
      for (const socket of unserved.splice(0)) hand(socket)
    },
    close: () =>
      new Promise((resolve) => {
        for (const socket of unserved.splice(0)) socket.destroy()
        server.close(() => resolve())
        // What was handed over is the workers' to end.
        for (const given of workers.values()) for (const socket of given.values()) socket.unref()
        resolve()
      }),
  }
}
