import { connect } from 'node:http2'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { binaryEvent, EventStoreDBClient } from '@eventstore/db-client'
import shared from '@eventstore/db-client/generated/shared_pb.js'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import { expect } from 'chai'
import { framed } from '../../../src/embedded/eventstore/protocol/framing.js'
import { sleep } from '../../../src/platform/async.js'
import { listen, newStream } from '../../eventstore/contract/store.js'
import { startEventStore, type TestEventStore } from '../../support/eventstore.js'
import { type WatchedFiles, watchedFiles } from './files.js'

const megabyte = 1024 * 1024

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const readAllRequest = (subscribe: boolean): Buffer => {
  const options = new streams.ReadReq.Options()
  const all = new streams.ReadReq.Options.AllOptions()
  all.setStart(new shared.Empty())
  options.setAll(all)
  options.setNoFilter(new shared.Empty())
  const form = new streams.ReadReq.Options.UUIDOption()
  form.setString(new shared.Empty())
  options.setUuidOption(form)
  if (subscribe) options.setSubscription(new streams.ReadReq.Options.SubscriptionOptions())
  else options.setCount('1000000')
  const request = new streams.ReadReq()
  request.setOptions(options)
  return framed(request.serializeBinary())
}

describe('readers that do not read', () => {
  let watched: WatchedFiles
  let store: TestEventStore
  let client: EventStoreDBClient

  beforeEach(async () => {
    watched = watchedFiles()
    store = await startEventStore({ files: watched.files })
    client = EventStoreDBClient.connectionString(store.url)
  })
  afterEach(async () => {
    await client.dispose()
    await store.stop()
  })

  const fill = async (megabytes: number): Promise<void> => {
    const part = () => binaryEvent({ type: 'Large', data: new Uint8Array(64 * 1024 - 100) })
    for (let i = 0; i < megabytes; i++) await client.appendToStream(newStream(), Array.from({ length: 16 }, part))
  }

  /** Opens a call and never takes a byte of its answer. */
  const stalled = (subscribe: boolean) => {
    const session = connect(`http://127.0.0.1:${store.port}`)
    const call = session.request({
      ':method': 'POST',
      ':path': '/event_store.client.streams.Streams/Read',
      'content-type': 'application/grpc',
      te: 'trailers',
    })
    call.pause()
    call.end(readAllRequest(subscribe))
    return { session, call }
  }

  /** What the node has read from its disk, once it reads no further: readers that take nothing have got all that they will. */
  const settled = async (): Promise<number> => {
    let last = watched.bytesRead()
    for (let still = 0; last === 0 || still < 20; still++) {
      await sleep(10)
      if (watched.bytesRead() !== last) still = 0
      last = watched.bytesRead()
    }
    return last
  }

  it('hold up only what they have not read, not the memory of the node', async () => {
    await fill(12)
    const before = watched.bytesRead()
    const readers = Array.from({ length: 4 }, (_, index) => stalled(index % 2 === 0))
    const read = (await settled()) - before
    // A chunk for each, and one ahead of it.
    expect(read).to.be.greaterThan(0)
    expect(read).to.be.lessThan(readers.length * megabyte)
    for (const { session } of readers) session.destroy()
  })

  it('do not collect live events either', async () => {
    const reader = stalled(true)
    await fill(4)
    collectGarbage()
    const before = process.memoryUsage().arrayBuffers
    await fill(40)
    // What the node keeps of the newest groups for everybody is 16 MiB. Memory that is free is given back by and by.
    let grown = Number.POSITIVE_INFINITY
    for (let attempt = 0; attempt < 40 && grown >= 32 * megabyte; attempt++) {
      await new Promise((resolve) => setTimeout(resolve, 50))
      collectGarbage()
      grown = process.memoryUsage().arrayBuffers - before
    }
    expect(grown).to.be.lessThan(32 * megabyte)
    reader.session.destroy()
  })

  it('leave room for the other calls of their connection', async () => {
    await fill(2)
    const { session } = stalled(false)
    for (let i = 0; i < 100; i++) {
      const call = session.request({ ':method': 'POST', ':path': '/event_store.client.streams.Streams/Read', te: 'trailers' })
      call.pause()
      call.end(readAllRequest(i % 2 === 0))
    }
    await settled()
    const call = session.request({
      ':method': 'POST',
      ':path': '/event_store.client.server_features.ServerFeatures/GetSupportedMethods',
      te: 'trailers',
    })
    call.end(framed(new Uint8Array()))
    const bytes = await new Promise<number>((resolve, reject) => {
      call.on('data', (chunk: Buffer) => resolve(chunk.length)).on('error', reject)
    })
    expect(bytes).to.be.greaterThan(50)
    session.destroy()
  })

  it('are told that they fell behind, and miss nothing', async () => {
    const subscription = client.subscribeToAll({ fromPosition: 'end' })
    const log = listen(subscription)
    await log.until(() => log.said.includes('caughtUp'))
    subscription.pause()
    await fill(12)
    subscription.resume()
    await log.until(() => log.events.length === 12 * 16 && log.said.at(-1) === 'caughtUp')
    expect(log.said.filter((word) => word === 'caughtUp')).to.have.length(2)
    expect(log.said.filter((word) => word === 'fellBehind')).to.have.length(1)
    const positions = log.events.map((one) => one.commitPosition!)
    for (const [index, position] of positions.entries()) if (index > 0) expect(position > positions[index - 1]!).to.equal(true)
    await log.stop()
  })

  it('get the rest, in order, when they go on', async () => {
    await fill(8)
    const { session, call } = stalled(false)
    await settled()
    let bytes = 0
    call.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    const trailers = await new Promise<Record<string, unknown>>((resolve) => {
      call.on('trailers', resolve)
      call.resume()
    })
    expect(trailers['grpc-status']).to.equal('0')
    expect(bytes).to.be.greaterThan(8 * megabyte)
    session.destroy()
  })
})
