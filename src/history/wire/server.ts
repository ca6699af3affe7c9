import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls'
import type { Sql } from '../sql.js'
import { errorMessage, WireError } from './errors.js'
import { createFrames, int32, message, ProtocolViolation, text } from './frames.js'
import { settings } from './local.js'
import { createSession } from './session.js'

/** Somebody who has logged in: whether they still may ask is asked again now and then. */
export type Guest = { readonly isAllowed: () => Promise<boolean> }

export type WireOptions = {
  readonly sql: Sql
  readonly host: string
  readonly port: number
  /** Left out: passwords come as they are, which is for loopback alone. */
  readonly tls?: { readonly key: Buffer; readonly cert: Buffer } | undefined
  /** Answers nothing where e-mail or password are wrong, or the user may not read the history. Throws `WireError`. */
  readonly logIn: (email: string, password: string, address: string) => Promise<Guest | undefined>
  /** What goes wrong with a connection, beside what its client is told. */
  readonly onError: (error: unknown) => void
}

export type Wire = { readonly address: { readonly host: string; readonly port: number }; readonly close: () => Promise<void> }

/** Bytes that a message may have, before and after the log-in. */
const firstMost = 10_000
const most = 16 * 1_024 * 1_024
const mostConnections = 50
/** Milliseconds in which a client must have logged in, and after which a guest's right is asked for again. */
const logInWithin = 30_000
const allowedFor = 5_000

const sslRequest = 80_877_103
const gssRequest = 80_877_104
const cancelRequest = 80_877_102

/** Serves the history over PostgreSQL's wire protocol, read-only. Rejects where the port can't be had. */
export const serveWire = async (options: WireOptions): Promise<Wire> => {
  const context = options.tls && createSecureContext(options.tls)
  const cancels = new Map<string, () => void>()
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    if (sockets.size >= mostConnections) {
      socket.end(errorMessage(new WireError('53300', `there are ${mostConnections} connections already`), 'FATAL'))
      return
    }
    sockets.add(socket)
    socket.setNoDelay(true)
    // What the socket has to say is heard where it is read and written.
    socket.on('error', () => socket.destroy())
    socket.once('close', () => sockets.delete(socket))
    converse(socket, context, cancels, options)
      .catch(options.onError)
      .finally(() => socket.destroy())
  })
  server.listen(options.port, options.host)
  await once(server, 'listening')
  const { address, port } = server.address() as { address: string; port: number }
  return { address: { host: address, port }, close: () => closeAll(server, sockets) }
}

const closeAll = async (server: Server, sockets: ReadonlySet<Socket>): Promise<void> => {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  for (const socket of sockets) socket.destroy()
  await closed
}

type Cancels = Map<string, () => void>

const converse = async (
  plain: Socket,
  context: SecureContext | undefined,
  cancels: Cancels,
  options: WireOptions,
): Promise<void> => {
  const timer = setTimeout(() => plain.destroy(), logInWithin)
  let socket: Socket = plain
  try {
    const started = await greet(plain, context, cancels)
    if (!started) return
    socket = started.socket
    const send = sender(socket)
    const guest = await authenticate(started, send, options)
    clearTimeout(timer)
    await serveGuest(started, guest, send, cancels, options)
  } catch (error) {
    if (!(error instanceof WireError || error instanceof ProtocolViolation)) throw error
    const told = error instanceof WireError ? error : new WireError('08P01', error.message)
    socket.end(errorMessage(told, 'FATAL'))
    await once(socket, 'close')
  } finally {
    clearTimeout(timer)
  }
}

type Started = {
  readonly socket: Socket
  readonly frames: ReturnType<typeof createFrames>
  readonly user: string
}

/** The first messages of a connection. `undefined`: it has nothing more to say. */
const greet = async (plain: Socket, context: SecureContext | undefined, cancels: Cancels): Promise<Started | undefined> => {
  let socket = plain
  let frames = createFrames(socket)
  for (;;) {
    const first = await frames.next(false, firstMost)
    if (!first) return undefined
    const code = first.body.int32()
    if (code === cancelRequest) {
      cancels.get(`${first.body.int32()} ${first.body.int32()}`)?.()
      return undefined
    }
    if (code === sslRequest && context && socket === plain) {
      // What was sent before the handshake could have been put there by somebody else.
      if (frames.isPending()) throw new WireError('08P01', 'something was sent before the handshake')
      await frames.release()
      plain.write('S')
      socket = new TLSSocket(plain, { isServer: true, secureContext: context })
      socket.on('error', () => socket.destroy())
      frames = createFrames(socket)
    } else if (code === sslRequest || code === gssRequest) socket.write('N')
    else if (code >>> 16 !== 3) throw new WireError('08P01', 'the protocol is spoken in version 3 here')
    else if (context && socket === plain) throw new WireError('28000', 'only over TLS: connect with sslmode=require')
    else return { socket, frames, user: userOf(first.body) }
  }
}

const userOf = (body: { readonly text: () => string; readonly left: () => number }): string => {
  let user = ''
  while (body.left() > 1) {
    const [name, value] = [body.text(), body.text()]
    if (name === 'user') user = value
  }
  return user
}

const sender =
  (socket: Socket) =>
  async (bytes: Buffer): Promise<void> => {
    if (socket.destroyed || socket.write(bytes)) return
    await Promise.race([once(socket, 'drain'), once(socket, 'close')])
  }

const authenticate = async (
  { socket, frames, user }: Started,
  send: (bytes: Buffer) => Promise<void>,
  { logIn }: WireOptions,
): Promise<Guest> => {
  await send(message('R', int32(3)))
  const answer = await frames.next(true, firstMost)
  const guest = answer?.letter === 'p' ? await logIn(user, answer.body.text(), socket.remoteAddress ?? '') : undefined
  if (!guest) {
    throw new WireError(
      '28P01',
      `log in with the e-mail address and the password of an analyst, or of staff: not accepted for ${JSON.stringify(user)}`,
    )
  }
  return guest
}

const serveGuest = async (
  { socket, frames }: Started,
  guest: Guest,
  send: (bytes: Buffer) => Promise<void>,
  cancels: Cancels,
  { sql }: WireOptions,
): Promise<void> => {
  const asker = await sql.connect()
  let askedAt = performance.now()
  const assertAllowed = async (): Promise<void> => {
    if (performance.now() - askedAt < allowedFor) return
    if (!(await guest.isAllowed())) throw new WireError('42501', 'you may not read the history any more: log in again')
    askedAt = performance.now()
  }
  const session = createSession({ sql, asker, send, assertAllowed })
  const key: readonly [number, number] = [randomInt(1, 2 ** 31), randomInt(0, 2 ** 31)]
  cancels.set(key.join(' '), session.cancel)
  socket.once('close', session.cancel)
  try {
    await send(message('R', int32(0)))
    for (const name of reported) await send(message('S', text(name), text(settings[name.toLowerCase()]!)))
    await send(message('K', int32(key[0]), int32(key[1])))
    await session.start()
    for (;;) {
      const next = await frames.next(true, most)
      if (!next || next.letter === 'X') return
      await session.handle(next)
    }
  } finally {
    cancels.delete(key.join(' '))
    session.close()
    asker.close()
  }
}

const reported = [
  'server_version',
  'server_encoding',
  'client_encoding',
  'DateStyle',
  'TimeZone',
  'integer_datetimes',
  'standard_conforming_strings',
  'is_superuser',
  'default_transaction_read_only',
  'in_hot_standby',
]
