import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  createServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import type { NodeOptions } from '../../src/embedded/eventstore/node.js'
import { startEventStore, type TestEventStore } from './eventstore.js'

/** What a distant, strict EventStoreDB does and the embedded node does not; may be changed while it runs. */
export type Behaviour = {
  /** Milliseconds before a read, a subscription or an append is passed on. */
  reads: number
  appends: number
  /** It takes connections and serves nobody, as a node does that has just been started. */
  notReady: boolean
  /** It takes connections and calls, and answers none of them for as long. */
  silent: boolean
  /** What a read of `$all`, or every call, is answered instead. */
  refuses: { readonly code: number; readonly message: string; readonly exception?: string } | undefined
  /** A batched append whose events are on their way is dropped without an answer. */
  dropsRepeats: boolean
  /** So many batched appends are written, and their replies are lost; with `cutsOff`, together with the connection. */
  losesReplies: number
  cutsOff: boolean
  /** A position inside a record is told as 23.10 tells it: not by its name, and without confirming a subscription. */
  as2310: boolean
}

export type StrictEventStore = TestEventStore & {
  readonly behaviour: Behaviour
  readonly dropConnections: () => void
  /** It is gone, and later back where it was. */
  readonly refuseConnections: () => void
  readonly acceptConnections: () => Promise<void>
}

const ordinary: Behaviour = {
  reads: 0,
  appends: 0,
  notReady: false,
  silent: false,
  refuses: undefined,
  dropsRepeats: false,
  losesReplies: 0,
  cutsOff: false,
  as2310: false,
}

type Proxy = {
  readonly upstream: ClientHttp2Session
  readonly behaviour: Behaviour
  /** When the first event of each append came. */
  readonly seen: Map<string, number>
  /** Writes an append of a call as one that is its own. */
  readonly writeApart: (headers: IncomingHttpHeaders, message: Buffer) => void
}

/** An embedded node behind a proxy that makes it slow and strict. `url` and `at`, its port, are the proxy's. */
export const startStrictEventStore = async (
  options: Partial<Behaviour> = {},
  nodeOptions: Partial<NodeOptions> = {},
  at = 0,
): Promise<StrictEventStore> => {
  const node = await startEventStore(nodeOptions)
  const behaviour: Behaviour = { ...ordinary, ...options }
  const sessions = new Set<ServerHttp2Session>()
  const server = createServer()
  const seen = new Map<string, number>()
  const writeApart = (headers: IncomingHttpHeaders, message: Buffer): void => {
    const apart = connect(`http://127.0.0.1:${node.port}`)
    apart.on('error', () => undefined)
    const call = apart.request(headers)
    call.on('error', () => undefined).on('data', () => apart.destroy())
    call.write(message)
  }
  server.on('session', (session) => {
    sessions.add(session)
    const upstream = connect(`http://127.0.0.1:${node.port}`)
    upstream.on('error', () => session.destroy())
    session.on('error', () => undefined).on('close', () => upstream.destroy())
    session.on('stream', (stream, headers) => passOn(stream, headers, { upstream, behaviour, seen, writeApart }))
  })
  const dropConnections = (): void => {
    for (const session of sessions) session.destroy()
    sessions.clear()
  }
  const listen = (at: number) => new Promise<void>((resolve) => server.listen(at, '127.0.0.1', resolve))
  await listen(at)
  const { port } = server.address() as AddressInfo
  return {
    ...node,
    port,
    url: `esdb://127.0.0.1:${port}?tls=false`,
    behaviour,
    dropConnections,
    refuseConnections: () => {
      server.close()
      dropConnections()
    },
    acceptConnections: () => listen(port),
    stop: async () => {
      dropConnections()
      server.close()
      await node.stop()
    },
  }
}

const after = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds))

const passOn = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, proxy: Proxy): void => {
  const { upstream, behaviour } = proxy
  stream.on('error', () => undefined)
  const refusal = behaviour.notReady ? { code: 14, message: 'Server Is Not Ready' } : behaviour.refuses
  if (refusal) {
    refuse(stream, refusal)
    return
  }
  const { ':authority': _, ...rest } = headers
  const call = upstream.request(rest)
  call.on('error', () => stream.destroy())
  stream.on('close', () => call.destroy())
  void forward(stream, call, rest, proxy).catch(() => call.destroy())
  answer(stream, call, behaviour)
}

const refuse = (stream: ServerHttp2Stream, { code, message, exception }: NonNullable<Behaviour['refuses']>): void => {
  stream.respond(
    {
      ':status': 200,
      'content-type': 'application/grpc',
      'grpc-status': `${code}`,
      'grpc-message': message,
      ...(exception && { exception }),
    },
    { endStream: true },
  )
}

/** Message by message, each after its latency. */
const forward = async (
  stream: ServerHttp2Stream,
  call: ClientHttp2Stream,
  headers: IncomingHttpHeaders,
  { behaviour, seen, writeApart }: Proxy,
): Promise<void> => {
  let rest = Buffer.alloc(0)
  const path = `${headers[':path']}`
  const batched = path.endsWith('/BatchAppend')
  const appends = batched || path.endsWith('/Append')
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    rest = Buffer.concat([rest, chunk])
    while (rest.length >= 5 && rest.length >= 5 + rest.readUInt32BE(1)) {
      const message = rest.subarray(0, 5 + rest.readUInt32BE(1))
      rest = rest.subarray(message.length)
      while (behaviour.silent) await after(20)
      if (batched && behaviour.dropsRepeats && isRepeat(message, behaviour, seen)) continue
      const latency = appends ? behaviour.appends : path.endsWith('/Read') ? behaviour.reads : 0
      if (batched && behaviour.losesReplies > 0) {
        behaviour.losesReplies--
        void after(latency).then(() => writeApart(headers, message))
        if (behaviour.cutsOff) stream.session?.destroy()
        continue
      }
      // What comes meanwhile is as late as this, not later.
      const passed = after(latency).then(() => call.write(message))
      if (!appends) await passed
    }
  }
  await after(appends ? behaviour.appends : 0)
  call.end()
}

/** Milliseconds during which a first append that was written is not indexed yet. */
const unindexed = 500

const isRepeat = (message: Buffer, { appends }: Behaviour, seen: Proxy['seen']): boolean => {
  const [event] = streams.BatchAppendReq.deserializeBinary(message.subarray(5)).getProposedMessagesList()
  const id = event?.getId()?.getString() ?? ''
  const first = seen.get(id)
  if (first === undefined) seen.set(id, performance.now())
  return first !== undefined && performance.now() - first < appends + unindexed
}

const answer = (stream: ServerHttp2Stream, call: ClientHttp2Stream, behaviour: Behaviour): void => {
  let trailers: IncomingHttpHeaders = {}
  call.on('trailers', (found: IncomingHttpHeaders) => {
    trailers = asOf2310(found, behaviour)
  })
  call.on('response', (headers, flags) => {
    if (stream.destroyed) return
    const { ':status': status, ...others } = asOf2310(headers, behaviour)
    const ended = (flags & 1) !== 0
    stream.respond({ ':status': status, ...others }, { endStream: ended, waitForTrailers: !ended })
    if (ended) return
    stream.on('wantTrailers', () => stream.sendTrailers(trailers))
    call.pipe(stream)
  })
}

const asOf2310 = (headers: IncomingHttpHeaders, { as2310 }: Behaviour): IncomingHttpHeaders => {
  const message = headers['grpc-message']
  if (!as2310 || typeof message !== 'string') return headers
  const told = decodeURIComponent(message)
  if (/InvalidPosition/.test(told)) return { ...headers, 'grpc-message': encodeURI(told.replace('InvalidPosition', 'Error')) }
  if (/invalid position/.test(told))
    return { ...headers, 'grpc-status': '2', 'grpc-message': encodeURI('Unexpected FilteredReadAllResult: Error') }
  return headers
}
