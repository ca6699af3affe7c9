import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createSecureServer, type Http2SecureServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { binaryEvent, type RecordedEvent as ClientEvent, EventStoreDBClient, jsonEvent } from '@eventstore/db-client'
import { expect } from 'chai'
import { type ScanOptions, scanAll } from '../../src/eventstore/scan.js'
import { recorded, type ScannedEvent } from '../../src/eventstore/scan-decode.js'
import { StoreUnavailable } from '../../src/eventstore/store.js'
import { startEventStore, type TestEventStore } from '../support/eventstore.js'
import { collect, event, events, failure, newStream } from './contract/store.js'

const scan = async (url: string, options: ScanOptions = {}): Promise<ScannedEvent[]> => {
  const found: ScannedEvent[] = []
  for await (const some of scanAll(url, options)) found.push(...some)
  return found
}

/** What the client's event is, in the words of a scanned one. */
const fromClient = (one: ClientEvent) => ({
  id: one.id,
  type: one.type,
  data: one.isJson ? one.data : Buffer.from(one.data as Uint8Array),
  metadata: one.metadata === undefined ? {} : one.metadata instanceof Uint8Array ? Buffer.from(one.metadata) : one.metadata,
  streamId: one.streamId,
  revision: Number(one.revision),
  position: one.position!.commit,
  preparePosition: one.position!.prepare,
  created: one.created,
})

describe('bulk reading', () => {
  let store: TestEventStore
  let client: EventStoreDBClient

  before(async () => {
    store = await startEventStore()
    client = EventStoreDBClient.connectionString(store.url)
    const [stream, other] = [newStream('größe ✓'), newStream()]
    await client.appendToStream(stream, events(300))
    await client.appendToStream(stream, [
      jsonEvent({
        type: 'Größe',
        data: { text: '✓ "quoted" \u2028', deep: [{ n: 1.5 }] },
        metadata: { $correlationId: 'c', a: [1] },
      }),
      binaryEvent({ type: 'Bytes', data: Uint8Array.from([0, 1, 254, 255]), metadata: Uint8Array.from([9, 200]) }),
      binaryEvent({ type: 'Empty', data: new Uint8Array() }),
      binaryEvent({ type: 'Large', data: new Uint8Array(700_000).fill(7) }),
    ])
    await client.setStreamMetadata(stream, { maxCount: 3 })
    await client.appendToStream(other, [event(), binaryEvent({ type: '$>', data: Buffer.from(`0@${stream}`) })])
    await client.deleteStream(stream)
    await client.tombstoneStream(other)
    await client.appendToStream(stream, jsonEvent({ type: 'Last', data: {} }))
  })
  after(async () => {
    await client.dispose()
    await store.stop()
  })

  it('finds what the client finds, event for event', async () => {
    const expected = (await collect(client.readAll())).map((one) => fromClient(one.event! as ClientEvent))
    expect((await scan(store.url)).map(recorded)).to.deep.equal(expected)
  })

  it('begins after a position, and stops at a limit', async () => {
    const all = await scan(store.url)
    const at = all[120]!
    const after = { commit: at.position, prepare: at.preparePosition }
    expect((await scan(store.url, { after })).map(({ id }) => id)).to.deep.equal(all.slice(121).map(({ id }) => id))
    expect((await scan(store.url, { after, limit: 5 })).map(({ id }) => id)).to.deep.equal(
      all.slice(121, 126).map(({ id }) => id),
    )
    expect((await scan(store.url, { limit: 2 })).map(({ id }) => id)).to.deep.equal(all.slice(0, 2).map(({ id }) => id))
    const end = all.at(-1)!
    expect(await scan(store.url, { after: { commit: end.position, prepare: end.position } })).to.deep.equal([])
  })

  it('stops when its reader does, or when it is told to', async () => {
    for await (const some of scanAll(store.url)) {
      expect(some.length).to.be.greaterThan(0)
      break
    }
    const aborted = new AbortController()
    aborted.abort()
    expect(await scan(store.url, { signal: aborted.signal })).to.deep.equal([])
  })

  it('finds the leader where several hosts are named', async () => {
    const url = `esdb://127.0.0.1:1,127.0.0.1:${store.port}?tls=false`
    expect((await scan(url, { limit: 3 })).length).to.equal(3)
    expect((await scan(`esdb+discover://127.0.0.1:${store.port}?tls=false`, { limit: 3 })).length).to.equal(3)
  })

  it('says that there is nobody, and that the store went away', async () => {
    expect(await failure(scan('esdb://127.0.0.1:1?tls=false'))).to.be.instanceOf(StoreUnavailable)
    const folder = await mkdtemp(join(tmpdir(), 'tillroll-scan-'))
    const gone = await startEventStore({ folder })
    const filling = EventStoreDBClient.connectionString(gone.url)
    const large = () => binaryEvent({ type: 'Large', data: new Uint8Array(700_000) })
    for (let i = 0; i < 12; i++) await filling.appendToStream('large', large())
    await filling.dispose()
    let closed: Promise<void> | undefined
    const reading = async () => {
      for await (const _ of scanAll(gone.url)) {
        closed ??= gone.node.close()
        await closed
      }
    }
    expect(await failure(reading())).to.be.instanceOf(StoreUnavailable)
    await rm(folder, { recursive: true })
  })

  describe('on a cluster', () => {
    const path = (name: string) => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url))
    let server: Http2SecureServer
    let port: number
    let asked: IncomingHttpHeaders[]
    let answer: (stream: ServerHttp2Stream) => void

    before(async () => {
      server = createSecureServer({ key: readFileSync(path('key.pem')), cert: readFileSync(path('cert.pem')) })
      server.on('stream', (stream, headers) => {
        asked.push(headers)
        answer(stream)
      })
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      port = (server.address() as AddressInfo).port
    })
    beforeEach(() => {
      asked = []
    })
    after(() => {
      server.close()
    })
    const status = (trailers: Record<string, string>) => (stream: ServerHttp2Stream) => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...trailers }, { endStream: true })
    }
    const url = (options = '') => `esdb://ann:secret@localhost:${port}?tlsCAFile=${path('cert.pem')}${options}`

    it('speaks TLS, with credentials, to the leader', async () => {
      answer = status({ 'grpc-status': '0' })
      expect(await scan(url('&connectionName=reader'))).to.deep.equal([])
      expect(asked[0]).to.include({
        'requires-leader': 'true',
        'connection-name': 'reader',
        authorization: `Basic ${Buffer.from('ann:secret').toString('base64')}`,
      })
    })

    it('trusts no certificate that it does not know', async () => {
      answer = status({ 'grpc-status': '0' })
      expect(await failure(scan(`esdb://localhost:${port}`))).to.be.instanceOf(StoreUnavailable)
    })

    it('goes on to the leader where the node is none', async () => {
      answer = (stream) => {
        const first = asked.length === 1
        const away = {
          'grpc-status': '5',
          exception: 'not-leader',
          'leader-endpoint-host': 'localhost',
          'leader-endpoint-port': `${port}`,
        }
        status(first ? away : { 'grpc-status': '0' })(stream)
      }
      expect(await scan(url())).to.deep.equal([])
      expect(asked).to.have.length(2)
    })

    it('passes on why it was refused', async () => {
      answer = status({ 'grpc-status': '7', 'grpc-message': 'not%20allowed', exception: 'access-denied' })
      expect((await failure(scan(url()))).message).to.contain('not allowed')
    })

    it('gives up where nobody answers', async () => {
      answer = () => undefined
      expect((await failure(scan(url(), { timeout: 100 }))).message).to.contain('within 100 ms')
    })
  })
})
