import { binaryEvent, eventTypeFilter, excludeSystemEvents, type Filter, streamNameFilter } from '@eventstore/db-client'
import { expect } from 'chai'
import { collect, event, events, listen, newStream, revisions, subject } from './store.js'

const live = (log: { said: string[] }) => () => log.said.includes('caughtUp')

describe('subscribing to a stream', () => {
  const { client } = subject()

  it('confirms, catches up, says so, and goes on live', async () => {
    const stream = newStream()
    await client().appendToStream(stream, events(2, 'Old'))
    const log = listen(client().subscribeToStream(stream))
    await log.until(live(log))
    await client().appendToStream(stream, events(2, 'New'))
    await log.until(() => log.events.length === 4)
    expect(log.said).to.deep.equal(['confirmation', 'Old', 'Old', 'caughtUp', 'New', 'New'])
    expect(revisions(log.events)).to.deep.equal([0, 1, 2, 3])
    await log.stop()
  })

  it('begins after a revision, or at the end', async () => {
    const stream = newStream()
    await client().appendToStream(stream, events(3))
    const after = listen(client().subscribeToStream(stream, { fromRevision: 1n }))
    const end = listen(client().subscribeToStream(stream, { fromRevision: 'end' }))
    await Promise.all([after.until(live(after)), end.until(live(end))])
    await client().appendToStream(stream, event())
    await Promise.all([after.until(() => after.events.length === 2), end.until(() => end.events.length === 1)])
    expect(revisions(after.events)).to.deep.equal([2, 3])
    expect(revisions(end.events)).to.deep.equal([3])
    await Promise.all([after.stop(), end.stop()])
  })

  it('waits for a stream that is not there', async () => {
    const stream = newStream()
    const log = listen(client().subscribeToStream(stream))
    await log.until(live(log))
    await client().appendToStream(stream, event('First'))
    await log.until(() => log.events.length === 1)
    expect(log.said).to.deep.equal(['confirmation', 'caughtUp', 'First'])
    await log.stop()
  })

  it('hears nothing of other streams', async () => {
    const stream = newStream()
    const log = listen(client().subscribeToStream(stream))
    await log.until(live(log))
    await client().appendToStream(newStream(), event('Other'))
    await client().appendToStream(stream, event('Own'))
    await log.until(() => log.events.length === 1)
    expect(log.said.at(-1)).to.equal('Own')
    await log.stop()
  })

  it('is limited by metadata while it catches up, and not live', async () => {
    const stream = newStream()
    await client().appendToStream(stream, events(5))
    await client().setStreamMetadata(stream, { maxCount: 2 })
    const log = listen(client().subscribeToStream(stream))
    await log.until(live(log))
    await client().appendToStream(stream, events(4))
    await log.until(() => log.events.length === 6)
    expect(revisions(log.events)).to.deep.equal([3, 4, 5, 6, 7, 8])
    await log.stop()
  })

  it('goes on over a delete, with the events after it', async () => {
    const stream = newStream()
    await client().appendToStream(stream, events(2))
    const log = listen(client().subscribeToStream(stream))
    await log.until(live(log))
    await client().deleteStream(stream)
    await client().appendToStream(stream, event('Again'))
    await log.until(() => log.events.length === 3)
    expect(revisions(log.events)).to.deep.equal([0, 1, 2])
    await log.stop()
  })

  it('ends when the client leaves', async () => {
    const stream = newStream()
    const subscription = client().subscribeToStream(stream)
    const log = listen(subscription)
    await log.until(live(log))
    await log.stop()
    await client().appendToStream(stream, event())
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(log.said).to.deep.equal(['confirmation', 'caughtUp'])
  })

  it('gives each event once, in order, to many subscribers that join while it is written', async () => {
    const stream = newStream()
    const logs: ReturnType<typeof listen>[] = []
    for (let i = 0; i < 20; i++) {
      await client().appendToStream(stream, events(5))
      logs.push(listen(client().subscribeToStream(stream)))
    }
    const all = Array.from({ length: 100 }, (_, n) => n)
    for (const log of logs) {
      await log.until(() => log.events.length === 100)
      expect(revisions(log.events)).to.deep.equal(all)
      await log.stop()
    }
  })
})

describe('subscribing to $all', () => {
  const { client, embedded } = subject()

  it('begins at the start, after a position, or at the end', async () => {
    const stream = newStream()
    await client().appendToStream(stream, events(3))
    const [, second] = await collect(client().readStream(stream))
    const start = listen(client().subscribeToAll())
    const after = listen(client().subscribeToAll({ fromPosition: second!.event!.position! }))
    const end = listen(client().subscribeToAll({ fromPosition: 'end' }))
    await Promise.all([start, after, end].map((log) => log.until(live(log))))
    await client().appendToStream(stream, event('Last'))
    await Promise.all([start, after, end].map((log) => log.until(() => log.said.includes('Last'))))
    const all = await collect(client().readAll())
    expect(start.events.map((one) => one.event!.id)).to.deep.equal(all.map((one) => one.event!.id))
    const own = (log: ReturnType<typeof listen>) => revisions(log.events.filter((one) => one.event!.streamId === stream))
    expect(own(after)).to.deep.equal([2, 3])
    expect(own(end)).to.deep.equal([3])
    await Promise.all([start, after, end].map((log) => log.stop()))
  })

  it('refuses a position inside an event', async () => {
    const { position } = await client().appendToStream(newStream(), event())
    const inside = { commit: position!.commit + 1n, prepare: position!.prepare + 1n }
    await client().appendToStream(newStream(), event())
    const log = listen(client().subscribeToAll({ fromPosition: inside }))
    await log.until(() => log.said.some((word) => word.startsWith('error')))
    expect(log.events).to.deep.equal([])
  })

  it('says once that it has caught up', async () => {
    const log = listen(client().subscribeToAll())
    await log.until(live(log))
    for (let i = 0; i < 5; i++) await client().appendToStream(newStream(), event(`E${i}`))
    await log.until(() => log.said.includes('E4'))
    expect(log.said.filter((word) => word === 'caughtUp')).to.have.length(1)
    expect(log.said[0]).to.equal('confirmation')
    await log.stop()
  })

  describe('with a filter', () => {
    const matching = async (filter: Filter, expected: string[]) => {
      const log = listen(client().subscribeToAll({ filter }))
      await log.until(() => live(log)() && log.events.length >= expected.length)
      expect(log.events.map((one) => `${one.event!.streamId.split('-')[0]} ${one.event!.type}`)).to.deep.equal(expected)
      await log.stop()
    }
    let mark: string

    before(async () => {
      mark = `m${Date.now().toString(36)}`
      await client().appendToStream(newStream(`${mark}cart`), [event(`${mark}Added`), event(`${mark}Removed`)])
      await client().appendToStream(newStream(`${mark}order`), [event(`x${mark}Added`), event(`$${mark}`)])
      await client().setStreamMetadata(newStream(`${mark}cart`), { a: 1 })
    })

    it('by prefixes of the type', () =>
      matching(eventTypeFilter({ prefixes: [`${mark}Re`, `${mark}Ad`] }), [
        `${mark}cart ${mark}Added`,
        `${mark}cart ${mark}Removed`,
      ]))
    it('by prefixes of the stream', () =>
      matching(streamNameFilter({ prefixes: [`${mark}order`] }), [`${mark}order x${mark}Added`, `${mark}order $${mark}`]))
    it('by an expression on the type, found anywhere in it', () =>
      matching(eventTypeFilter({ regex: `${mark}Add` }), [`${mark}cart ${mark}Added`, `${mark}order x${mark}Added`]))
    it('by an expression on the stream', () =>
      matching(streamNameFilter({ regex: `^${mark}cart-` }), [`${mark}cart ${mark}Added`, `${mark}cart ${mark}Removed`]))
    it("by an expression in .NET's spelling", () =>
      matching(streamNameFilter({ regex: `(?i)\\A${mark.toUpperCase()}order\\-` }), [
        `${mark}order x${mark}Added`,
        `${mark}order $${mark}`,
      ]))
    it('without system events', async () => {
      const log = listen(client().subscribeToAll({ filter: excludeSystemEvents() }))
      await log.until(live(log))
      const types = log.events.map((one) => one.event!.type)
      expect(types).to.include(`${mark}Added`)
      expect(types.filter((type) => type.startsWith('$'))).to.deep.equal([])
      await log.stop()
    })
    it('lets the expression win over prefixes', async () => {
      const filter = { ...eventTypeFilter({ regex: `^${mark}Removed$` }), prefixes: [`${mark}Added`] }
      await matching(filter as never, [`${mark}cart ${mark}Removed`])
    })
    it('refuses an expression that is none', async () => {
      const log = listen(client().subscribeToAll({ filter: eventTypeFilter({ regex: '(' }) }))
      await log.until(() => log.said.length > 0)
      expect(log.said[0]).to.match(/^error/)
    })
  })

  describe('with checkpoints', () => {
    type Options = { checkpointInterval?: number; maxSearchWindow?: number }
    type Told = { commit: bigint; prepare: bigint }

    /** The checkpoints of a catch-up from a position on, over events of these types, of which the filter wants the ones called Wanted. */
    const checkpoints = async (options: Options, types: readonly string[]) => {
      const stream = newStream()
      const { position } = await client().appendToStream(newStream(), event('Before'))
      await client().appendToStream(
        stream,
        types.map((type) => event(type)),
      )
      const positions = (await collect(client().readStream(stream))).map((one) => one.event!.position!.commit)
      const seen: Told[] = []
      const filter = eventTypeFilter({
        prefixes: ['Wanted'],
        ...options,
        checkpointReached: (_, told) => {
          seen.push(told)
        },
      })
      const log = listen(client().subscribeToAll({ fromPosition: position!, filter }))
      await log.until(live(log))
      // As the index of the event; −1 is the start. With a mark where `prepare` is 0.
      const told = seen.map(({ commit, prepare }) => `${positions.indexOf(commit)}${prepare === 0n ? '/0' : ''}`)
      return { log, stream, seen, positions, start: position!.commit, told }
    }
    const dropped = (count: number): string[] => Array.from({ length: count }, () => 'Dropped')

    it('tells positions that were looked at, in order, and never too far apart', async () => {
      for (const [window, interval, count] of [
        [32, 1, 70],
        [5, 2, 25],
        [4, 1, 3],
        [4, 3, 20],
      ] as const) {
        const options = { maxSearchWindow: window, checkpointInterval: interval }
        const { log, seen, positions, start } = await checkpoints(options, dropped(count))
        await log.stop()
        const places = seen.map(({ commit }) => (commit === start ? -1 : positions.indexOf(commit)))
        expect(places).to.not.be.empty
        for (const [index, { commit, prepare }] of seen.entries()) {
          expect(commit === start || positions.includes(commit)).to.equal(true)
          expect(prepare <= commit).to.equal(true)
          if (index > 0) expect(commit > seen[index - 1]!.commit).to.equal(true)
        }
        for (const [index, place] of [...places, count - 1].entries())
          expect(place - (places[index - 1] ?? -1)).to.be.at.most(window * interval + window)
      }
    })

    it('tells those of 24.10.5 and later', async function () {
      if (!embedded()) return this.skip()
      const wantedAt = (count: number, index: number) => dropped(count).map((type, at) => (at === index ? 'Wanted' : type))
      for (const [window, interval, types, expected] of [
        [32, 1, dropped(70), ['-1', '31/0', '63/0']],
        [32, 1, dropped(40), ['-1', '31/0']],
        [5, 2, dropped(25), ['4/0', '14/0', '24/0']],
        [5, 1, dropped(10), ['-1', '4/0', '9/0']],
        [4, 1, dropped(3), ['-1']],
        [4, 1, dropped(4), ['-1', '3/0']],
        [4, 1, dropped(8), ['-1', '3/0', '7/0']],
        [4, 3, dropped(20), ['7/0', '19/0']],
        [4, 1, wantedAt(8, 1), ['1', '3/0', '7/0']],
        [4, 1, wantedAt(8, 7), ['-1', '3/0', '7']],
      ] as const) {
        const { log, told } = await checkpoints({ maxSearchWindow: window, checkpointInterval: interval }, types)
        await log.stop()
        expect(told, `${window}, ${interval}, ${types.length}`).to.deep.equal(expected)
      }
      return undefined
    })

    it('tells them live too: each n-th event', async () => {
      const seen: bigint[] = []
      const filter = eventTypeFilter({
        prefixes: ['Wanted'],
        maxSearchWindow: 4,
        checkpointReached: (_, { commit }) => {
          seen.push(commit)
        },
      })
      const log = listen(client().subscribeToAll({ fromPosition: 'end', filter }))
      await log.until(live(log))
      expect(seen).to.deep.equal([])
      const stream = newStream()
      await client().appendToStream(stream, [...events(8, 'Dropped'), event('Wanted')])
      await log.until(() => log.said.includes('Wanted'))
      const positions = (await collect(client().readStream(stream))).map((one) => one.event!.position!.commit)
      expect(seen).to.deep.equal([positions[3], positions[7]])
      await log.stop()
    })

    it('lets a subscriber resume at one, and miss nothing', async () => {
      const { log, stream, seen } = await checkpoints({}, dropped(40))
      await log.stop()
      await client().appendToStream(stream, event('Wanted'))
      for (const fromPosition of seen) {
        const resumed = listen(client().subscribeToAll({ fromPosition, filter: eventTypeFilter({ prefixes: ['Wanted'] }) }))
        await resumed.until(live(resumed))
        expect(resumed.events.filter((one) => one.event!.streamId === stream)).to.have.length(1)
        await resumed.stop()
      }
    })
  })

  it('shows what is written as bytes, links and metadata too', async () => {
    const log = listen(client().subscribeToAll({ fromPosition: 'end' }))
    await log.until(live(log))
    const stream = newStream()
    await client().appendToStream(stream, binaryEvent({ type: 'Bytes', data: Uint8Array.from([1]) }))
    await client().setStreamMetadata(stream, { a: 1 })
    await client().tombstoneStream(stream)
    await log.until(() => log.said.includes('$streamDeleted'))
    expect(log.said.slice(2)).to.deep.equal(['Bytes', '$metadata', '$streamDeleted'])
    await log.stop()
  })
})
