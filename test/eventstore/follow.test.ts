import { expect } from 'chai'
import type { Follower } from '../../src/eventstore/feed.js'
import { createFollowing } from '../../src/eventstore/follow.js'
import type { RecordedEvent } from '../../src/eventstore/store.js'

const eventAt = (position: bigint) => ({ position, preparePosition: position }) as RecordedEvent

describe('following from the end', () => {
  it('is current while the feed is alive and all that it has was given', async () => {
    const told: bigint[] = []
    const feed = { commit: 5n, alive: true }
    let follower: Follower | undefined
    let end: (error?: Error) => void = () => undefined
    const following = createFollowing({
      follow: (given) => {
        follower = given
        return new Promise((resolve, reject) => {
          end = (error) => (error ? reject(error) : resolve())
        })
      },
      healthy: () => feed.alive,
      head: () => ({ commit: feed.commit, prepare: feed.commit }),
    })
    expect(following.isCurrent()).to.equal(false)
    const run = following.run({ last: async () => eventAt(5n) }, new AbortController().signal, (events) => {
      told.push(...events.map(({ position }) => position))
    })
    await new Promise((resolve) => setImmediate(resolve))
    expect(follower?.after).to.deep.equal({ commit: 5n, prepare: 5n })
    expect(following.isCurrent()).to.equal(true)
    feed.commit = 7n
    expect(following.isCurrent()).to.equal(false)
    await follower?.onBatch([eventAt(6n), eventAt(7n)], { live: true })
    expect([following.isCurrent(), told]).to.deep.equal([true, [6n, 7n]])
    feed.alive = false
    expect(following.isCurrent()).to.equal(false)
    feed.alive = true
    end()
    await run
    expect(following.isCurrent()).to.equal(false)
  })
})
