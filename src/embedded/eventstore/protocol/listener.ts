import type { Server as Http1Server } from 'node:http'
import type { Http2Server } from 'node:http2'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'

/** A certificate and its key, in PEM. */
export type TlsOptions = { readonly cert: string | Buffer; readonly key: string | Buffer }

/** What serves the connections, by the protocol that they speak. */
export type Servers = { readonly http2: Http2Server; readonly http1: Http1Server }

export type Listener = {
  readonly port: number
  /** Takes no more connections. */
  readonly refuse: () => void
  /** Ends those that are left, whatever their clients do; resolves when all are gone. */
  readonly destroy: () => Promise<void>
}

/** The first byte of a TLS handshake. */
const tlsHandshake = 0x16
/** HTTP/2 begins with `PRI * HTTP/2.0`; of the methods of HTTP/1.1, a POST and a PUT begin like it, but with one letter alone. */
const isHttp2 = (first: Buffer): boolean => first[0] === 0x50 && (first.length === 1 || first[1] === 0x52)

/**
 * One port for HTTP/2, HTTP/1.1 and, with a certificate, both over TLS: a connection's first byte, or what the handshake agreed on,
 * says which. With a certificate, plain connections are taken as well, so that they can be answered in words. Rejects where the port is
 * taken, and where the certificate or its key can't be used.
 */
export const listen = async (
  servers: Servers,
  { host, port, tls }: { host: string; port: number; tls?: TlsOptions | undefined },
): Promise<Listener> => {
  const sockets = new Set<Socket>()
  const secure =
    tls &&
    createTlsServer({ ...tls, ALPNProtocols: ['h2', 'http/1.1'] }, (socket: TLSSocket) => {
      socket.on('error', () => socket.destroy())
      // Who agrees on nothing speaks HTTP/1.1, as a browser or curl without HTTP/2 does.
      const server = socket.alpnProtocol === 'h2' ? servers.http2 : servers.http1
      server.emit('connection', socket)
    })
  // A handshake that fails is the client's to tell; the connection is gone with it.
  secure?.on('tlsClientError', (_, socket) => socket.destroy())
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    socket.once('readable', () => {
      const first: Buffer | null = socket.read()
      if (!first) return
      socket.unshift(first)
      if (secure && first[0] === tlsHandshake) secure.emit('connection', socket)
      else if (isHttp2(first)) servers.http2.emit('connection', socket)
      else servers.http1.emit('connection', socket)
    })
  })
  server.on('connection', (socket) => socket.setNoDelay(true))
  await bind(server, host, port)
  return {
    port: (server.address() as AddressInfo).port,
    refuse: () => {
      server.close()
    },
    destroy: () =>
      new Promise((resolve) => {
        if (sockets.size === 0) return resolve()
        const gone = (): void => {
          if (sockets.size === 0) resolve()
        }
        for (const socket of sockets) socket.once('close', gone).destroy()
      }),
  }
}

const bind = (server: Server, host: string, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port }, () => {
      server.off('error', reject)
      resolve()
    })
  })
