import { randomUUID } from 'node:crypto'
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client'
import { expect } from 'chai'
import { connectStore } from '../../src/eventstore/client.js'
import { noStream, StoreUnavailable } from '../../src/eventstore/store.js'
import { startEventStore } from '../support/eventstore.js'

const newEvent = () => ({ id: randomUUID(), type: 'OrderPlaced', data: {}, metadata: {} })

describe('a store', () => {
  it('can be closed, whatever reads were given up', async () => {
    const node = await startEventStore()
    const store = connectStore(node.url)
    expect(await store.read('nothing')).to.deep.equal([])
    const outcomes = await Promise.all(
      Array.from({ length: 40 }, () => store.read('nothing', { timeout: 1 }).catch((error: Error) => error)),
    )
    for (const outcome of outcomes) if (outcome instanceof Error) expect(outcome).to.be.instanceOf(StoreUnavailable)
    expect(outcomes.some((outcome) => outcome instanceof Error)).to.equal(true)
    await store.close()
    await node.stop()
  })

  it('finds no event at a position inside one, in the whole log or beyond its end', async () => {
    const node = await startEventStore()
    const store = connectStore(node.url)
    const place = async () => (await store.append(`order-${randomUUID()}`, [newEvent()], noStream)).position
    const commit = await place()
    await place()
    const at = async (position: bigint) => (await store.eventAt({ commit: position, prepare: position }))?.type
    expect([await at(commit), await at(commit + 1n), await at(commit + 1_000_000n)]).to.deep.equal([
      'OrderPlaced',
      undefined,
      undefined,
    ])
    await store.close()
    await node.stop()
  })

  it('ends a subscription, and does not hang in it, where what is told of its beginning throws', async () => {
    const node = await startEventStore()
    const store = connectStore(node.url)
    const signal = AbortSignal.timeout(10_000)
    const onConfirmed = (): void => {
      throw new Error('it throws')
    }
    const subscription = store.subscribe(undefined, { signal, onConfirmed })[Symbol.asyncIterator]()
    const error = await subscription.next().then(
      () => undefined,
      (reason: unknown) => reason,
    )
    expect(error).to.be.instanceOf(StoreUnavailable)
    expect((error as Error).message).to.equal('it throws')
    expect(signal.aborted).to.equal(false)
    // What throws in the loop over the events ends the loop.
    const { position } = await store.append('order-1', [newEvent()], noStream)
    const reading = (async () => {
      for await (const event of store.subscribe(undefined, { signal })) throw new Error(`at ${event.position}`)
    })()
    expect(await reading.catch((reason: Error) => reason.message)).to.equal(`at ${position}`)
    await store.close()
    await node.stop()
  })

  it("finds the newest event behind any number of the store's own, and looks through them once", async () => {
    const node = await startEventStore()
    const store = connectStore(node.url)
    const client = EventStoreDBClient.connectionString(node.url)
    const own = (count: number) =>
      client.appendToStream(
        'stats',
        Array.from({ length: count }, () => jsonEvent({ type: '$statsCollected', data: {} })),
      )
    const place = async (n: number) => {
      const id = randomUUID()
      await store.append(`order-${n}`, [{ id, type: 'OrderPlaced', data: { n }, metadata: {} }], noStream)
      return id
    }
    await own(3_000)
    expect(await store.last()).to.equal(undefined)
    const first = await place(1)
    expect((await store.last())!.id).to.equal(first)
    await own(3_000)
    expect((await store.last())!.id).to.equal(first)
    await own(20)
    const read = countReads(client)
    expect((await store.last())!.id).to.equal(first)
    expect((await store.last())!.id).to.equal(first)
    expect(read.stop(), 'events read').to.be.lessThan(120)
    const second = await place(2)
    expect((await store.last())!.id).to.equal(second)
    await Promise.all([store.close(), client.dispose()])
    await node.stop()
  })
})

/** How many events all clients of this process were asked to read. */
const countReads = (client: EventStoreDBClient) => {
  const prototype = Object.getPrototypeOf(client) as { readAll: (options: { maxCount: number }) => unknown }
  const { readAll } = prototype
  let asked = 0
  prototype.readAll = function (options) {
    asked += options.maxCount
    return readAll.call(this, options)
  }
  return {
    stop: (): number => {
      prototype.readAll = readAll
      return asked
    },
  }
}
