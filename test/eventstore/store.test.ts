import { expect } from 'chai'
import { connectStore, StoreUnavailable } from '../../src/eventstore/store.js'
import { startEventStore } from '../support/eventstore.js'

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
})
