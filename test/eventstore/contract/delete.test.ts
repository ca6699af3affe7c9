import shared from '@eventstore/db-client/generated/shared_pb.js'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import { expect } from 'chai'
import { appendText, collect, event, events, failure, listen, newStream, revisions, serviceError, subject } from './store.js'

describe('delete', () => {
  const { client, raw } = subject()
  const stored = async (count = 3): Promise<string> => {
    const stream = newStream()
    await client().appendToStream(stream, events(count))
    return stream
  }
  /** A real node writes what revives a stream after the append's answer. */
  const revived = async (stream: string): Promise<number[]> => {
    for (let attempt = 1; ; attempt++) {
      try {
        return revisions(await collect(client().readStream(stream)))
      } catch (error) {
        if (attempt === 50 || (error as { type: string }).type !== 'stream-not-found') throw error
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
  }
  const readFailure = async (stream: string) => (await failure(collect(client().readStream(stream)))).type
  const metadata = async (stream: string) => (await collect(client().readStream(`$$${stream}`))).map((one) => one.event!)

  it('makes a stream not found, and keeps its events in $all', async () => {
    const stream = await stored()
    const { position } = await client().deleteStream(stream, { expectedRevision: 2n })
    expect(await readFailure(stream)).to.equal('stream-not-found')
    const all = await collect(client().readAll({ direction: 'backwards', fromPosition: 'end', maxCount: 500 }))
    const kept = all.filter((one) => one.event!.streamId === stream)
    expect(kept).to.have.length(3)
    const [written] = await metadata(stream)
    expect(written!.position).to.deep.equal(position)
  })

  it('writes a $tb of all, in place of the metadata that was there', async () => {
    const stream = await stored()
    await client().setStreamMetadata(stream, { maxCount: 5, kind: 'x' })
    await client().deleteStream(stream)
    const [last] = await metadata(stream)
    expect(last!.type).to.equal('$metadata')
    expect(Object.keys(last!.data as object)).to.deep.equal(['$tb'])
    expect(Number((last!.data as { $tb: number }).$tb)).to.equal(2 ** 63)
  })

  it('lets an append go on after the last revision, and keeps other metadata', async () => {
    const stream = await stored()
    await client().deleteStream(stream)
    const result = await client().appendToStream(stream, events(2), { expectedRevision: 'no_stream' })
    expect(result.nextExpectedRevision).to.equal(4n)
    expect(revisions(await collect(client().readStream(stream)))).to.deep.equal([3, 4])
    expect((await client().getStreamMetadata(stream)).metadata).to.deep.equal({ truncateBefore: 3 })
  })

  it('lives again, from where it ended, when metadata is written; other keys are kept', async () => {
    for (const tb of ['"$tb":9223372036854775807,', '"$tb":1,', '']) {
      const stream = await stored()
      await client().deleteStream(stream)
      await appendText(raw(), `$$${stream}`, '$metadata', `{"kind":"x",${tb}"n":{"$tb":1}}`)
      expect(await revived(stream)).to.deep.equal([])
      const { metadata: now } = await client().getStreamMetadata(stream)
      expect(now).to.deep.equal({ kind: 'x', truncateBefore: 3, n: { $tb: 1 } })
      await client().appendToStream(stream, event('Again'))
      expect(await revived(stream)).to.deep.equal([3])
    }
  })

  it('lives whole again when its metadata can not be understood', async () => {
    const stream = await stored()
    await client().deleteStream(stream)
    await appendText(raw(), `$$${stream}`, '$metadata', 'no json')
    expect(await revived(stream)).to.deep.equal([0, 1, 2])
  })

  for (const expectedRevision of ['any', 2n] as const) {
    it(`lets an append expect ${expectedRevision} of a deleted stream`, async () => {
      const stream = await stored()
      await client().deleteStream(stream)
      await client().appendToStream(stream, event(), { expectedRevision })
      expect(await revived(stream)).to.deep.equal([3])
    })
  }

  it('says of a deleted stream that it does not exist', async () => {
    const stream = await stored()
    await client().deleteStream(stream)
    const error = await failure(client().appendToStream(stream, event(), { expectedRevision: 'stream_exists' }))
    expect(error.type).to.equal('stream-deleted')
  })

  it('deletes a stream of metadata alone', async () => {
    const stream = newStream()
    await client().setStreamMetadata(stream, { kind: 'x' })
    await client().deleteStream(stream)
    const [last] = await metadata(stream)
    expect(Object.keys(last!.data as object)).to.deep.equal(['$tb'])
  })

  it('refuses a wrong revision', async () => {
    const stream = await stored()
    for (const expectedRevision of [0n, 7n, 'no_stream'] as const) {
      const error = await failure(client().deleteStream(stream, { expectedRevision }))
      const expectedVersion = expectedRevision === 'no_stream' ? -1n : expectedRevision
      expect(error).to.include({ type: 'wrong-expected-version', expectedVersion, actualVersion: 2n, streamName: stream })
    }
    expect(revisions(await collect(client().readStream(stream)))).to.have.length(3)
  })

  it('refuses a stream that has neither events nor metadata', async () => {
    for (const expectedRevision of ['any', 'no_stream', 0n] as const) {
      const error = await failure(client().deleteStream(newStream(), { expectedRevision }))
      expect(error.type, `${expectedRevision}`).to.equal('wrong-expected-version')
    }
  })
})

describe('what is said of a refused delete', () => {
  const { client, raw, embedded } = subject()
  const refused = (name: string, expected: (options: InstanceType<typeof streams.DeleteReq.Options>) => void) => {
    const identifier = new shared.StreamIdentifier()
    identifier.setStreamName(Buffer.from(name))
    const options = new streams.DeleteReq.Options()
    options.setStreamIdentifier(identifier)
    expected(options)
    const request = new streams.DeleteReq()
    request.setOptions(options)
    return serviceError(
      new Promise((resolve, reject) => raw().delete(request, (error, found) => (error ? reject(error) : resolve(found)))),
    )
  }

  it('is in words that some clients read', async () => {
    const stream = newStream()
    const missing = await refused(stream, (options) => options.setRevision('3'))
    expect(missing.details).to.match(/WrongExpectedVersion\. Stream: test-\S+, Expected version: 3, Actual version: -1$/)
    await client().appendToStream(stream, events(2))
    const wrong = await refused(stream, (options) => options.setNoStream(new shared.Empty()))
    expect(wrong.details).to.match(/WrongExpectedVersion\. Stream: test-\S+, Expected version: -1, Actual version: 1$/)
    await client().tombstoneStream(stream)
    expect((await refused(stream, (options) => options.setAny(new shared.Empty()))).details).to.contain('is deleted')
  })

  it('reaches the client however long the name is', async () => {
    // A real node can't write a name into trailers that is not ASCII.
    for (const name of embedded() ? ['o'.repeat(20_000), 'ö'.repeat(20_000)] : ['o'.repeat(20_000)])
      expect((await refused(newStream(name), (options) => options.setRevision('3'))).code).to.equal(9)
  })
})

describe('tombstone', () => {
  const { client, embedded } = subject()
  const stored = async (): Promise<string> => {
    const stream = newStream()
    await client().appendToStream(stream, events(2))
    return stream
  }

  it('ends a stream for good', async () => {
    const stream = await stored()
    const { position } = await client().tombstoneStream(stream, { expectedRevision: 1n })
    const all = await collect(client().readAll({ direction: 'backwards', fromPosition: 'end', maxCount: 100 }))
    const last = all.find((one) => one.event!.streamId === stream)!.event!
    expect(last).to.deep.include({ type: '$streamDeleted', revision: 2n ** 63n - 1n, position })
    for (const work of [
      () => collect(client().readStream(stream)),
      () => collect(client().readStream(stream, { direction: 'backwards', fromRevision: 'end' })),
      () => client().appendToStream(stream, event()),
      () => client().appendToStream(stream, event(), { expectedRevision: 'no_stream' }),
      () => client().appendToStream(stream, event(), { expectedRevision: 1n }),
      () => client().deleteStream(stream),
      () => client().tombstoneStream(stream),
    ]) {
      const error = await failure(work())
      expect(error.type).to.equal('stream-deleted')
      expect(error.streamName).to.equal(stream)
    }
  })

  it('takes the metadata stream with it', async () => {
    const stream = await stored()
    await client().setStreamMetadata(stream, { kind: 'x' })
    await client().tombstoneStream(stream)
    expect((await failure(client().getStreamMetadata(stream))).type).to.equal('stream-deleted')
    const bare = await stored()
    await client().tombstoneStream(bare)
    expect((await failure(client().setStreamMetadata(bare, {}))).type).to.equal('stream-deleted')
    // A real node remembers the metadata's revision, and writes what nobody reads.
    if (embedded()) expect((await failure(client().setStreamMetadata(stream, {}))).type).to.equal('stream-deleted')
  })

  for (const expectedRevision of ['any', 'no_stream'] as const) {
    it(`is possible on a stream that never was, ${expectedRevision}`, async () => {
      const stream = newStream()
      await client().tombstoneStream(stream, { expectedRevision })
      expect((await failure(collect(client().readStream(stream)))).type).to.equal('stream-deleted')
    })
  }

  it('refuses a wrong revision', async () => {
    const stream = await stored()
    for (const expectedRevision of ['no_stream', 0n, 5n] as const) {
      expect((await failure(client().tombstoneStream(stream, { expectedRevision }))).type).to.equal('wrong-expected-version')
    }
    const missing = await failure(client().tombstoneStream(newStream(), { expectedRevision: 0n }))
    expect(missing.type).to.equal('wrong-expected-version')
    expect(revisions(await collect(client().readStream(stream)))).to.deep.equal([0, 1])
  })

  it('ends a deleted stream too', async () => {
    const stream = await stored()
    await client().deleteStream(stream)
    await client().tombstoneStream(stream)
    expect((await failure(collect(client().readStream(stream)))).type).to.equal('stream-deleted')
  })

  it('gives live subscribers the event, then the error', async () => {
    const stream = await stored()
    const log = listen(client().subscribeToStream(stream))
    await log.until(() => log.said.includes('caughtUp'))
    await client().tombstoneStream(stream)
    await log.until(() => log.said.some((word) => word.startsWith('error')))
    expect(log.said).to.deep.equal(['confirmation', 'Happened', 'Happened', 'caughtUp', '$streamDeleted', 'error stream-deleted'])
  })

  it('refuses a subscription without confirming it', async () => {
    const stream = await stored()
    await client().tombstoneStream(stream)
    const log = listen(client().subscribeToStream(stream))
    await log.until(() => log.said.length > 0)
    expect(log.said).to.deep.equal(['error stream-deleted'])
  })

  it('names a stream in trailers whatever its name is', async () => {
    for (const name of embedded() ? ['plain %', 'größe %'] : ['plain %']) {
      const stream = newStream(name)
      await client().tombstoneStream(stream)
      const error = await failure(collect(client().readStream(stream)))
      expect(error.type).to.equal('stream-deleted')
      expect(error.streamName).to.be.oneOf([stream, encodeURIComponent(stream)])
    }
  })
})
