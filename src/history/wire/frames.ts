import type { Socket } from 'node:net'

/** What a client sends is no message of the protocol, or larger than any that it may send. */
export class ProtocolViolation extends Error {
  override readonly name = 'ProtocolViolation'
}

/** A message of the client: its letter, or none of the first ones of a connection, and its content. */
export type Message = { readonly letter: string; readonly body: Reader }

/** Reads a message's fields one after another. Throws `ProtocolViolation` beyond its end. */
export type Reader = {
  readonly int16: () => number
  readonly int32: () => number
  readonly text: () => string
  readonly bytes: (length: number) => Buffer
  readonly left: () => number
}

export const readerOf = (body: Buffer): Reader => {
  let at = 0
  const take = (length: number): number => {
    if (length < 0 || at + length > body.length) throw new ProtocolViolation('a message is shorter than it says')
    at += length
    return at - length
  }
  return {
    int16: () => body.readInt16BE(take(2)),
    int32: () => body.readInt32BE(take(4)),
    text: () => {
      const end = body.indexOf(0, at)
      if (end < 0) throw new ProtocolViolation('a text without an end')
      const from = take(end - at + 1)
      return body.toString('utf8', from, end)
    },
    bytes: (length) => {
      const from = take(length)
      return body.subarray(from, from + length)
    },
    left: () => body.length - at,
  }
}

/** Messages as they come, one after another: the socket is read no faster than they are taken, and no message is larger than it may be. */
export const createFrames = (socket: Socket) => {
  const chunks: AsyncIterator<Buffer> = socket.iterator({ destroyOnReturn: false })[Symbol.asyncIterator]()
  let held: Buffer = Buffer.alloc(0)

  /** `undefined`: the client has gone. */
  const need = async (length: number): Promise<Buffer | undefined> => {
    if (held.length < length) {
      const parts = [held]
      let size = held.length
      while (size < length) {
        const next = await chunks.next().catch(() => ({ done: true as const, value: undefined }))
        if (next.done) return undefined
        parts.push(next.value)
        size += next.value.length
      }
      held = Buffer.concat(parts)
    }
    return held
  }

  /** `lettered`: false for the first messages of a connection. `most`: bytes. Throws `ProtocolViolation`. */
  const next = async (lettered: boolean, most: number): Promise<Message | undefined> => {
    const prefix = lettered ? 5 : 4
    const head = await need(prefix)
    if (!head) return undefined
    const length = head.readInt32BE(prefix - 4)
    if (length < 4 || length > most) throw new ProtocolViolation(`a message of ${length} bytes`)
    const total = prefix - 4 + length
    const whole = await need(total)
    if (!whole) return undefined
    held = whole.subarray(total)
    return { letter: lettered ? String.fromCharCode(whole[0]!) : '', body: readerOf(whole.subarray(prefix, total)) }
  }

  return {
    next,
    /** Whether something has come that was not asked for yet. */
    isPending: (): boolean => held.length > 0,
    /** Gives the socket up, so that another can go on with it. */
    release: async (): Promise<void> => void (await chunks.return?.()),
  }
}

type Field = Buffer | { readonly int16: number } | { readonly int32: number } | { readonly text: string }

export const int16 = (value: number): Field => ({ int16: value })
export const int32 = (value: number): Field => ({ int32: value })
export const text = (value: string): Field => ({ text: value })

/** A message of the server. */
export const message = (letter: string, ...fields: readonly Field[]): Buffer => {
  const parts = fields.map(bytesOf)
  const length = parts.reduce((sum, part) => sum + part.length, 4)
  const head = Buffer.alloc(5)
  head.write(letter, 'latin1')
  head.writeInt32BE(length, 1)
  return Buffer.concat([head, ...parts])
}

const bytesOf = (field: Field): Buffer => {
  if (Buffer.isBuffer(field)) return field
  if ('text' in field) return Buffer.from(`${field.text.replaceAll('\0', '')}\0`)
  const bytes = Buffer.alloc('int16' in field ? 2 : 4)
  if ('int16' in field) bytes.writeInt16BE(field.int16)
  else bytes.writeInt32BE(field.int32)
  return bytes
}
