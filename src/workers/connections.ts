import type { ChildProcess } from 'node:child_process'
import { createServer, type Socket } from 'node:net'
import { type ConnectionLimits, createDoor } from '../platform/door.js'
import { listenOn } from '../platform/listen.js'
import { isClosed, isHandover } from './calls.js'

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
export const createConnections = (limits: ConnectionLimits): Connections => {
  const enter = createDoor(limits)
  const workers = new Map<ChildProcess, Map<number, Held>>()
  const unserved: Held[] = []
  let last = 0

  const hand = (held: Held): void => {
    const [next] = workers
    if (!next) return void unserved.push(held)
    const [worker, given] = next
    // The first becomes the last: the next connection is another's.
    workers.delete(worker)
    workers.set(worker, given)
    const connection = ++last
    given.set(connection, held)
    // That it could not be sent is told by the worker's exit too.
    worker.send({ connection }, held.socket, { keepOpen: true }, () => undefined)
  }

  const server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => {
    socket.on('error', () => socket.destroy())
    const leave = enter(socket)
    if (leave) hand({ socket, leave })
  })

  const add = (worker: ChildProcess): void => {
    const given = new Map<number, Held>()
    /** Those of the connections that it has: what to call once they are closed. */
    const theirs = new Map<number, () => void>()
    workers.set(worker, given)
    worker.on('message', (message) => {
      if (isHandover(message)) {
        const held = given.get(message.connection)
        held?.socket.destroy()
        given.delete(message.connection)
        if (held) theirs.set(message.connection, held.leave)
      } else if (isClosed(message)) {
        theirs.get(message.closed)?.()
        theirs.delete(message.closed)
      }
    })
    worker.once('exit', () => {
      workers.delete(worker)
      for (const leave of theirs.values()) leave()
      for (const held of given.values()) hand(held)
    })
    for (const held of unserved.splice(0)) hand(held)
  }

  return {
    listen: (host, port) => listenOn(server, host, port),
    add,
    close: () =>
      new Promise((resolve) => {
        for (const { socket } of unserved.splice(0)) socket.destroy()
        server.close(() => resolve())
        // What was handed over is the workers' to end.
        for (const given of workers.values()) for (const { socket } of given.values()) socket.unref()
        resolve()
      }),
  }
}

/** A connection, and what to call once it is closed. */
type Held = { readonly socket: Socket; readonly leave: () => void }
