import { fork } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { binaryEvent, EventStoreDBClient } from '@eventstore/db-client'
import { expect } from 'chai'
import { spawnEventStore } from '../../../src/embedded/eventstore/spawn.js'
import { collect, event, events, failure, listen, newStream } from '../../eventstore/contract/store.js'
import { startEventStore } from '../../support/eventstore.js'
import { until } from '../../support/until.js'
import { watchedFiles } from './files.js'

describe('a stop of the embedded event store', () => {
  it('ends subscriptions and batch appends as cancelled, single appends as unavailable', async () => {
    const watched = watchedFiles()
    const store = await startEventStore({ files: watched.files })
    const client = EventStoreDBClient.connectionString(store.url)
    const logs = [client.subscribeToAll(), client.subscribeToStream(newStream())].map((one) => listen(one))
    for (const log of logs) await log.until(() => log.said.includes('caughtUp'))
    const release = watched.hold()
    const batch = failure(client.appendToStream(newStream(), event()))
    const single = failure(client.appendToStream(newStream(), event(), { credentials: { username: 'a', password: 'b' } }))
    await until(() => watched.held() > 0)
    // A connection carries its requests in their order: what was sent before one that is answered has arrived.
    for (let i = 0; i < 2; i++) await failure(collect(client.readStream(newStream())))
    const stopped = store.stop()
    expect((await batch).type).to.equal('cancelled')
    expect((await single).type).to.equal('unavailable')
    for (const log of logs) await log.until(() => log.said.at(-1) === 'error cancelled')
    release()
    await stopped
    await client.dispose()
  })

  it('takes no time, whoever is connected', async () => {
    const store = await startEventStore()
    const clients = Array.from({ length: 5 }, () => EventStoreDBClient.connectionString(store.url))
    for (const client of clients) {
      await client.appendToStream(newStream(), event())
      listen(client.subscribeToAll())
    }
    const began = Date.now()
    await store.stop()
    expect(Date.now() - began).to.be.lessThan(3_000)
    for (const client of clients) await client.dispose()
  })

  it('lets a client find the same store again on the same port', async () => {
    const first = await startEventStore()
    const client = EventStoreDBClient.connectionString(first.url)
    const stream = newStream()
    await client.appendToStream(stream, events(3))
    await first.node.close()
    const second = await startEventStore({ folder: first.folder, port: first.port })
    let found: unknown[] = []
    for (let attempt = 0; attempt < 50 && found.length === 0; attempt++) {
      found = await collect(client.readStream(stream)).catch(() => [])
      if (found.length === 0) await new Promise((resolve) => setTimeout(resolve, 20))
    }
    expect(found).to.have.length(3)
    await client.dispose()
    await second.stop()
    await rm(first.folder, { recursive: true, force: true })
  })
})

describe('a stop with clients that do not read', () => {
  const megabytes = async (client: EventStoreDBClient, count: number): Promise<void> => {
    const part = () => binaryEvent({ type: 'Large', data: new Uint8Array(256 * 1024) })
    for (let i = 0; i < count; i++) await client.appendToStream(newStream(), [part(), part(), part(), part()].slice(0, 3))
  }
  const withinTwoSeconds = async (stop: () => Promise<unknown>): Promise<void> => {
    const began = performance.now()
    await stop()
    expect(performance.now() - began).to.be.lessThan(2_000)
  }

  it('tells a reader that has paused that it was cancelled', async () => {
    const store = await startEventStore()
    const client = EventStoreDBClient.connectionString(`${store.url}&keepAliveInterval=-1`)
    await megabytes(client, 30)
    const reading = client.readAll()
    const first = await new Promise((resolve) => reading.once('data', (one) => resolve(reading.pause() && one)))
    expect(first).to.be.an('object')
    const error = new Promise<{ type?: string }>((resolve) => reading.once('error', resolve as never))
    await withinTwoSeconds(store.stop)
    reading.resume()
    expect((await error).type).to.equal('cancelled')
    await client.dispose()
  })

  it('ends the node in time where a client is suspended, idle or in the middle of a read', async function () {
    this.timeout(20_000)
    const folder = await mkdtemp(join(tmpdir(), 'tillroll-stop-'))
    const store = await spawnEventStore({ folder })
    const filling = EventStoreDBClient.connectionString(store.url)
    await megabytes(filling, 12)
    await filling.dispose()
    const suspended = fork(fileURLToPath(new URL('client.ts', import.meta.url)), [store.url], { execArgv: ['--import', 'tsx'] })
    await new Promise((resolve) => suspended.once('message', resolve))
    suspended.kill('SIGSTOP')
    await withinTwoSeconds(store.stop)
    expect(await store.exited).to.equal(0)
    suspended.kill('SIGKILL')
    await rm(folder, { recursive: true })
  })
})
