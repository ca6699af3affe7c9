import { expect } from 'chai'
import { createFeed } from '../../src/eventstore/feed.js'
import { PositionLost, type RecordedEvent, type Store } from '../../src/eventstore/store.js'
import { sleep } from '../../src/platform/async.js'
import { createMemoryStore } from '../projections/support/memory.js'
import { until } from '../support/until.js'

const log = { warn: () => undefined, info: () => undefined }

describe('feed', () => {
  const closing: (() => Promise<void>)[] = []
  afterEach(async () => {
    for (const close of closing.splice(0)) await close()
  })

  const feedOver = (store: Store, options = {}) => {
    const feed = createFeed({ store, log, probeEvery: 20, ...options })
    closing.push(feed.close)
    return feed
  }
  const collect = (feed: ReturnType<typeof createFeed>, after?: RecordedEvent) => {
    const seen: { revision: number; live: boolean }[] = []
    const stop = new AbortController()
    const done = feed.follow({
      after: after && { commit: after.position, prepare: after.preparePosition },
      signal: stop.signal,
      onBatch: (events, { live }) => {
        seen.push(...events.map(({ revision }) => ({ revision, live })))
      },
    })
    return { seen, stop, done, revisions: () => seen.map(({ revision }) => revision) }
  }
  const event = { streamId: 'cart-1', type: 'CartItemAdded', data: {} }
  const events = (count: number) => Array.from({ length: count }, () => event)
  const upTo = (count: number) => Array.from({ length: count }, (_, i) => i)

  it('reads what was there, then goes on live, each event once and in order', async () => {
    const { store, write } = createMemoryStore()
    write(...events(50))
    const follower = collect(feedOver(store))
    await until(() => follower.seen.length === 50)
    write(...events(50))
    await until(() => follower.seen.length === 100)
    expect(follower.revisions()).to.deep.equal(upTo(100))
    expect(follower.seen.at(0)!.live).to.equal(false)
    expect(follower.seen.at(-1)!.live).to.equal(true)
  })

  it('begins after a position', async () => {
    const { store, write } = createMemoryStore()
    const third = write(...events(3))
    write(...events(2))
    const follower = collect(feedOver(store), third)
    await until(() => follower.seen.length === 2)
    expect(follower.revisions()).to.deep.equal([3, 4])
  })

  it('works from an empty store on', async () => {
    const { store, write } = createMemoryStore()
    const feed = feedOver(store)
    const follower = collect(feed)
    await until(() => feed.healthy(1_000))
    write(event)
    await until(() => follower.seen.length === 1)
  })

  it('subscribes once for all followers', async () => {
    const { store, write } = createMemoryStore()
    let subscriptions = 0
    const counted: Store = {
      ...store,
      subscribe: (...args) => {
        subscriptions++
        return store.subscribe(...args)
      },
    }
    const feed = feedOver(counted)
    const followers = [collect(feed), collect(feed), collect(feed)]
    write(...events(10))
    await until(() => followers.every(({ seen }) => seen.length === 10))
    expect(subscriptions).to.equal(1)
  })

  it('lets a slow follower read by itself, and loses nothing', async () => {
    const { store, write } = createMemoryStore()
    const feed = feedOver(store, { keep: 10, maxBatch: 7 })
    const quick = collect(feed)
    const slow: { revision: number; live: boolean }[] = []
    const stop = new AbortController()
    let open: () => void = () => undefined
    const gate = new Promise<void>((resolve) => {
      open = resolve
    })
    const done = feed.follow({
      signal: stop.signal,
      onBatch: async (batch, { live }) => {
        await gate
        slow.push(...batch.map(({ revision }) => ({ revision, live })))
      },
    })
    await until(() => feed.healthy(1_000))
    for (let i = 0; i < 200; i++) {
      write(event)
      await sleep(0)
    }
    await until(() => quick.seen.length === 200)
    open()
    await until(() => slow.length === 200)
    expect(slow.map(({ revision }) => revision)).to.deep.equal(upTo(200))
    expect(slow.some(({ live }, i) => i > 7 && !live)).to.equal(true)
    stop.abort()
    await done
  })

  it('gives many at once to one who is behind', async () => {
    const { store, write } = createMemoryStore()
    const sizes: number[] = []
    const stop = new AbortController()
    const feed = feedOver(store)
    const done = feed.follow({
      signal: stop.signal,
      onBatch: async (batch) => {
        sizes.push(batch.length)
        await sleep(20)
      },
    })
    await until(() => feed.healthy(1_000))
    write(event)
    await until(() => sizes.length === 1)
    write(...events(100))
    await until(() => sizes.reduce((sum, size) => sum + size, 0) === 101)
    expect(sizes[0]).to.equal(1)
    expect(Math.max(...sizes)).to.be.at.least(90)
    stop.abort()
    await done
  })

  it('goes on after the store was away, and knows that it was behind', async () => {
    const { store, write, cutOff, restore } = createMemoryStore()
    const feed = feedOver(store)
    const follower = collect(feed)
    write(...events(5))
    await until(() => follower.seen.length === 5 && feed.healthy(200))
    cutOff()
    await until(() => !feed.healthy(200))
    write(...events(5))
    restore()
    await until(() => follower.seen.length === 10 && feed.healthy(200))
    expect(follower.revisions()).to.deep.equal(upTo(10))
  })

  it('is behind while an event that the store has is not here', async () => {
    const { store, write } = createMemoryStore()
    const silent: Store = {
      ...store,
      subscribe: async function* (_after, { signal }) {
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
      },
    }
    const feed = feedOver(silent)
    collect(feed)
    await until(() => feed.healthy(200))
    write(event)
    await until(() => !feed.healthy(200))
  })

  it('begins a subscription again that brings nothing though the store has more', async () => {
    const { store, write } = createMemoryStore()
    let subscriptions = 0
    const hung: Store = {
      ...store,
      subscribe: async function* (after, options) {
        if (++subscriptions > 1) return yield* store.subscribe(after, options)
        options.onConfirmed?.()
        await new Promise<void>((resolve) => options.signal.addEventListener('abort', () => resolve()))
      },
    }
    const warned: string[] = []
    const feed = feedOver(hung, { silentFor: 200, log: { ...log, warn: (what: string) => warned.push(what) } })
    const follower = collect(feed)
    await until(() => feed.healthy(200))
    write(...events(3))
    await until(() => follower.seen.length === 3)
    expect(follower.revisions()).to.deep.equal([0, 1, 2])
    expect([subscriptions, warned.length]).to.deep.equal([2, 1])
  })

  it('tells its followers that the store was put back, also where nothing stands beyond its end yet', async () => {
    const { store, write, cutOff, restore, truncate } = createMemoryStore()
    write(...events(10))
    const follower = collect(feedOver(store, { goneFor: 100 }))
    await until(() => follower.seen.length === 10)
    cutOff()
    truncate(5)
    restore()
    expect(await follower.done.catch((error: unknown) => error)).to.be.instanceOf(PositionLost)
  })

  it('tells its followers where another event stands in the place of the last, and not while the store takes its time to find it', async () => {
    const { store, write, cutOff, restore, truncate } = createMemoryStore()
    write(...events(10))
    let looks = 0
    const slow: Store = { ...store, eventAt: async (position) => (++looks < 3 ? undefined : store.eventAt(position)) }
    const follower = collect(feedOver(slow, { goneFor: 2_000 }))
    await until(() => follower.seen.length === 10)
    cutOff()
    restore()
    await until(() => looks >= 3)
    write(event)
    await until(() => follower.seen.length === 11)
    cutOff()
    truncate(5)
    write(...events(20))
    restore()
    expect(await follower.done.catch((error: unknown) => error)).to.be.instanceOf(PositionLost)
    expect(follower.seen.length).to.equal(11)
  })

  it('hands on what a follower throws, to it alone', async () => {
    const { store, write } = createMemoryStore()
    const feed = feedOver(store)
    const other = collect(feed)
    const broken = feed.follow({
      signal: new AbortController().signal,
      onBatch: () => {
        throw new Error('can not')
      },
    })
    write(event)
    const error = await broken.then(
      () => undefined,
      (reason: Error) => reason,
    )
    expect(error?.message).to.equal('can not')
    await until(() => other.seen.length === 1)
  })

  it('ends with its signal, and with the feed', async () => {
    const { store } = createMemoryStore()
    const feed = feedOver(store)
    const [one, two] = [collect(feed), collect(feed)]
    one.stop.abort()
    await one.done
    await feed.close()
    await two.done
  })
})
