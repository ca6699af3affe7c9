import { expect } from 'chai'
import fc from 'fast-check'
import { partitionOf } from '../../../src/bridge/engine/partition.js'
import type { Chunk, Extent, KafkaRecord, PartitionOffset } from '../../../src/bridge/kafka/fetch.js'
import { pagesOf, type Using } from '../../../src/bridge/kafka/pages.js'

type Entry = { readonly position: bigint } | 'mark' | 'given up' | 'foreign'

/**
 * Partitions as a broker keeps them, in which one writer's transactions end in one partition after another, while somebody reads. `choose`
 * says what happens next; a step is taken between any two answers.
 */
const broker = (partitions: number, transactions: number, choose: (below: number) => number) => {
  const logs = Array.from({ length: partitions }, () => ({ entries: [] as Entry[], stable: 0 }))
  let position = 0n

  function* life(): Generator<void> {
    for (let i = 0; i < transactions; i++) {
      const givenUp = choose(5) === 0
      const touched = new Set<number>()
      for (let n = choose(6); n >= 0; n--) {
        if (!givenUp) position++
        const partition = partitionOf(`${choose(20)}`, partitions)
        touched.add(partition)
        logs[partition]!.entries.push(givenUp ? 'given up' : { position })
        yield
      }
      while (touched.size > 0) {
        const partition = [...touched][choose(touched.size)]!
        touched.delete(partition)
        const log = logs[partition]!
        log.entries.push('mark')
        log.stable = log.entries.length
        yield
      }
      if (choose(4) > 0) continue
      const log = logs[choose(partitions)]!
      log.entries.push('foreign')
      log.stable = log.entries.length
    }
  }
  const living = life()
  let over = false
  const goOn = (steps: number) => {
    for (let i = 0; i < steps; i++) over ||= living.next().done === true
  }

  const recordOf = (entry: Entry, offset: number): KafkaRecord => ({
    offset: `${offset}`,
    timestamp: '0',
    key: Buffer.from('k'),
    value: Buffer.from('{}'),
    headers: typeof entry === 'object' ? { ce_position: Buffer.from(`${entry.position}`) } : {},
  })
  const fetched = (partition: number, offset: bigint): Chunk => {
    goOn(choose(4))
    const { entries, stable } = logs[partition]!
    const from = Number(offset)
    const until = Math.min(stable, from + 1 + choose(5))
    const found = entries.slice(from, until).map((entry, i) => [entry, from + i] as const)
    return {
      partition,
      records: found.filter(([entry]) => entry !== 'mark' && entry !== 'given up').map((one) => recordOf(...one)),
      next: BigInt(Math.max(from, until)),
      stable: BigInt(stable),
      end: BigInt(entries.length),
    }
  }
  const extents = async (): Promise<readonly Extent[]> =>
    logs.map(({ stable }, partition) => ({ partition, low: 0n, stable: BigInt(stable) }))
  /** Whose answer is looked at first says nothing of who was asked first. */
  const fetch = async (places: readonly PartitionOffset[]): Promise<readonly Chunk[]> => {
    const chunks = places.map(({ partition, offset }) => fetched(partition, offset))
    return choose(2) === 0 ? chunks : chunks.reverse()
  }
  const using: Using = (work) => work({ extents, fetch })
  return { using, goOn, over: () => over, written: () => position, logs }
}

const chooser = (seed: number) => {
  let state = seed
  return (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0
    return (state >>> 8) % below
  }
}

describe('the partitions of a topic in Kafka, merged', () => {
  const schedules = fc.record({
    seed: fc.integer(),
    partitions: fc.integer({ min: 1, max: 5 }),
    limit: fc.integer({ min: 1, max: 9 }),
  })

  it('give each record once and in order, whenever its transaction ends in which partition', () =>
    fc.assert(
      fc.asyncProperty(schedules, async ({ seed, partitions, limit }) => {
        const choose = chooser(seed)
        const { using, goOn, over, written } = broker(partitions, 30, choose)
        const pages = pagesOf(using, 'orders', {})
        const seen: string[] = []
        for (let last = false; ; ) {
          const page = await pages.next(limit)
          seen.push(...page.map(({ position }) => position))
          if (page.length === 0 && last) break
          last = page.length === 0 && over()
          goOn(choose(3))
        }
        expect(seen).to.deep.equal(Array.from({ length: Number(written()) }, (_, i) => `${i + 1}`))
      }),
      { numRuns: 500 },
    ))

  it('go on after any position, all of them and each by itself', () =>
    fc.assert(
      fc.asyncProperty(schedules, async ({ seed, partitions }) => {
        const { using, goOn, written, logs } = broker(partitions, 30, chooser(seed))
        goOn(10_000)
        for (let after = -1n; after <= written() + 1n; after += 7n) {
          const all = await pagesOf(using, 'orders', { after }).next(1_000)
          const first = Math.max(Number(after) + 1, 1)
          expect(all.map(({ position }) => Number(position))).to.deep.equal(
            Array.from({ length: Math.max(0, Number(written()) + 1 - first) }, (_, i) => first + i),
          )
          for (const [partition, { entries }] of logs.entries()) {
            const offset = Math.floor(entries.length / 3)
            const own = await pagesOf(using, 'orders', { partition, offset, after }).next(1_000)
            const expected = entries.flatMap((entry, at) =>
              typeof entry === 'object' && at >= offset && entry.position > after ? [at] : [],
            )
            expect(own.map((record) => record.offset)).to.deep.equal(expected)
          }
        }
      }),
      { numRuns: 100 },
    ))
})
