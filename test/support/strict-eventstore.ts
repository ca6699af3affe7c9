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
  /** What a read of `$all`, or every call, is answered instead. */
  refuses: { readonly code: number; readonly message: string; readonly exception?: string } | undefined
  /** A batched append whose events are on their way is dropped without an answer. */
  dropsRepeats: boolean
  /** A position inside a record is told as 23.10 tells it: not by its name, and without confirming a subscription. */
  as2310: boolean
}

export type StrictEventStore = TestEventStore & { readonly behaviour: Behaviour; readonly dropConnections: () => void }

const ordinary: Behaviour = { reads: 0, appends: 0, notReady: false, refuses: undefined, dropsRepeats: false, as2310: false }

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
  server.on('session', (session) => {
    sessions.add(session)
    const upstream = connect(`http://127.0.0.1:${node.port}`)
    upstream.on('error', () => session.destroy())
    session.on('error', () => undefined).on('close', () => upstream.destroy())
    session.on('stream', (stream, headers) => passOn(stream, headers, upstream, behaviour))
  })
  const dropConnections = (): void => {
    for (const session of sessions) session.destroy()
    sessions.clear()
  }
  await new Promise<void>((resolve) => server.listen(at, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    ...node,
    port,
    url: `esdb://127.0.0.1:${port}?tls=false`,
    behaviour,
    dropConnections,
    stop: async () => {
      dropConnections()
      server.close()
      await node.stop()
    },
  }
}

const after = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds))

const passOn = (
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  upstream: ClientHttp2Session,
  behaviour: Behaviour,
): void => {
  const path = `${headers[':path']}`
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
  void forward(stream, call, path, behaviour).catch(() => call.destroy())
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
const forward = async (stream: ServerHttp2Stream, call: ClientHttp2Stream, path: string, behaviour: Behaviour): Promise<void> => {
  let rest = Buffer.alloc(0)
  const appends = path.endsWith('/BatchAppend') || path.endsWith('/Append')
  const seen = new Map<string, number>()
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    rest = Buffer.concat([rest, chunk])
    while (rest.length >= 5 && rest.length >= 5 + rest.readUInt32BE(1)) {
      const message = rest.subarray(0, 5 + rest.readUInt32BE(1))
      rest = rest.subarray(message.length)
      if (path.endsWith('/BatchAppend') && behaviour.dropsRepeats && isRepeat(message, seen)) continue
      const latency = appends ? behaviour.appends : path.endsWith('/Read') ? behaviour.reads : 0
      // What comes meanwhile is as late as this, not later.
      const passed = after(latency).then(() => call.write(message))
      if (!appends) await passed
    }
  }
  await after(appends ? behaviour.appends : 0)
  call.end()
}

/** Milliseconds during which a first append counts as being on its way. */
const onItsWay = 1_500

const isRepeat = (message: Buffer, seen: Map<string, number>): boolean => {
  const [event] = streams.BatchAppendReq.deserializeBinary(message.subarray(5)).getProposedMessagesList()
  const id = event?.getId()?.getString() ?? ''
  const first = seen.get(id)
  if (first === undefined) seen.set(id, performance.now())
  return first !== undefined && performance.now() - first < onItsWay
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
