import type { RequestListener } from 'node:http'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { type ConnectionLimits, createDoor } from './door.js'
import { type Accepting, acceptHttp, type HttpTimes } from './http-server.js'

/** The port can't be listened on; the message says why and what to do. */
export class PortUnusable extends Error {
  override readonly name = 'PortUnusable'
}

export type Listening = {
  /** `http://host:port`. */
  readonly address: string
  /** Takes no new connection, lets the requests that are being answered end, and after `patience` milliseconds cuts them off. */
  readonly drain: Accepting['drain']
}

export type ListenSettings = { readonly times?: HttpTimes; readonly connections?: ConnectionLimits }

/** Serves HTTP. Throws `PortUnusable`. */
export const listen = async (
  handler: RequestListener,
  host: string,
  port: number,
  { times, connections }: ListenSettings = {},
): Promise<Listening> => {
  const { accept, drain } = acceptHttp(handler, times)
  const enter = connections && createDoor(connections)
  const server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => {
    const leave = enter?.(socket)
    if (enter && !leave) return
    if (leave) socket.once('close', leave)
    accept(socket)
  })
  const address = await listenOn(server, host, port)
  return {
    address,
    drain: (patience) => {
      server.close()
      return drain(patience)
    },
  }
}

/** Throws `PortUnusable`. Answers `http://host:port`. */
export const listenOn = async (server: Server, host: string, port: number): Promise<string> => {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(unusable(error, host, port)))
    server.listen(port, host, resolve)
  })
  return urlOf(server.address() as AddressInfo)
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
