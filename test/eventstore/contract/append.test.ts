import { binaryEvent, jsonEvent } from '@eventstore/db-client'
import { expect } from 'chai'
import { collect, event, events, failure, newStream, revisions, subject } from './store.js'

describe('append', () => {
  const { client, url, embedded } = subject()
  const read = async (stream: string) => revisions(await collect(client().readStream(stream)))

  it('answers the last revision and its position, which the event shows too', async () => {
    const stream = newStream()
    const result = await client().appendToStream(stream, events(3), { expectedRevision: 'no_stream' })
    expect(result).to.include({ success: true, nextExpectedRevision: 2n })
    const found = await collect(client().readStream(stream))
    expect(found[2]!.event!.position).to.deep.equal(result.position)
    expect(result.position!.commit).to.equal(result.position!.prepare)
    expect(found[2]!.commitPosition).to.equal(result.position!.commit)
  })

  it('gives back an event as it was', async () => {
    const stream = newStream('ünï/cödé %20')
    const json = jsonEvent({
      type: 'Größe',
      data: { text: '✓ "quoted"', n: 1.5 },
      metadata: { $correlationId: 'c', deep: { a: [1] } },
    })
    const bytes = binaryEvent({ type: 'bytes', data: Uint8Array.from([0, 255, 10]), metadata: Uint8Array.from([1, 2, 250]) })
    const bare = jsonEvent({ type: 'bare', data: {} })
    const before = Date.now()
    await client().appendToStream(stream, [json, bytes, bare])
    const [first, second, third] = (await collect(client().readStream(stream))).map((one) => one.event!)
    expect(first).to.deep.include({
      id: json.id,
      type: json.type,
      data: json.data,
      metadata: json.metadata,
      streamId: stream,
      isJson: true,
    })
    expect(second).to.deep.include({ type: 'bytes', isJson: false })
    expect([...(second!.data as Uint8Array)]).to.deep.equal([0, 255, 10])
    expect([...(second!.metadata as Uint8Array)]).to.deep.equal([1, 2, 250])
    expect(third!.metadata).to.equal(undefined)
    expect(third!.created.getTime()).to.be.within(before - 60_000, Date.now() + 60_000)
  })

  it('appends all the events or none', async () => {
    const stream = newStream()
    await failure(client().appendToStream(stream, events(3), { expectedRevision: 5n }))
    expect((await failure(collect(client().readStream(stream)))).type).to.equal('stream-not-found')
  })

  it('takes an append of nothing', async () => {
    const stream = newStream()
    await client().appendToStream(stream, events(2))
    const result = await client().appendToStream(stream, [], { expectedRevision: 1n })
    expect(result.success).to.equal(true)
    expect(await read(stream)).to.deep.equal([0, 1])
  })

  it('takes a batch of many chunks whole', async () => {
    const stream = newStream()
    const many = events(200)
    await client().appendToStream(stream, many, { batchAppendSize: 1_000, expectedRevision: 'no_stream' })
    const found = await collect(client().readStream(stream))
    expect(found.map((one) => one.event!.id)).to.deep.equal(many.map((one) => one.id))
  })

  it('holds what many appends at once append', async () => {
    const streams = Array.from({ length: 20 }, () => newStream())
    await Promise.all(streams.flatMap((stream) => events(10).map((one) => client().appendToStream(stream, one))))
    for (const stream of streams) expect(await read(stream)).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  describe('at an expected revision', () => {
    const wrong = async (stream: string, expectedRevision: bigint | 'no_stream' | 'stream_exists') =>
      failure(client().appendToStream(stream, event(), { expectedRevision }))

    it('refuses a stream that is somewhere else', async () => {
      const stream = newStream()
      await client().appendToStream(stream, events(3))
      expect(await wrong(stream, 1n)).to.include({ type: 'wrong-expected-version', expectedVersion: 1n, actualVersion: 2n })
      expect(await wrong(stream, 3n)).to.include({ type: 'wrong-expected-version', expectedVersion: 3n, actualVersion: 2n })
      expect(await wrong(stream, 'no_stream')).to.include({ expectedVersion: 'no_stream', actualVersion: 2n, streamName: stream })
    })

    it('refuses a stream that is not there', async () => {
      const stream = newStream()
      expect(await wrong(stream, 0n)).to.include({ expectedVersion: 0n, actualVersion: 'no_stream' })
      expect(await wrong(stream, 'stream_exists')).to.include({ expectedVersion: 'stream_exists', actualVersion: 'no_stream' })
    })

    it('answers instead of throwing where the client asks for it', async () => {
      const stream = newStream()
      await client().appendToStream(stream, events(2))
      const { EventStoreDBClient } = await import('@eventstore/db-client')
      const quiet = EventStoreDBClient.connectionString(`${url()}&throwOnAppendFailure=false`)
      expect((await quiet.appendToStream(stream, event(), { expectedRevision: 'no_stream' })).success).to.equal(false)
      await quiet.dispose()
    })

    it('counts a metadata stream as an existing stream', async () => {
      const stream = newStream()
      await client().setStreamMetadata(stream, { kind: 'x' })
      await client().appendToStream(stream, event(), { expectedRevision: 'stream_exists' })
      expect(await read(stream)).to.deep.equal([0])
    })
  })

  describe('repeated', () => {
    const stored = async (count = 3) => {
      const stream = newStream()
      const batch = events(count)
      const result = await client().appendToStream(stream, batch, { expectedRevision: 'no_stream' })
      return { stream, batch, result }
    }

    for (const expectedRevision of ['any', 'stream_exists'] as const) {
      it(`is recognised by its ids, ${expectedRevision}`, async () => {
        const { stream, batch, result } = await stored()
        await client().appendToStream(stream, events(2))
        expect(await client().appendToStream(stream, batch, { expectedRevision })).to.deep.equal(result)
        expect(await read(stream)).to.have.length(5)
      })

      it(`is refused where only its beginning is known, ${expectedRevision}`, async () => {
        const { stream, batch } = await stored()
        const half = await failure(client().appendToStream(stream, [batch[2]!, event()], { expectedRevision }))
        expect(half.type).to.equal('wrong-expected-version')
        expect(await read(stream)).to.have.length(3)
      })

      it(`is appended where its first event is new, ${expectedRevision}`, async () => {
        const { stream, batch } = await stored()
        await client().appendToStream(stream, [event(), batch[0]!], { expectedRevision })
        expect(await read(stream)).to.have.length(5)
      })
    }

    it('is recognised at its revision, however long ago', async () => {
      const { stream, batch, result } = await stored()
      for (let i = 0; i < 5; i++) await client().appendToStream(stream, events(50))
      expect(await client().appendToStream(stream, batch, { expectedRevision: 'no_stream' })).to.deep.equal(result)
      const tail = await client().appendToStream(stream, batch.slice(1), { expectedRevision: 0n })
      expect(tail).to.deep.equal(result)
      const part = await client().appendToStream(stream, batch.slice(1, 2), { expectedRevision: 0n })
      expect(part.nextExpectedRevision).to.equal(1n)
      expect(await read(stream)).to.have.length(253)
    })

    it('is refused at a revision where other events stand, first or later', async () => {
      const { stream, batch } = await stored()
      for (const changed of [[batch[1]!], [batch[0]!, event()], [...batch, event()]]) {
        const error = await failure(client().appendToStream(stream, changed, { expectedRevision: 'no_stream' }))
        expect(error).to.include({ type: 'wrong-expected-version', actualVersion: 2n })
      }
      expect(await read(stream)).to.have.length(3)
    })

    it('is looked for in its own stream alone', async () => {
      const { batch } = await stored()
      const other = newStream()
      await client().appendToStream(other, batch)
      expect(await read(other)).to.have.length(3)
    })

    it('is recognised while the first is on its way', async () => {
      const stream = newStream()
      const batch = events(2)
      const append = () => client().appendToStream(stream, batch, { expectedRevision: 'no_stream' })
      const settled = await Promise.allSettled(Array.from({ length: 8 }, append))
      const results = settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
      expect(results).to.not.be.empty
      for (const result of results) expect(result).to.deep.equal(results[0])
      // A real node drops a repeat that meets the first on its way, and it times out.
      for (const one of settled) if (one.status === 'rejected') expect(one.reason.type).to.equal('deadline-exceeded')
      if (embedded()) expect(results).to.have.length(8)
      expect(await append()).to.deep.equal(results[0])
      expect(await read(stream)).to.deep.equal([0, 1])
    })
  })

  describe('limits', () => {
    const limit = 1024 * 1024
    const sized = (bytes: number) => binaryEvent({ type: 'Sized', data: new Uint8Array(bytes) })

    it('takes nearly a mebibyte of data, and not more than one', async () => {
      const stream = newStream()
      await client().appendToStream(stream, [sized(limit / 2 - 500), sized(limit / 2 - 500)])
      expect(await read(stream)).to.deep.equal([0, 1])
      const error = await failure(client().appendToStream(stream, [sized(limit / 2), sized(limit / 2 + 1)]))
      expect(error).to.include({ type: 'maximum-append-size-exceeded', maxAppendSize: limit })
      expect(await read(stream)).to.deep.equal([0, 1])
    })

    it('counts metadata and types too, from 24.10.4 on', async function () {
      if (!embedded()) return this.skip()
      const stream = newStream()
      await client().appendToStream(stream, sized(limit - 10))
      expect((await failure(client().appendToStream(stream, sized(limit - 9)))).type).to.equal('maximum-append-size-exceeded')
      const described = jsonEvent({ type: 'Described', data: {}, metadata: { pad: 'x'.repeat(500_000) } })
      const error = await failure(client().appendToStream(stream, [described, described, described]))
      expect(error.type).to.equal('maximum-append-size-exceeded')
      return undefined
    })

    it('goes on with the other appends when one is too large, also in chunks', async () => {
      const [bad, good] = [newStream(), newStream()]
      const [refused, taken] = await Promise.allSettled([
        client().appendToStream(
          bad,
          Array.from({ length: 40 }, () => sized(100_000)),
          { batchAppendSize: 200_000 },
        ),
        client().appendToStream(good, events(3)),
      ])
      expect(refused.status).to.equal('rejected')
      expect(taken.status).to.equal('fulfilled')
    })

    it('refuses what no record could hold', async () => {
      const metadata = new Uint8Array(16 * 1024 * 1024)
      const large = binaryEvent({ type: 'Large', data: new Uint8Array(1), metadata })
      const error = await failure(client().appendToStream(newStream(), large))
      expect(error.type).to.be.oneOf(['maximum-append-size-exceeded', 'unknown'])
      if (embedded()) {
        const long = client().appendToStream(newStream('x'.repeat(70_000)), event())
        expect((await failure(long)).type).to.equal('unknown')
      }
      await written()
    })

    for (const name of ['', '$$']) {
      it(`refuses the name "${name}"`, async () => {
        expect((await failure(client().appendToStream(name, event()))).type).to.equal('unknown')
        expect(await read(await written())).to.deep.equal([0])
      })
    }

    it('refuses an event without a type', async () => {
      expect((await failure(client().appendToStream(newStream(), event('')))).type).to.equal('unknown')
    })

    it('refuses an id that is no UUID', async () => {
      expect((await failure(client().appendToStream(newStream(), event('A', {}, 'no-uuid')))).type).to.equal('unknown')
    })

    const written = async (): Promise<string> => {
      const stream = newStream()
      await client().appendToStream(stream, event())
      return stream
    }
  })
})
