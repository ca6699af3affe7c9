import { randomUUID } from 'node:crypto'
import type { ClientHttp2Stream } from 'node:http2'
import { unpackToCommandError } from '@eventstore/db-client/dist/streams/appendToStream/unpackError.js'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import { eachField, readVarint } from '../platform/protobuf.js'
import { encodeAppend } from './append-encode.js'
import { unavailable } from './failures.js'
import { type Channel, type Message, messagesOf, NotLeader, statusOf } from './grpc.js'
import { readPosition } from './scan-decode.js'
import { type NewEvent, noStream } from './store.js'

export type Appended = { readonly revision: number; readonly position: bigint }

/**
 * Appends as the client does, over the same call (`BatchAppend`), with its errors, encoded by hand: the client's messages are most of what
 * a command costs. `EVENTSTORE_APPENDS=client` chooses the client's.
 */
export type Appends = (
  streamId: string,
  events: readonly NewEvent[],
  expectedRevision: number,
  /** Milliseconds; after them the caller waits no longer, and the store need not write any more. */
  timeout: number,
) => { readonly result: Promise<Appended>; readonly giveUp: () => void }

type Waiting = {
  readonly streamId: string
  readonly resolve: (appended: Appended) => void
  readonly reject: (error: unknown) => void
}

/** One long call for the appends of a process; each is known by its correlation id. */
type Batch = {
  readonly waiting: Map<string, Waiting>
  readonly send: (message: Buffer) => void
  /** Why the call ended, once it has. */
  ended?: Error
}

const path = '/event_store.client.streams.Streams/BatchAppend'

export const createAppends = (channel: Channel): Appends => {
  let current: Promise<Batch> | undefined

  const begin = (): Promise<Batch> => {
    const beginning = channel.call(path).then((call) => {
      const batch = batchOf(call)
      void settleAll(channel, call, batch).finally(forget)
      return batch
    })
    const forget = (): void => {
      if (current === beginning) current = undefined
    }
    beginning.catch(forget)
    return beginning
  }

  return (streamId, events, expectedRevision, timeout) => {
    const correlation = randomUUID()
    current ??= begin()
    const batch = current
    const result = batch.then(
      ({ waiting, send, ended }) =>
        new Promise<Appended>((resolve, reject) => {
          if (ended) return reject(ended)
          waiting.set(correlation, { streamId, resolve, reject })
          send(encodeAppend(correlation, streamId, events, expectedRevision, Date.now() + timeout))
        }),
    )
    return { result, giveUp: () => void batch.then(({ waiting }) => waiting.delete(correlation)).catch(() => undefined) }
  }
}

/** What is appended in one turn of the event loop travels in one write. */
const batchOf = (call: ClientHttp2Stream): Batch => {
  let queued: Buffer[] = []
  const flush = (): void => {
    const all = queued
    queued = []
    if (!call.destroyed) call.write(all.length === 1 ? all[0] : Buffer.concat(all))
  }
  return {
    waiting: new Map(),
    send: (message) => {
      if (queued.push(message) === 1) setImmediate(flush)
    },
  }
}

/** Gives each append its reply. When the call ends, whatever has none yet is rejected: it may or may not have been written. */
const settleAll = async (channel: Channel, call: ClientHttp2Stream, batch: Batch): Promise<void> => {
  const { waiting } = batch
  const status = statusOf(call)
  try {
    for await (const messages of messagesOf(call)) for (const message of messages) settle(message, waiting)
    await status()
    throw new Error('the event store ended the call that appends')
  } catch (error) {
    if (error instanceof NotLeader) channel.redirect(error.leader)
    batch.ended = unavailable(error)
    for (const { reject } of waiting.values()) reject(batch.ended)
    waiting.clear()
  } finally {
    call.destroy()
  }
}

const settle = (message: Message, waiting: Batch['waiting']): void => {
  const { correlation, appended } = decodeReply(message)
  const asked = waiting.get(correlation)
  waiting.delete(correlation)
  if (!asked) return
  if (appended) asked.resolve(appended)
  else asked.reject(errorOf(message, asked.streamId))
}

/** What the client makes of the same reply. */
const errorOf = ({ bytes, from, to }: Message, streamId: string): Error => {
  const error = streams.BatchAppendResp.deserializeBinary(bytes.subarray(from, to)).getError()
  return error ? unpackToCommandError(error, streamId) : new Error('the event store answered an append with nothing')
}

const decodeReply = ({ bytes, from, to }: Message): { correlation: string; appended: Appended | undefined } => {
  let correlation = ''
  let appended: Appended | undefined
  eachField(bytes, from, to, (field, at, end) => {
    if (field === 1) correlation = decodeUuid(bytes, at, end)
    else if (field === 3) appended = decodeSuccess(bytes, at, end)
  })
  return { correlation, appended }
}

const decodeSuccess = (bytes: Buffer, from: number, to: number): Appended => {
  let revision = noStream
  let position = 0n
  eachField(bytes, from, to, (field, at, end) => {
    if (field === 1) revision = readVarint(bytes, at)
    else if (field === 3)
      eachField(bytes, at, end, (inner, innerAt) => {
        if (inner === 1) position = readPosition(bytes, innerAt)
      })
  })
  return { revision, position }
}

/** As text, or as two numbers of 64 bits: each store has its own way. */
const decodeUuid = (bytes: Buffer, from: number, to: number): string => {
  let text = ''
  eachField(bytes, from, to, (field, at, end) => {
    if (field === 2) text = bytes.toString('latin1', at, end)
    else if (field === 1) text = structuredUuid(bytes, at, end)
  })
  return text
}

const structuredUuid = (bytes: Buffer, from: number, to: number): string => {
  let hex = ''
  eachField(bytes, from, to, (_, at) => {
    hex += BigInt.asUintN(64, readPosition(bytes, at)).toString(16).padStart(16, '0')
  })
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
