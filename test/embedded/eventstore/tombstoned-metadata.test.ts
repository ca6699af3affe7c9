import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client'
import { expect } from 'chai'
import { collect, event, events, failure, newStream } from '../../eventstore/contract/store.js'
import { startEventStore } from '../../support/eventstore.js'

/** This ends an EventStoreDB for good: metadata written again after a tombstone, and then the stream of the metadata deleted. */
describe('the metadata of a tombstoned stream', () => {
  it('is written and deleted no more, whatever is tried, and the node starts on its folder again', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tillroll-tombstoned-'))
    const first = await startEventStore({ folder })
    const client = EventStoreDBClient.connectionString(first.url)
    const stream = newStream()
    await client.appendToStream(stream, events(2))
    await client.setStreamMetadata(stream, { maxCount: 5 })
    await client.tombstoneStream(stream)
    const metadata = `$$${stream}`
    for (const work of [
      () => client.setStreamMetadata(stream, { maxCount: 7 }),
      () => client.appendToStream(metadata, jsonEvent({ type: '$metadata', data: {} })),
      () => client.appendToStream(metadata, event(), { expectedRevision: 0n }),
      () => client.deleteStream(metadata),
      () => client.tombstoneStream(metadata),
      () => client.deleteStream(stream),
    ]) {
      await failure(work())
    }
    // Metadata of the metadata's own stream is nobody's, and borne.
    await client.setStreamMetadata(metadata, { maxCount: 1 })
    const before = (await collect(client.readAll())).map((one) => one.event!.id)
    await client.dispose()
    await first.stop()

    const second = await startEventStore({ folder })
    const again = EventStoreDBClient.connectionString(second.url)
    expect((await collect(again.readAll())).map((one) => one.event!.id)).to.deep.equal(before)
    for (const name of [stream, metadata])
      expect((await failure(collect(again.readStream(name)))).type).to.equal('stream-deleted')
    expect((await failure(again.setStreamMetadata(stream, {}))).type).to.equal('stream-deleted')
    await again.appendToStream(newStream(), event())
    await again.dispose()
    await second.stop()
    await rm(folder, { recursive: true })
  })
})
