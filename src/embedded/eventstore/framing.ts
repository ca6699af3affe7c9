import type { ServerHttp2Stream } from 'node:http2'

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
} as const

export type Status = {
  readonly code: number
  readonly message: string
  readonly trailers?: Readonly<Record<string, string>>
}

const maxMessage = 32 * 1024 * 1024
const prefixSize = 5

/** What is done with a call's messages. */
export type Receiver = {
  readonly message: (bytes: Buffer) => void
  /** The client sends no more. */
  readonly end?: () => void
}

/** A gRPC message with its prefix. */
export const framed = (message: Uint8Array): Buffer => {
  const out = Buffer.allocUnsafe(prefixSize + message.length)
  out[0] = 0
  out.writeUInt32BE(message.length, 1)
  out.set(message, prefixSize)
  return out
}

/** Takes a call's messages apart. */
export const receive = (stream: ServerHttp2Stream, { message, end }: Receiver, finish: (status: Status) => void): void => {
  let chunks: Buffer[] = []
  let held = 0
  let needed = prefixSize

  const take = (): Status | undefined => {
    let bytes = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
    for (;;) {
      needed = prefixSize
      if (bytes.length < needed) break
      const refusal = refuseLength(bytes)
      if (refusal) return refusal
      needed += bytes.readUInt32BE(1)
      if (bytes.length < needed) break
      message(bytes.subarray(prefixSize, needed))
      bytes = bytes.subarray(needed)
    }
    chunks = bytes.length > 0 ? [bytes] : []
    held = bytes.length
    return undefined
  }

  stream.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    held += chunk.length
    if (held < needed) return
    try {
      const refusal = take()
      if (refusal) finish(refusal)
    } catch (error) {
      finish({ code: codes.invalidArgument, message: `a message can't be understood: ${(error as Error).message}` })
    }
  })
  stream.on('end', () => end?.())
}

const refuseLength = (bytes: Buffer): Status | undefined => {
  if (bytes[0] !== 0) return { code: codes.unimplemented, message: 'compressed messages are not served' }
  if (bytes.readUInt32BE(1) <= maxMessage) return undefined
  return { code: codes.resourceExhausted, message: `a message has at most ${maxMessage} bytes` }
}
