import { expect } from 'chai'
import fc from 'fast-check'
import { Partitioners } from 'kafkajs'
import { murmur2, partitionOf } from '../../../src/bridge/engine/partition.js'

describe('partitions', () => {
  // From the tests of Kafka's own Java client.
  const known: readonly (readonly [string, number])[] = [
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ]
  for (const [key, hash] of known) {
    it(`hashes ${key} as Java does`, () => expect(murmur2(Buffer.from(key))).to.equal(hash))
  }

  it('chooses what the Kafka client chooses', () => {
    const theirs = Partitioners.DefaultPartitioner()
    const metadata = (partitions: number) =>
      Array.from({ length: partitions }, (_, partitionId) => ({
        partitionErrorCode: 0,
        partitionId,
        leader: 1,
        replicas: [1],
        isr: [1],
      }))
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: 'binary' }), fc.integer({ min: 1, max: 64 }), (key, partitions) => {
        const chosen = theirs({ topic: 'orders', partitionMetadata: metadata(partitions), message: { key, value: '' } })
        expect(partitionOf(key, partitions)).to.equal(chosen)
      }),
    )
  })
})
