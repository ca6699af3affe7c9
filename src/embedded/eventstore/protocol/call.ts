import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import { codes, framed, type Hold, type Receiver, receive, type Status, shortened } from './framing.js'

/** One call of a method. */
export type Call = {
  readonly headers: IncomingHttpHeaders
  /** The address of this machine that the client reached. */
  readonly localAddress: string | undefined
  /** Sends a message; those of one turn leave in one write. */
  readonly send: (message: Uint8Array) => void
  /**
   * Sends messages that have their prefix already. At most two such writes are on their way: it waits for the one before to be taken, so
   * that there is always something for a client that takes it. `false` once the call is over.
   */
  readonly write: (messages: Uint8Array) => Promise<boolean>
  readonly end: (status?: Status) => void
  readonly isOver: () => boolean
  /** Called once, whoever ends the call. */
  readonly onOver: (listener: () => void) => void
  /** When the node stops: what this call is answered then. */
  readonly onStop: (status: Status) => void
  /** Milliseconds that the client waits at most. */
  readonly timeout: number | undefined
  /** Counts what the call holds of its request; `false` where that is too much. What is not let go of is when the call is over. */
  readonly hold: Hold
}

/** What a method does with a call's messages. */
export type Handler = (call: Call) => Receiver

/** How a call stands. */
type State = {
  readonly stream: ServerHttp2Stream
  readonly holdOf: Hold
  over: boolean
  /** Bytes that count against all calls' limit. */
  held: number
  /** What the trailers will say. */
  status: Status
  onStop: Status
  /** Messages of this turn. */
  unsent: Buffer[]
  /** Resolves when the last write was taken. */
  taken: Promise<void>
  deadline: NodeJS.Timeout | undefined
  readonly listeners: Set<() => void>
}

/** HTTP headers hold ASCII: a gRPC message is percent-encoded. */
const encoded = (message: string): string =>
  shortened(message).replace(/[^\x20-\x24\x26-\x7e]+/gu, (part) => encodeURIComponent(part).replaceAll("'", '%27'))

const trailersOf = ({ code, message, trailers }: Status): Record<string, string> => ({
  ...trailers,
  'grpc-status': `${code}`,
  ...(message && { 'grpc-message': encoded(message) }),
})

const responseHeaders = { ':status': 200, 'content-type': 'application/grpc+proto' }

const isGone = (stream: ServerHttp2Stream): boolean => stream.destroyed || stream.closed

/** Answers a call that no method takes. */
export const refuse = (stream: ServerHttp2Stream, status: Status): void => {
  if (isGone(stream)) return
  stream.respond({ ...responseHeaders, ...trailersOf(status) }, { endStream: true })
  stream.resume()
}

const begin = ({ stream }: State): void => {
  if (!stream.headersSent) stream.respond(responseHeaders, { waitForTrailers: true })
}

const flush = (state: State): void => {
  const { stream, unsent } = state
  if (unsent.length === 0 || isGone(stream)) return
  const bytes = unsent.length === 1 ? unsent[0]! : Buffer.concat(unsent)
  state.unsent = []
  begin(state)
  stream.write(bytes)
}

const send = (state: State, message: Uint8Array): void => {
  if (state.over) return
  if (state.unsent.length === 0) queueMicrotask(() => flush(state))
  state.unsent.push(framed(message))
}

const write = async (state: State, messages: Uint8Array): Promise<boolean> => {
  flush(state)
  if (state.over || isGone(state.stream)) return false
  begin(state)
  const before = state.taken
  state.taken = new Promise((resolve) => {
    const taken = (): void => {
      state.listeners.delete(taken)
      resolve()
    }
    state.listeners.add(taken)
    state.stream.write(messages, taken)
  })
  await before
  return !state.over
}

const finish = (state: State): void => {
  if (state.over) return
  state.over = true
  state.holdOf(-state.held)
  clearTimeout(state.deadline)
  for (const listener of state.listeners) listener()
}

const end = (state: State, status: Status): void => {
  if (state.over) return
  flush(state)
  state.status = status
  finish(state)
  const { stream } = state
  if (isGone(stream)) return
  if (stream.headersSent) stream.end()
  else refuse(stream, status)
  // What the client still sends is not read any more, but must not hold up its other calls.
  stream.resume()
}

const hold = (state: State, bytes: number): boolean => {
  if (state.over) return true
  if (!state.holdOf(bytes)) return false
  state.held += bytes
  return true
}

/** Serves a call. What is answered ends it with what it is to be told when the node stops. `holdOf` counts what it holds of its request. */
export const serveCall = (
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  handler: Handler,
  holdOf: Hold,
): (() => void) => {
  const timeout = parseTimeout(headers['grpc-timeout'])
  const state: State = {
    stream,
    holdOf,
    over: false,
    held: 0,
    status: { code: codes.ok, message: '' },
    onStop: { code: codes.unavailable, message: 'the node is stopping' },
    unsent: [],
    taken: Promise.resolve(),
    deadline: undefined,
    listeners: new Set(),
  }
  stream.on('wantTrailers', () => stream.sendTrailers(trailersOf(state.status)))
  stream.on('aborted', () => finish(state))
  stream.on('close', () => finish(state))
  if (timeout !== undefined) {
    const passed: Status = { code: codes.deadlineExceeded, message: 'the deadline has passed' }
    state.deadline = setTimeout(() => end(state, passed), Math.min(timeout, 2 ** 31 - 1))
  }
  const call: Call = {
    headers,
    localAddress: stream.session?.socket.localAddress,
    timeout,
    hold: (bytes) => hold(state, bytes),
    send: (message) => send(state, message),
    write: (messages) => write(state, messages),
    end: (status = state.status) => end(state, status),
    isOver: () => state.over,
    onOver: (listener) => {
      state.listeners.add(listener)
    },
    onStop: (status) => {
      state.onStop = status
    },
  }
  receive(stream, handler(call), { hold: call.hold, finish: call.end, isOver: call.isOver })
  return () => end(state, state.onStop)
}

const units: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 }

/** gRPC's `grpc-timeout`, in milliseconds. */
const parseTimeout = (header: string | string[] | undefined): number | undefined => {
  const match = typeof header === 'string' ? /^(\d{1,8})([HMSmun])$/.exec(header) : null
  return match ? Number(match[1]) * units[match[2]!]! : undefined
}
