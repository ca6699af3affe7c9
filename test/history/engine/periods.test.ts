import { expect } from 'chai'
import { byTime } from '../../../src/history/engine/by-time.js'
import type { HistoryEvent } from '../../../src/history/engine/event.js'
import { type Every, periodsIn } from '../../../src/history/engine/periods.js'

describe('periods', () => {
  const lasts = (zone: string, every: Every, time: string) => {
    const { label, start, end } = periodsIn(zone, every).of(Date.parse(time))
    return [label, new Date(start).toISOString(), (end - start) / 3_600_000]
  }
  it('are as long as the zone has them', () => {
    expect(lasts('UTC', 'day', '2026-03-29T12:00:00Z')).to.deep.equal(['2026-03-29', '2026-03-29T00:00:00.000Z', 24])
    expect(lasts('Europe/Berlin', 'day', '2026-03-29T12:00:00Z')).to.deep.equal(['2026-03-29', '2026-03-28T23:00:00.000Z', 23])
    expect(lasts('Europe/Berlin', 'day', '2026-10-25T12:00:00Z')).to.deep.equal(['2026-10-25', '2026-10-24T22:00:00.000Z', 25])
    expect(lasts('UTC', 'month', '2028-02-10T00:00:00Z')).to.deep.equal(['2028-02', '2028-02-01T00:00:00.000Z', 29 * 24])
    expect(lasts('UTC', 'week', '2026-01-04T23:59:59.999Z')).to.deep.equal(['2025-12-29', '2025-12-29T00:00:00.000Z', 168])
    expect(lasts('Asia/Kathmandu', 'hour', '2026-01-01T00:20:00Z')).to.deep.equal([
      '2026-01-01T06:00+05:45',
      '2026-01-01T00:15:00.000Z',
      1,
    ])
  })
})

describe('events by their times', () => {
  const event = (id: number, at: number) => ({ id, at: new Date(at).toISOString() }) as unknown as HistoryEvent
  const sorted = async (times: readonly number[], window: number) => {
    async function* batches() {
      for (const [id, time] of times.entries()) yield [event(id, time)]
    }
    const found: number[] = []
    for await (const some of byTime(batches(), window)) found.push(...some.map(({ event: { id } }) => Number(id)))
    return found
  }
  it('are put right within a window, and what is of one time stays in order', async () => {
    expect(await sorted([3, 1, 2, 1], 10)).to.deep.equal([1, 3, 2, 0])
    expect(await sorted([10, 20, 15, 30, 25, 40, 50], 2)).to.deep.equal([0, 2, 1, 4, 3, 5, 6])
  })
  it('come late where they are later than that, and are not lost', async () => {
    const times = [10, 20, 30, 40, 50, 60, 70, 5, 80]
    const found = await sorted(times, 2)
    expect([...found].sort()).to.deep.equal(times.map((_, i) => i))
    expect(found.indexOf(7)).to.be.greaterThan(0)
  })
})
