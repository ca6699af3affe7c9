import { binaryEvent, jsonEvent } from '@eventstore/db-client'
import shared from '@eventstore/db-client/generated/shared_pb.js'
import type { ReadResp } from '@eventstore/db-client/generated/streams_pb.js'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import { expect } from 'chai'
import { appendText, collect, event, events, failure, newStream, revisions, serviceError, subject } from './store.js'

describe('reading a stream', () => {
  const { client, raw } = subject()
  const stored = async (count: number): Promise<string> => {
    const stream = newStream()
    await client().appendToStream(stream, events(count))
    return stream
  }
  const read = async (stream: string, options: object) => revisions(await collect(client().readStream(stream, options)))

  it('goes forwards from a revision, inclusive', async () => {
    const stream = await stored(10)
    expect(await read(stream, { fromRevision: 7n })).to.deep.equal([7, 8, 9])
    expect(await read(stream, { fromRevision: 'start', maxCount: 2 })).to.deep.equal([0, 1])
    expect(await read(stream, { fromRevision: 3n, maxCount: 2 })).to.deep.equal([3, 4])
  })

  it('goes backwards from a revision, inclusive', async () => {
    const stream = await stored(10)
    const backwards = (options: object) => read(stream, { direction: 'backwards', ...options })
    expect(await backwards({ fromRevision: 'end', maxCount: 3 })).to.deep.equal([9, 8, 7])
    expect(await backwards({ fromRevision: 2n })).to.deep.equal([2, 1, 0])
    expect(await backwards({ fromRevision: 'start' })).to.deep.equal([0])
  })

  it('begins at the last event where it would begin beyond it, backwards', async () => {
    const stream = await stored(3)
    expect(await read(stream, { direction: 'backwards', fromRevision: 1_000n })).to.deep.equal([2, 1, 0])
    const largest = await read(stream, { direction: 'backwards', fromRevision: 2n ** 64n - 1n })
    expect(largest).to.deep.equal([2, 1, 0])
  })

  it('is empty beyond the end, forwards', async () => {
    const stream = await stored(3)
    expect(await read(stream, { fromRevision: 3n })).to.deep.equal([])
    expect(await read(stream, { fromRevision: 1_003n })).to.deep.equal([])
    expect(await read(stream, { fromRevision: 2n ** 63n - 1n })).to.deep.equal([])
    for (const fromRevision of [2n ** 63n, 'end'])
      expect((await failure(read(stream, { fromRevision }))).type, `${fromRevision}`).to.equal('unknown')
    expect((await failure(read(stream, { direction: 'backwards', fromRevision: 2n ** 63n }))).type).to.equal('unknown')
  })

  it('says that a stream is not there, by its name', async () => {
    const stream = newStream('größe')
    for (const direction of ['forwards', 'backwards'] as const) {
      const error = await failure(collect(client().readStream(stream, { direction })))
      expect(error).to.include({ type: 'stream-not-found', streamName: stream })
    }
  })

  it('gives a long stream whole, in both directions', async () => {
    const stream = newStream()
    for (let i = 0; i < 6; i++) await client().appendToStream(stream, events(500))
    const all = Array.from({ length: 3_000 }, (_, n) => n)
    expect(await read(stream, {})).to.deep.equal(all)
    expect(await read(stream, { direction: 'backwards', fromRevision: 'end' })).to.deep.equal(all.reverse())
  })

  describe('by a client that asks for its edges', () => {
    type Asked = {
      readonly from?: number
      readonly count?: number
      readonly backwards?: boolean
      readonly compatibility?: number
    }
    const ask = async (stream: string, { from = 0, count = 100, backwards = false, compatibility = 1 }: Asked = {}) => {
      const identifier = new shared.StreamIdentifier()
      identifier.setStreamName(Buffer.from(stream))
      const of = new streams.ReadReq.Options.StreamOptions()
      of.setStreamIdentifier(identifier)
      of.setRevision(`${from}`)
      const form = new streams.ReadReq.Options.UUIDOption()
      form.setString(new shared.Empty())
      const control = new streams.ReadReq.Options.ControlOption()
      control.setCompatibility(compatibility)
      const options = new streams.ReadReq.Options()
      options.setStream(of)
      options.setCount(`${count}`)
      options.setReadDirection(backwards ? 1 : 0)
      options.setNoFilter(new shared.Empty())
      options.setUuidOption(form)
      options.setControlOption(control)
      const request = new streams.ReadReq()
      request.setOptions(options)
      const said: string[] = []
      for await (const answer of raw().read(request) as AsyncIterable<ReadResp>) {
        if (answer.hasEvent()) said.push(answer.getEvent()!.getEvent()!.getStreamRevision())
        if (answer.hasFirstStreamPosition()) said.push(`first ${answer.getFirstStreamPosition()}`)
        if (answer.hasLastStreamPosition()) said.push(`last ${answer.getLastStreamPosition()}`)
        if (answer.hasStreamNotFound()) said.push('not found')
      }
      return said
    }

    it('ends with the last revision, in both directions', async () => {
      const stream = await stored(5)
      expect(await ask(stream, { from: 3 })).to.deep.equal(['3', '4', 'last 4'])
      expect(await ask(stream, { from: 1, count: 2 })).to.deep.equal(['1', '2', 'last 4'])
      expect(await ask(stream, { from: 1, backwards: true })).to.deep.equal(['1', '0', 'last 4'])
      expect(await ask(newStream())).to.deep.equal(['not found'])
    })

    it('is told the first revision where nothing is at the one that it asked for', async () => {
      const stream = await stored(40)
      expect(await ask(stream, { from: 40 })).to.deep.equal(['last 39'])
      expect(await ask(stream, { from: 50 })).to.deep.equal(['first 40', 'last 39'])
      await client().setStreamMetadata(stream, { truncateBefore: 36 })
      expect(await ask(stream, { count: 2 })).to.deep.equal(['first 36', '36', '37', 'last 39'])
      expect(await ask(stream, { from: 35, count: 3 })).to.deep.equal(['36', '37', '38', 'last 39'])
    })

    it('and by one that does not, is events alone', async () => {
      expect(await ask(await stored(2), { compatibility: 0 })).to.deep.equal(['0', '1'])
    })
  })

  it('gives every event its position', async () => {
    const stream = await stored(3)
    const positions = (await collect(client().readStream(stream))).map((one) => one.event!.position!.commit)
    expect(positions[0]! < positions[1]! && positions[1]! < positions[2]!).to.equal(true)
  })
})

describe('reading $all', () => {
  const { client, raw } = subject()
  let stream: string
  let positions: bigint[]

  before(async () => {
    stream = newStream()
    for (let i = 0; i < 5; i++) await client().appendToStream(stream, events(2))
    positions = (await collect(client().readStream(stream))).map((one) => one.event!.position!.commit)
  })
  const own = async (options: object) =>
    revisions((await collect(client().readAll(options))).filter((one) => one.event!.streamId === stream))
  const at = (index: number) => ({ commit: positions[index]!, prepare: positions[index]! })

  it('has a system event even in a fresh store', async () => {
    const [first] = await collect(client().readAll({ maxCount: 1 }))
    expect(first!.event!.type).to.match(/^\$/)
  })

  it('is in the order of positions, which commit and prepare share', async () => {
    const all = await collect(client().readAll())
    for (const [index, one] of all.entries()) {
      expect(one.event!.position!.prepare).to.equal(one.event!.position!.commit)
      expect(one.commitPosition).to.equal(one.event!.position!.commit)
      if (index > 0) expect(one.commitPosition! > all[index - 1]!.commitPosition!).to.equal(true)
    }
  })

  it('is the same, the other way round, backwards', async () => {
    const ids = (await collect(client().readAll())).map((one) => one.event!.id)
    const backwards = await collect(client().readAll({ direction: 'backwards', fromPosition: 'end' }))
    expect(backwards.map((one) => one.event!.id)).to.deep.equal(ids.reverse())
  })

  it('begins at a position forwards, and before it backwards', async () => {
    expect(await own({ fromPosition: at(3) })).to.deep.equal([3, 4, 5, 6, 7, 8, 9])
    expect(await own({ fromPosition: at(3), maxCount: 2 })).to.deep.equal([3, 4])
    expect(await own({ fromPosition: at(3), direction: 'backwards' })).to.deep.equal([2, 1, 0])
    expect(await own({ fromPosition: at(3), direction: 'backwards', maxCount: 1 })).to.deep.equal([2])
  })

  it('refuses a position inside an event, in both directions', async () => {
    const between = { commit: positions[3]! + 1n, prepare: positions[3]! + 1n }
    await failure(own({ fromPosition: between }))
    await failure(own({ fromPosition: between, direction: 'backwards' }))
  })

  it('refuses it with a filter too', async () => {
    const at = new streams.ReadReq.Options.Position()
    at.setCommitPosition(`${positions[3]! + 1n}`)
    at.setPreparePosition(`${positions[3]! + 1n}`)
    const all = new streams.ReadReq.Options.AllOptions()
    all.setPosition(at)
    const expression = new streams.ReadReq.Options.FilterOptions.Expression()
    expression.setRegex('.*')
    const filter = new streams.ReadReq.Options.FilterOptions()
    filter.setEventType(expression)
    filter.setCount(new shared.Empty())
    const form = new streams.ReadReq.Options.UUIDOption()
    form.setString(new shared.Empty())
    const options = new streams.ReadReq.Options()
    options.setAll(all)
    options.setCount('10')
    options.setFilter(filter)
    options.setUuidOption(form)
    const request = new streams.ReadReq()
    request.setOptions(options)
    const reading = (async () => {
      for await (const _ of raw().read(request) as AsyncIterable<ReadResp>);
    })()
    expect((await serviceError(reading)).code).to.equal(2)
  })

  it('refuses numbers that no signed one of 64 bits holds', async () => {
    const beyond = { commit: 2n ** 63n, prepare: 2n ** 63n }
    for (const direction of ['forwards', 'backwards'])
      expect((await failure(own({ fromPosition: beyond, direction }))).type, direction).to.equal('unknown')
  })

  it('is empty beyond the end and before the beginning, and refused backwards from beyond the end', async () => {
    const far = { commit: 2n ** 62n, prepare: 2n ** 62n }
    expect(await collect(client().readAll({ fromPosition: far }))).to.deep.equal([])
    expect((await failure(own({ fromPosition: far, direction: 'backwards' }))).type).to.equal('unknown')
    expect(await collect(client().readAll({ fromPosition: 'start', direction: 'backwards' }))).to.deep.equal([])
    expect(await collect(client().readAll({ fromPosition: 'end' }))).to.deep.equal([])
  })

  it('refuses a commit position before the prepare position', async () => {
    await failure(collect(client().readAll({ fromPosition: { commit: 1n, prepare: 2n } })))
  })

  it('holds metadata, links and tombstones', async () => {
    const other = newStream()
    await client().setStreamMetadata(other, { kind: 'x' })
    await client().appendToStream(other, jsonLink(0, stream))
    await client().tombstoneStream(other)
    const all = await collect(client().readAll({ direction: 'backwards', fromPosition: 'end', maxCount: 3 }))
    expect(all.map((one) => one.event!.type)).to.deep.equal(['$streamDeleted', '$>', '$metadata'])
    expect(all[2]!.event!.streamId).to.equal(`$$${other}`)
  })
})

const jsonLink = (revision: number, stream: string) => binaryEvent({ type: '$>', data: Buffer.from(`${revision}@${stream}`) })

describe('links', () => {
  const { client } = subject()
  const target = async () => {
    const stream = newStream('t@rget')
    await client().appendToStream(stream, [event('First'), event('Second', { n: 2 })])
    return stream
  }

  it('are followed where the reader asks for it', async () => {
    const [stream, links] = [await target(), newStream()]
    await client().appendToStream(links, [jsonLink(1, stream), event('Plain')])
    const [resolved, plain] = await collect(client().readStream(links, { resolveLinkTos: true }))
    expect(resolved!.event).to.include({ type: 'Second', streamId: stream, revision: 1n })
    expect(resolved!.link).to.include({ type: '$>', streamId: links, revision: 0n })
    expect(resolved!.commitPosition).to.equal(resolved!.link!.position!.commit)
    expect(plain!.event!.type).to.equal('Plain')
    expect(plain!.link).to.equal(undefined)
    const [asStored] = await collect(client().readStream(links))
    expect(asStored!.event!.type).to.equal('$>')
  })

  it('come alone where their target cannot be read', async () => {
    const [deleted, gone, cut, links] = [await target(), await target(), await target(), newStream()]
    await client().deleteStream(deleted)
    await client().tombstoneStream(gone)
    await client().setStreamMetadata(cut, { truncateBefore: 1 })
    const targets = [jsonLink(0, deleted), jsonLink(0, gone), jsonLink(0, cut), jsonLink(9, cut), jsonLink(0, newStream())]
    await client().appendToStream(links, targets)
    const found = await collect(client().readStream(links, { resolveLinkTos: true }))
    expect(found).to.have.length(5)
    for (const one of found) {
      expect(one.event).to.equal(undefined)
      expect(one.link!.type).to.equal('$>')
    }
  })

  it('are events like others where their text names no event', async () => {
    const links = newStream()
    const texts = ['nonsense', '', '1.5@s', '99999999999999999999@s', '@s']
    await client().appendToStream(
      links,
      texts.map((text) => binaryEvent({ type: '$>', data: Buffer.from(text) })),
    )
    const found = await collect(client().readStream(links, { resolveLinkTos: true }))
    expect(found.map(({ event: one, link }) => [one!.type, link])).to.deep.equal(texts.map(() => ['$>', undefined]))
  })

  it("name a stream's last event by −1", async () => {
    const [stream, links] = [await target(), newStream()]
    await client().appendToStream(links, jsonLink(-1, stream))
    const [one] = await collect(client().readStream(links, { resolveLinkTos: true }))
    expect([one!.event!.type, one!.link!.type]).to.deep.equal(['Second', '$>'])
  })

  it('come alone where their target is too old', async () => {
    const [stream, links] = [await target(), newStream()]
    await client().appendToStream(links, jsonLink(0, stream))
    await client().setStreamMetadata(stream, { maxAge: 1 })
    await new Promise((resolve) => setTimeout(resolve, 1_100))
    const [link] = await collect(client().readStream(links, { resolveLinkTos: true }))
    expect([link!.event, link!.link!.type]).to.deep.equal([undefined, '$>'])
  })

  it('are followed in $all, and in subscriptions', async () => {
    const [stream, links] = [await target(), newStream()]
    const { position } = await client().appendToStream(links, jsonLink(0, stream))
    const [all] = await collect(client().readAll({ fromPosition: position!, maxCount: 1, resolveLinkTos: true }))
    expect(all!.event!.type).to.equal('First')
    expect(all!.link!.streamId).to.equal(links)
    const subscription = client().subscribeToStream(links, { resolveLinkTos: true })
    for await (const one of subscription) {
      expect(one.event!.type).to.equal('First')
      break
    }
  })
})

describe("a stream's metadata", () => {
  const { client, raw } = subject()
  const stored = async (count: number, metadata: object): Promise<string> => {
    const stream = newStream()
    await client().appendToStream(stream, events(count))
    await client().setStreamMetadata(stream, metadata as never)
    return stream
  }
  const read = async (stream: string, options = {}) => revisions(await collect(client().readStream(stream, options)))

  it('limits reads by $maxCount', async () => {
    const stream = await stored(10, { maxCount: 3 })
    expect(await read(stream)).to.deep.equal([7, 8, 9])
    expect(await read(stream, { fromRevision: 2n, maxCount: 2 })).to.deep.equal([7, 8])
    expect(await read(stream, { direction: 'backwards', fromRevision: 'end' })).to.deep.equal([9, 8, 7])
    expect(await read(stream, { direction: 'backwards', fromRevision: 5n })).to.deep.equal([])
    await client().appendToStream(stream, event())
    expect(await read(stream)).to.deep.equal([8, 9, 10])
  })

  it('limits reads by $tb', async () => {
    const stream = await stored(5, { truncateBefore: 3 })
    expect(await read(stream)).to.deep.equal([3, 4])
    expect(await read(stream, { direction: 'backwards', fromRevision: 'end' })).to.deep.equal([4, 3])
    await client().setStreamMetadata(stream, { truncateBefore: 100 })
    expect(await read(stream)).to.deep.equal([])
    await client().setStreamMetadata(stream, { truncateBefore: 1 })
    expect(await read(stream)).to.deep.equal([1, 2, 3, 4])
  })

  it('limits reads by $maxAge, in seconds', async () => {
    const stream = await stored(3, { maxAge: 1 })
    expect(await read(stream)).to.deep.equal([0, 1, 2])
    await new Promise((resolve) => setTimeout(resolve, 1_100))
    await client().appendToStream(stream, event())
    expect(await read(stream)).to.deep.equal([3])
    expect(await read(stream, { direction: 'backwards', fromRevision: 'end' })).to.deep.equal([3])
  })

  it('does not limit $all', async () => {
    const stream = await stored(5, { maxCount: 1 })
    const all = await collect(client().readAll({ direction: 'backwards', fromPosition: 'end', maxCount: 20 }))
    expect(all.filter((one) => one.event!.streamId === stream)).to.have.length(5)
  })

  it('is given back as it was set, $acl and own keys included', async () => {
    const metadata = {
      maxAge: 10,
      maxCount: 5,
      truncateBefore: 1,
      cacheControl: 7,
      acl: { readRoles: ['a'], writeRoles: ['b'], deleteRoles: ['c'], metaReadRoles: ['d'], metaWriteRoles: ['e'] },
      own: { deep: [1, 2] },
    }
    const stream = await stored(1, metadata)
    expect((await client().getStreamMetadata(stream)).metadata).to.deep.equal(metadata)
  })

  it('is nothing where none was set', async () => {
    expect(await client().getStreamMetadata(newStream())).to.not.have.property('metadata')
  })

  it('shows its latest state alone', async () => {
    const stream = await stored(1, { a: 1 })
    await client().setStreamMetadata(stream, { a: 2 })
    const found = await collect(client().readStream(`$$${stream}`))
    expect(found.map((one) => one.event!.data)).to.deep.equal([{ a: 2 }])
    expect(revisions(found)).to.deep.equal([1])
  })

  it('is checked against an expected revision', async () => {
    const stream = await stored(1, { a: 1 })
    const error = await failure(client().setStreamMetadata(stream, { a: 2 }, { expectedRevision: 'no_stream' }))
    expect(error.type).to.equal('wrong-expected-version')
  })

  for (const data of [
    'no json',
    '[1]',
    '{"$maxCount":0}',
    '{"$tb":"3"}',
    '{"$maxCount":1.5}',
    '{"$tb":-1}',
    '{"$tb":99999999999999999999}',
  ]) {
    it(`counts for nothing where it is ${data}`, async () => {
      const stream = newStream()
      await client().appendToStream(stream, events(3))
      await appendText(raw(), `$$${stream}`, '$metadata', data)
      expect(await read(stream)).to.deep.equal([0, 1, 2])
    })
  }

  it('counts for nothing where it is not marked as JSON', async () => {
    const stream = newStream()
    await client().appendToStream(stream, events(3))
    const bytes = (text: string) => binaryEvent({ type: '$metadata', data: Buffer.from(text) })
    await client().appendToStream(`$$${stream}`, bytes('{"$maxCount":1}'))
    expect(await read(stream)).to.deep.equal([0, 1, 2])
    await appendText(raw(), `$$${stream}`, '$metadata', '{"$maxCount":1}')
    expect(await read(stream)).to.deep.equal([2])
  })

  it('can be written with the stream not yet there', async () => {
    const stream = newStream()
    await client().setStreamMetadata(stream, { maxCount: 2 })
    expect((await failure(read(stream))).type).to.equal('stream-not-found')
    await client().appendToStream(stream, [jsonEvent({ type: 'A', data: {} }), ...events(3)])
    expect(await read(stream)).to.deep.equal([2, 3])
  })
})
