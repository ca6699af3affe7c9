import type { ServerHttp2Stream } from 'node:http2'
import { messageOf } from '../../../platform/errors.js'

export const codes = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  aborted: 10,
  unimplemented: 12,
  unavailable: 14,
  unauthenticated: 16,
} as const

export type Status = {
  readonly code: number
  readonly message: string
  readonly trailers?: Readonly<Record<string, string>>
}

const maxTrailer = 600

/** Clients take a few kilobytes of trailers, and a stream's name can have many: what is longer is cut, not between the halves of a character. */
export const shortened = (text: string): string =>
  text.length <= maxTrailer ? text : text.slice(0, maxTrailer).replace(/[\ud800-\udbff]$/u, '')

const maxMessage = 32 * 1024 * 1024
const prefixSize = 5

/** What is done with a call's messages. Without `end`, the call has exactly one of them. */
export type Receiver = {
  readonly message: (bytes: Buffer) => void
  /** The client sends no more. */
  readonly end?: () => void
}

/** What a call holds of requests that are not finished, in bytes; `false` where the node has no more room for it. */
export type Hold = (bytes: number) => boolean

const freeBytes = 16 * 1024

/**
 * Counts what all calls hold of unfinished requests, up to a limit. A call's first few kilobytes are not counted, so that whoever takes
 * all the room keeps it from others that want as much, and from nobody else.
 */
export const createLedger = (limit: number): (() => Hold) => {
  let total = 0
  return () => {
    let mine = 0
    return (bytes) => {
      const counted = Math.max(0, mine + bytes - freeBytes) - Math.max(0, mine - freeBytes)
      if (counted > 0 && total + counted > limit) return false
      total += counted
      mine += bytes
      return true
    }
  }
}

export const exhausted: Status = { code: codes.resourceExhausted, message: 'the node holds too much of unfinished requests' }

/** A gRPC message with its prefix. */
export const framed = (message: Uint8Array): Buffer => {
  const out = Buffer.allocUnsafe(prefixSize + message.length)
  out[0] = 0
  out.writeUInt32BE(message.length, 1)
  out.set(message, prefixSize)
  return out
}

/** Takes a call's messages apart. What comes after the call's end is let go of. */
export const receive = (
  stream: ServerHttp2Stream,
  receiver: Receiver,
  { hold, finish, isOver }: { hold: Hold; finish: (status: Status) => void; isOver: () => boolean },
): void => {
  let chunks: Buffer[] = []
  let held = 0
  let needed = prefixSize
  let count = 0

  const deliver = (message: Buffer): Status | undefined => {
    if (++count > 1 && !receiver.end) return { code: codes.invalidArgument, message: 'the call takes one message' }
    receiver.message(message)
    return undefined
  }

  const take = (): Status | undefined => {
    let bytes = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
    for (;;) {
      needed = prefixSize
      if (bytes.length < needed) break
      const refusal = refuseLength(bytes)
      if (refusal) return refusal
      needed += bytes.readUInt32BE(1)
      if (bytes.length < needed) break
      const refused = deliver(bytes.subarray(prefixSize, needed))
      if (refused) return refused
      bytes = bytes.subarray(needed)
    }
    hold(bytes.length - held)
    chunks = bytes.length > 0 ? [bytes] : []
    held = bytes.length
    return undefined
  }

  const add = (chunk: Buffer): Status | undefined => {
    if (!hold(chunk.length)) return exhausted
    chunks.push(chunk)
    held += chunk.length
    return held < needed ? undefined : take()
  }

  stream.on('data', (chunk: Buffer) => {
    if (isOver()) {
      chunks = []
      return
    }
    try {
      const refusal = add(chunk)
      if (refusal) finish(refusal)
    } catch (error) {
      finish({ code: codes.invalidArgument, message: `a message can't be understood: ${messageOf(error)}` })
    }
  })
  // A client that gives up in the middle may say first that it has ended, and then that it gave up (Node's does): an end counts when
  // nothing has followed it.
  stream.on('end', () =>
    setImmediate(() => {
      if (isOver()) return
      if (held > 0) finish({ code: codes.invalidArgument, message: 'the call ended inside a message' })
      else if (receiver.end) receiver.end()
      else if (count === 0) finish({ code: codes.invalidArgument, message: 'the call has no message' })
    }),
  )
}

const refuseLength = (bytes: Buffer): Status | undefined => {
  if (bytes[0] !== 0) return { code: codes.unimplemented, message: 'compressed messages are not served' }
  if (bytes.readUInt32BE(1) <= maxMessage) return undefined
  return { code: codes.resourceExhausted, message: `a message has at most ${maxMessage} bytes` }
}
