import { expect } from 'chai'
import fc from 'fast-check'
import type { RecordedEvent } from '../../../src/eventstore/store.js'
import { type ChangesOptions, createChanges } from '../../../src/queries/engine/changes.js'
import { createRemember, type Standing } from '../../../src/queries/engine/memory.js'

type OnBatch = Parameters<ChangesOptions['feed']['follow']>[0]['onBatch']

/** A subscription that the test plays, and what follows it. */
const played = (size?: number, after = 0n) => {
  let onBatch: OnBatch = () => undefined
  const changes = createChanges({
    feed: {
      follow: async (follower) => {
        onBatch = follower.onBatch
      },
    },
    after: { commit: after, prepare: after },
    categories: ['cart', 'product'],
    ...(size !== undefined && { size }),
    onFailure: (error) => {
      throw error
    },
  })
  const play = (streamId: string, position: number) =>
    void onBatch([{ streamId, position: BigInt(position) } as RecordedEvent], { live: true })
  return { changes, play }
}

describe('what changed', () => {
  it('is known of streams and categories, from where it was followed, as far as the subscription has come', () => {
    const { changes, play } = played(undefined, 10n)
    const ann = { streams: ['cart-ann', 'product-tea'] }
    expect(changes.noneIn(ann, 10n, 10n)).to.equal(true)
    expect(changes.noneIn(ann, 9n, 10n), 'before it was followed').to.equal(false)
    expect(changes.noneIn(ann, 10n, 11n), 'beyond what has arrived').to.equal(false)
    play('cart-bob', 12)
    expect(changes.noneIn(ann, 10n, 12n)).to.equal(true)
    expect(changes.noneIn({ categories: ['product'] }, 10n, 12n)).to.equal(true)
    play('product-tea', 14)
    expect(changes.noneIn(ann, 12n, 14n)).to.equal(false)
    expect(changes.noneIn(ann, 14n, 14n)).to.equal(true)
    expect(changes.noneIn({ streams: ['cart-bob'] }, 12n, 14n)).to.equal(true)
    expect(changes.noneIn({ categories: ['product'] }, 12n, 14n)).to.equal(false)
    expect(changes.noneIn({ categories: ['order'] }, 14n, 14n), 'not followed').to.equal(false)
  })

  it('is not known of what happened before those that were forgotten', () => {
    const { changes, play } = played(2)
    play('cart-a', 1)
    play('cart-b', 2)
    play('cart-a', 3)
    play('cart-c', 4)
    expect(changes.noneIn({ streams: ['cart-b'] }, 1n, 4n)).to.equal(false)
    expect(changes.noneIn({ streams: ['cart-x'] }, 1n, 4n)).to.equal(false)
    expect(changes.noneIn({ streams: ['cart-x'] }, 2n, 4n)).to.equal(true)
  })
})

describe('what is remembered', () => {
  /** A value that is the number of events of its stream, read at a position that the test sets. */
  const remembered = () => {
    const { changes, play } = played()
    const counts: { position: number; streamId: string }[] = []
    const now: { standing: Standing; asked: number; made: number } = {
      standing: { position: 0n, changes: 1 },
      asked: 0,
      made: 0,
    }
    const remember = createRemember(async () => {
      now.asked++
      return now.standing
    }, changes)
    const countAt = (streamId: string, position: bigint) =>
      counts.filter((event) => event.streamId === streamId && BigInt(event.position) <= position).length
    const read = (streamId: string) =>
      remember(streamId, async () => {
        now.made++
        const { position } = now.standing
        return { value: { count: countAt(streamId, position) }, position, dependsOn: { streams: [streamId] }, size: 10 }
      })
    return { now, play, read, countAt, write: (streamId: string, position: number) => counts.push({ streamId, position }) }
  }

  it('is made once while nothing happens to it, whatever happens elsewhere', async () => {
    const { now, play, read } = remembered()
    await read('cart-a')
    play('cart-b', 1)
    now.standing = { position: 1n, changes: 1 }
    await Promise.all([read('cart-a'), read('cart-a'), read('cart-a')])
    expect(now.made).to.equal(1)
    expect(now.asked, 'once before it was made, once for all three').to.equal(2)
  })

  it('is made anew where something happened to it, the subscription is behind, or the generations have changed', async () => {
    const { now, play, read } = remembered()
    await read('cart-a')
    play('cart-a', 1)
    now.standing = { position: 1n, changes: 1 }
    await read('cart-a')
    expect(now.made).to.equal(2)
    now.standing = { position: 2n, changes: 1 }
    await read('cart-a')
    expect(now.made, 'the subscription is behind').to.equal(3)
    play('cart-b', 2)
    await read('cart-a')
    expect(now.made).to.equal(3)
    now.standing = { position: 2n, changes: 2 }
    await read('cart-a')
    expect(now.made, 'other generations').to.equal(4)
    now.standing = { position: 1n, changes: 2 }
    await read('cart-a')
    expect(now.made, 'read models that were begun anew').to.equal(5)
  })

  it('is not kept where it could not be made', async () => {
    const { changes } = played()
    const remember = createRemember(async () => ({ position: 0n, changes: 1 }), changes)
    const failing = remember('a', () => Promise.reject(new Error('away')))
    expect(await failing.catch((error: Error) => error.message)).to.equal('away')
    const value = { made: true }
    expect(await remember('a', async () => ({ value, position: 0n, dependsOn: {}, size: 1 }))).to.equal(value)
  })

  it('is never older than the read models were when it was asked for, however subscription and read models take turns', async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('write' as const), stream: fc.constantFrom('cart-a', 'cart-b', 'order-c') }),
      fc.constant({ kind: 'deliver' as const }),
      fc.constant({ kind: 'project' as const }),
      fc.record({ kind: fc.constant('read' as const), stream: fc.constantFrom('cart-a', 'cart-b') }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const { now, play, read, countAt, write } = remembered()
        const written: string[] = []
        let delivered = 0
        let projected = 0
        for (const each of steps) {
          if (each.kind === 'write') {
            written.push(each.stream)
            write(each.stream, written.length)
          } else if (each.kind === 'deliver' && delivered < written.length) {
            delivered++
            play(written[delivered - 1]!, delivered)
          } else if (each.kind === 'project' && projected < written.length) {
            projected++
            now.standing = { position: BigInt(projected), changes: 1 }
          } else if (each.kind === 'read') {
            expect((await read(each.stream)).count).to.equal(countAt(each.stream, BigInt(projected)))
          }
        }
      }),
      { numRuns: 500 },
    )
  })
})
