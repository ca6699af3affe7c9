import { randomUUID } from 'node:crypto'
import { connect as connectHttp, type IncomingHttpHeaders } from 'node:http2'
import { connect } from 'node:net'
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client'
import shared from '@eventstore/db-client/generated/shared_pb.js'
import streamsGrpc from '@eventstore/db-client/generated/streams_grpc_pb.js'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import { credentials } from '@grpc/grpc-js'
import { expect } from 'chai'
import { createLedger } from '../../../src/embedded/eventstore/protocol/framing.js'
import { startEventStore, type TestEventStore } from '../../support/eventstore.js'

const service = '/event_store.client.streams.Streams'

const framed = (message: Uint8Array): Buffer => {
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(message.length, 1)
  return Buffer.concat([prefix, message])
}

const optionsOf = (name: string) => {
  const identifier = new shared.StreamIdentifier()
  identifier.setStreamName(Buffer.from(name))
  const options = new streams.AppendReq.Options()
  options.setStreamIdentifier(identifier)
  options.setAny(new shared.Empty())
  const request = new streams.AppendReq()
  request.setOptions(options)
  return request
}

const eventOf = () => {
  const id = new shared.UUID()
  id.setString(randomUUID())
  const proposed = new streams.AppendReq.ProposedMessage()
  proposed.setId(id)
  proposed.getMetadataMap().set('type', 'Happened').set('content-type', 'application/json')
  proposed.setData(Buffer.from('{}'))
  const request = new streams.AppendReq()
  request.setProposedMessage(proposed)
  return request
}

// HTTP/2 by hand: what no library would send.
const kinds = { data: 0, headers: 1, reset: 3, settings: 4, goaway: 7 }
const endStream = 1
const endHeaders = 4

const frame = (kind: number, flags: number, stream: number, payload: Uint8Array): Buffer => {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = kind
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

const literal = (name: string, value: string): Buffer =>
  Buffer.concat([Buffer.from([0, name.length]), Buffer.from(name), Buffer.from([value.length]), Buffer.from(value)])

const call = (method: string): Buffer =>
  frame(
    kinds.headers,
    endHeaders,
    1,
    Buffer.concat([
      literal(':method', 'POST'),
      literal(':scheme', 'http'),
      literal(':path', `${service}/${method}`),
      literal(':authority', 'localhost'),
      literal('content-type', 'application/grpc'),
    ]),
  )

const code = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

const greeting = Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(kinds.settings, 0, 0, Buffer.alloc(0))])
const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds))

describe('hostile clients', () => {
  let store: TestEventStore
  let client: EventStoreDBClient
  let raw: InstanceType<typeof streamsGrpc.StreamsClient>

  beforeEach(async () => {
    store = await startEventStore()
    client = EventStoreDBClient.connectionString(store.url)
    raw = new streamsGrpc.StreamsClient(`127.0.0.1:${store.port}`, credentials.createInsecure())
  })
  afterEach(async () => {
    await client.dispose()
    raw.close()
    await store.stop()
  })

  const lastOf = (name: string): number => store.node.store.stream(name).last
  const stillServes = async (): Promise<void> => {
    const name = `alive-${randomUUID()}`
    await client.appendToStream(name, jsonEvent({ type: 'Happened', data: {} }))
    expect(lastOf(name)).to.equal(0)
  }

  /** Sends bytes as they are, and answers what came back, once the node is done or has closed. */
  const send = (parts: readonly Uint8Array[], wait = 300): Promise<{ readonly closed: boolean; readonly bytes: Buffer }> =>
    new Promise((resolve) => {
      const found: Buffer[] = []
      const socket = connect(store.port, '127.0.0.1', () => {
        for (const part of parts) socket.write(part)
      })
      const done = (closed: boolean): void => {
        clearTimeout(timer)
        socket.destroy()
        resolve({ closed, bytes: Buffer.concat(found) })
      }
      const timer = setTimeout(() => done(false), wait)
      socket.on('data', (chunk) => found.push(chunk))
      socket.on('error', () => done(true))
      socket.on('close', () => done(true))
    })

  const ask = (method: string, body: Uint8Array): Promise<IncomingHttpHeaders> =>
    new Promise((resolve, reject) => {
      const session = connectHttp(`http://127.0.0.1:${store.port}`)
      session.on('error', reject)
      const request = session.request({ ':method': 'POST', ':path': `${service}/${method}`, 'content-type': 'application/grpc' })
      let found: IncomingHttpHeaders = {}
      const note = (headers: IncomingHttpHeaders): void => {
        found = { ...found, ...headers }
      }
      request.on('response', note).on('trailers', note).on('error', reject).resume()
      request.on('close', () => {
        session.close()
        resolve(found)
      })
      request.end(body)
    })

  describe('that stop in the middle of an append', () => {
    const half = (name: string): Buffer =>
      Buffer.concat([framed(optionsOf(name).serializeBinary()), framed(eventOf().serializeBinary())])
    const endings: Readonly<Record<string, () => Buffer>> = {
      'end inside a message': () => frame(kinds.data, endStream, 1, framed(eventOf().serializeBinary()).subarray(0, 30)),
      'say that they end, and give up': () =>
        Buffer.concat([frame(kinds.data, endStream, 1, Buffer.alloc(0)), frame(kinds.reset, 0, 1, code(8))]),
      'give up': () => frame(kinds.reset, 0, 1, code(8)),
      'give up without an error': () => frame(kinds.reset, 0, 1, code(0)),
      'go away': () => frame(kinds.goaway, 0, 0, Buffer.alloc(8)),
    }
    for (const [how, ending] of Object.entries(endings)) {
      it(`and ${how}, write nothing of it`, async () => {
        await send([greeting, Buffer.concat([call('Append'), frame(kinds.data, 0, 1, half('half')), ending()])])
        expect(lastOf('half')).to.equal(-1)
        await stillServes()
      })
    }

    it('and are cancelled by their library, write nothing of it', async () => {
      await new Promise<void>((resolve) => {
        const append = raw.append(() => resolve())
        append.write(optionsOf('cancelled'))
        append.write(eventOf())
        setTimeout(() => append.cancel(), 50)
      })
      await pause(100)
      expect(lastOf('cancelled')).to.equal(-1)
    })
  })

  it('that send no message, half a one, or two, are answered', async () => {
    for (const method of ['Read', 'Delete', 'Tombstone', 'Append']) {
      for (const data of [Buffer.alloc(0), Buffer.from([0, 0, 0, 0, 9, 1, 2])]) {
        expect((await ask(method, data))['grpc-status'], `${method} with ${data.length} bytes`).to.equal('3')
      }
    }
    const deletion = new streams.TombstoneReq()
    const options = new streams.TombstoneReq.Options()
    options.setStreamIdentifier(optionsOf('twice').getOptions()!.getStreamIdentifier())
    options.setAny(new shared.Empty())
    deletion.setOptions(options)
    const message = framed(deletion.serializeBinary())
    const { 'grpc-status': status, 'grpc-message': why } = await ask('Tombstone', Buffer.concat([message, message]))
    expect(`${status} ${why}`).to.equal('3 the call takes one message')
  })

  it('that speak no HTTP/2 are answered in what they speak, and hung up on', async () => {
    for (const words of ['GET /info HTTP/1.1\r\nHost: localhost\r\n\r\n', '\x07'.repeat(70_000)]) {
      expect((await send([Buffer.from(words)], 3_000)).closed).to.equal(true)
    }
    // A frame that is larger than it may be: the farewell says so, and nothing after it is read.
    const { bytes } = await send([greeting, Buffer.alloc(100_000, 255)])
    expect(bytes.includes(Buffer.from('too large frame size'))).to.equal(true)
    await stillServes()
  })

  it('that go on sending after they were refused cost no memory', async () => {
    const session = connectHttp(`http://127.0.0.1:${store.port}`)
    const request = session.request({ ':method': 'POST', ':path': `${service}/BatchAppend`, 'content-type': 'application/grpc' })
    request.on('error', () => undefined)
    const before = process.memoryUsage().arrayBuffers
    request.write(Buffer.from([0, 255, 255, 255, 255]))
    const mebibyte = Buffer.alloc(1024 * 1024)
    for (let i = 0; i < 100; i++) await new Promise((resolve) => request.write(mebibyte, resolve))
    expect(process.memoryUsage().arrayBuffers - before).to.be.below(50 * mebibyte.length)
    session.destroy()
    await stillServes()
  })

  it('that hold on to all the room there is keep it from the like of them alone', () => {
    const open = createLedger(100_000)
    const [first, second, third] = [open(), open(), open()]
    expect(first(80_000)).to.equal(true)
    expect(second(40_000), 'a second one does still fit').to.equal(true)
    expect(second(20_000), 'but no more').to.equal(false)
    expect(third(10_000), 'a small one always does').to.equal(true)
    first(-80_000)
    expect(second(20_000), 'what was given back is there again').to.equal(true)
  })
})
