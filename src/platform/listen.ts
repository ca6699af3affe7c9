import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'

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

/** Serves HTTP. Throws `PortUnusable`. */
export const listen = async (handler: RequestListener, host: string, port: number): Promise<Listening> => {
  let draining = false
  const server = createServer((request, response) => {
    // A connection that is kept alive would otherwise outlive its last request.
    if (draining) response.setHeader('Connection', 'close')
    handler(request, response)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(unusable(error, host, port)))
    server.listen(port, host, resolve)
  })
  const drain = async (patience: number) => {
    draining = true
    const idle = setInterval(() => server.closeIdleConnections(), 50)
    const cut = setTimeout(() => server.closeAllConnections(), patience)
    await new Promise<void>((resolve) => server.close(() => resolve()))
    clearInterval(idle)
    clearTimeout(cut)
  }
  return { address: urlOf(server.address() as AddressInfo), drain }
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
