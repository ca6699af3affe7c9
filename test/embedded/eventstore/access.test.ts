import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { EventStoreDBClient } from '@eventstore/db-client'
import gossipGrpc from '@eventstore/db-client/generated/gossip_grpc_pb.js'
import type { ClusterInfo } from '@eventstore/db-client/generated/gossip_pb.js'
import shared from '@eventstore/db-client/generated/shared_pb.js'
import { credentials } from '@grpc/grpc-js'
import { expect } from 'chai'
import type { NodeOptions } from '../../../src/embedded/eventstore/node.js'
import { collect, event, failure, newStream } from '../../eventstore/contract/store.js'
import { startEventStore, type TestEventStore } from '../../support/eventstore.js'

const fixture = (name: string): string => fileURLToPath(new URL(`../../eventstore/fixtures/${name}`, import.meta.url))
let store: TestEventStore
const clients: EventStoreDBClient[] = []
const start = async (options: Partial<NodeOptions> = {}): Promise<void> => {
  store = await startEventStore(options)
}
const connect = (url: string): EventStoreDBClient => {
  const client = EventStoreDBClient.connectionString(url)
  clients.push(client)
  return client
}
const stop = async (): Promise<void> => {
  await Promise.all(clients.splice(0).map((client) => client.dispose()))
  await store.stop()
}

describe('streams of the system, on a node without log-in', () => {
  before(() => start())
  after(stop)

  it('are not written by who names nobody, one at a time or in a batch', async () => {
    const client = connect(store.url)
    const system = `$${newStream()}`
    for (const stream of [system, `$$${system}`]) {
      const refused = await failure(client.appendToStream(stream, event()))
      expect(refused.type, stream).to.equal('access-denied')
    }
    expect((await failure(client.deleteStream(system))).type).to.equal('access-denied')
    expect((await failure(client.tombstoneStream(system))).type).to.equal('access-denied')
    expect((await failure(collect(client.readStream(system)))).type).to.equal('stream-not-found')
  })

  it("leave the users' metadata, and $all, to everyone", async () => {
    const client = connect(store.url)
    const stream = newStream()
    await client.appendToStream(stream, event())
    await client.setStreamMetadata(stream, { maxCount: 3 })
    expect((await client.getStreamMetadata(stream)).metadata).to.deep.equal({ maxCount: 3 })
    expect(await collect(client.readAll())).to.have.length(3)
  })

  it('say why an append of a batch is refused', async () => {
    const client = connect(store.url)
    expect((await failure(client.appendToStream('$$', event()))).message).to.contain('"$$" is no stream')
  })
})

describe('a node with a certificate', () => {
  before(async () =>
    start({
      tls: { cert: await readFile(fixture('cert.pem')), key: await readFile(fixture('key.pem')) },
      passwords: { admin: 'right', ops: 'other' },
    }),
  )
  after(stop)
  const client = (user = ''): EventStoreDBClient =>
    connect(`esdb://${user}localhost:${store.port}?tls=true&tlsCAFile=${fixture('cert.pem')}`)

  it('serves over TLS, with HTTP/1.1 beside it', async () => {
    const stream = newStream()
    const admin = client('admin:right@')
    await admin.appendToStream(stream, event())
    await admin.appendToStream(`$${stream}`, event())
    expect(await collect(admin.readStream(`$${stream}`))).to.have.length(1)
    expect(await collect(admin.readAll())).to.have.length(3)
    expect((await fetch(`http://127.0.0.1:${store.port}/health/live`)).status).to.equal(204)
  })

  it("leaves the users' streams to who names nobody, and nothing else", async () => {
    const anonymous = client()
    const stream = newStream()
    await anonymous.appendToStream(stream, event())
    expect(await collect(anonymous.readStream(stream))).to.have.length(1)
    expect((await failure(collect(anonymous.readAll()))).type).to.equal('access-denied')
    expect((await failure(anonymous.appendToStream(`$${stream}`, event()))).type).to.equal('access-denied')
  })

  it('lets ops read everything, and write no stream of the system', async () => {
    const ops = client('ops:other@')
    expect(await collect(ops.readAll())).to.not.be.empty
    expect((await failure(ops.appendToStream(`$${newStream()}`, event()))).type).to.equal('access-denied')
  })

  it('refuses wrong credentials', async () => {
    const error = await failure(collect(client('admin:wrong@').readAll()))
    expect(error.code).to.equal(16)
  })

  it('tells a client without TLS what it needs', async () => {
    const plain = connect(`esdb://localhost:${store.port}?tls=false`)
    const error = await failure(collect(plain.readAll()))
    expect(error.message).to.contain('served over TLS')
  })
})

describe('where a node says that it is', () => {
  afterEach(stop)
  const told = async (): Promise<string> => {
    const asking = new gossipGrpc.GossipClient(`127.0.0.1:${store.port}`, credentials.createInsecure())
    const answer = await new Promise<ClusterInfo>((resolve, reject) =>
      asking.read(new shared.Empty(), (error, found) => (error ? reject(error) : resolve(found!))),
    )
    asking.close()
    const at = answer.getMembersList()[0]!.getHttpEndPoint()!
    return `${at.getAddress()}:${at.getPort()}`
  }

  it('is where it was asked, if it listens everywhere', async () => {
    await start({ host: '0.0.0.0' })
    expect(await told()).to.equal(`127.0.0.1:${store.port}`)
  })

  it('is what it was told to say', async () => {
    await start({ advertised: { host: 'store.example', port: 443 } })
    expect(await told()).to.equal('store.example:443')
  })
})
