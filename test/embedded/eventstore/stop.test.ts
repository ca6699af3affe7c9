import { EventStoreDBClient } from '@eventstore/db-client'
import { expect } from 'chai'
import { collect, event, events, failure, listen, newStream } from '../../eventstore/contract/store.js'
import { startEventStore } from '../../support/eventstore.js'
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
    await new Promise((resolve) => setTimeout(resolve, 300))
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
    await import('node:fs/promises').then(({ rm }) => rm(first.folder, { recursive: true, force: true }))
  })
})
