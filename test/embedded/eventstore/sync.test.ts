import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EventStoreDBClient } from '@eventstore/db-client'
import { expect } from 'chai'
import { collect, event, events, failure, listen, newStream } from '../../eventstore/contract/store.js'
import { startEventStore, type TestEventStore } from '../../support/eventstore.js'
import { type WatchedFiles, watchedFiles } from './files.js'

const soon = (milliseconds = 50): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds))

describe('the embedded event store and its disk', () => {
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

  it('answers an append, and shows it to anybody, only after its sync', async () => {
    const stream = newStream()
    const log = listen(client.subscribeToAll({ fromPosition: 'end' }))
    await log.until(() => log.said.includes('caughtUp'))
    const release = watched.hold()
    let answered = false
    const append = client.appendToStream(stream, event('Held')).then(() => {
      answered = true
    })
    const removed = client.tombstoneStream(newStream())
    await soon()
    expect(answered).to.equal(false)
    expect(log.events).to.deep.equal([])
    expect((await failure(collect(client.readStream(stream)))).type).to.equal('stream-not-found')
    expect((await collect(client.readAll())).map((one) => one.event!.type)).to.not.include('Held')
    release()
    await Promise.all([append, removed])
    await log.until(() => log.said.includes('Held'))
    expect(await collect(client.readStream(stream))).to.have.length(1)
    await log.stop()
  })

  it('does not answer a refusal or a repeat before what it rests on is synced', async () => {
    const stream = newStream()
    const [one] = events(1)
    const release = watched.hold()
    const answers: string[] = []
    const first = client.appendToStream(stream, one!, { expectedRevision: 'no_stream' }).then(() => answers.push('first'))
    const repeat = client.appendToStream(stream, one!, { expectedRevision: 'no_stream' }).then(() => answers.push('repeat'))
    const refused = failure(client.appendToStream(stream, event(), { expectedRevision: 'no_stream' })).then(() =>
      answers.push('refused'),
    )
    await soon()
    expect(answers).to.deep.equal([])
    release()
    await Promise.all([first, repeat, refused])
    expect(answers).to.have.length(3)
  })

  it('lets what arrives during one sync share the next', async () => {
    const before = watched.syncs()
    const release = watched.hold()
    const appends = [client.appendToStream(newStream(), event())]
    await soon()
    appends.push(...Array.from({ length: 50 }, () => client.appendToStream(newStream(), event())))
    await soon(300)
    release()
    await Promise.all(appends)
    expect(watched.syncs() - before).to.equal(2)
  })

  it('answers with a timeout what is not synced within two seconds', async () => {
    const release = watched.hold()
    const stream = newStream()
    const batch = client.appendToStream(stream, event())
    await soon()
    const single = client.appendToStream(newStream(), event(), { credentials: { username: 'a', password: 'b' } })
    const remove = client.tombstoneStream(newStream())
    const errors = await Promise.all([failure(batch), failure(single), failure(remove)])
    expect(errors.map((error) => error.type)).to.deep.equal(['deadline-exceeded', 'timeout', 'timeout'])
    release()
    await soon()
    // It may have happened, and here it has.
    expect(await collect(client.readStream(stream))).to.have.length(1)
  })

  it("keeps to the client's own deadline where that is nearer", async () => {
    const release = watched.hold()
    const began = Date.now()
    const error = await failure(client.appendToStream(newStream(), event(), { deadline: 100 }))
    const other = await failure(client.tombstoneStream(newStream(), { deadline: 100 }))
    expect([error.type, other.type]).to.deep.equal(['deadline-exceeded', 'deadline-exceeded'])
    expect(Date.now() - began).to.be.lessThan(1_500)
    release()
  })

  it('takes nothing more once a sync has failed, and says so', async () => {
    watched.breakSync()
    expect((await failure(client.appendToStream(newStream(), event()))).type).to.equal('unknown')
    const error = await failure(store.node.failed)
    expect(error.message).to.contain('EIO')
    const next = await failure(client.appendToStream(newStream(), event(), { credentials: { username: 'a', password: 'b' } }))
    expect(next.type).to.equal('unavailable')
  })

  it('takes nothing more once its index cannot be written, and says so, with what was answered kept', async () => {
    const stream = newStream()
    const folder = await mkdtemp(join(tmpdir(), 'tillroll-eventstore-'))
    after(() => rm(folder, { recursive: true }))
    await store.stop()
    store = await startEventStore({ folder })
    await client.dispose()
    client = EventStoreDBClient.connectionString(store.url)
    const full = (): never => {
      throw new Error('no room')
    }
    Object.assign(store.node.store.index, { flush: full })
    await client.appendToStream(stream, event())
    expect((await failure(store.node.failed)).message).to.equal("the index can't be written: no room")
    expect((await failure(client.appendToStream(stream, event()))).type).to.equal('unknown')
    await store.stop()
    store = await startEventStore({ folder })
    expect(store.node.store.stream(stream).last).to.equal(0)
  })
})
