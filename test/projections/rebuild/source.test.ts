import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { connectStore } from '../../../src/eventstore/client.js'
import { noStream } from '../../../src/eventstore/store.js'
import { sourceOf } from '../../../src/projections/rebuild/source.js'
import { startEventStore } from '../../support/eventstore.js'

describe('the history that a rebuild reads', () => {
  it('says of each event in which version of its shape it was stored, unless that is the first', async () => {
    const node = await startEventStore()
    const store = connectStore(node.url)
    try {
      const versions = [{ schema: 1 }, { schema: 12, actor: 'system' }, { schema: 2 }, {}]
      const events = versions.map((metadata) => ({ id: randomUUID(), type: 'ProductAdded', data: {}, metadata }))
      await store.append('product-1', events, noStream)
      const source = sourceOf(store)
      const told: (number | undefined)[] = []
      for await (const batch of source.read(undefined, new AbortController().signal)) {
        told.push(...batch.map((event) => source.open(event).metadata.schema))
      }
      expect(told).to.deep.equal([undefined, 12, 2, undefined])
    } finally {
      await store.close()
      await node.stop()
    }
  })
})
