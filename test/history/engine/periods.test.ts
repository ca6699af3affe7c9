import { expect } from 'chai'
import fc from 'fast-check'
import { byPeriod } from '../../../src/history/engine/by-period.js'
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

describe('events by their periods', () => {
  const ten = (time: number) => {
    const start = Math.floor(time / 10) * 10
    return { label: `${start}`, start, end: start + 10 }
  }
  const grouped = async (times: readonly number[], window: number, batch = 1) => {
    async function* batches() {
      const events = times.map((time, id) => ({ id, at: new Date(time).toISOString() }) as unknown as HistoryEvent)
      for (let i = 0; i < events.length; i += batch) yield events.slice(i, i + batch)
    }
    const found: [string, number[]][] = []
    let late = 0
    for await (const { period, events } of byPeriod(batches(), { of: ten, onLate: () => late++, window })) {
      const ids = events.map(({ id }) => Number(id))
      if (found.at(-1)?.[0] === period.label) found.at(-1)![1].push(...ids)
      else found.push([period.label, ids])
    }
    return { found, late }
  }
  it('are in the period of their time, and within it in the order of the store', async () => {
    for (const batch of [1, 2, 100]) {
      expect(await grouped([5, 3, 12, 8, 11, 25, 14], 4, batch)).to.deep.equal({
        found: [
          ['0', [0, 1, 3]],
          ['10', [2, 4, 6]],
          ['20', [5]],
        ],
        late: 0,
      })
    }
  })
  it('may come in any order at the beginning', async () => {
    expect((await grouped([15, 5, 16, 6], 4)).found).to.deep.equal([
      ['0', [1, 3]],
      ['10', [0, 2]],
    ])
  })
  it('count where they come, and are told of, where they come too late', async () => {
    const { found, late } = await grouped([1, 11, 12, 13, 14, 15, 16, 2, 17], 3)
    expect(late).to.equal(1)
    expect(found).to.deep.equal([
      ['0', [0]],
      ['10', [1, 2, 3, 4, 5, 6, 7, 8]],
    ])
  })
  it('are each there once, in order, whatever the times', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(300), { maxLength: 80 }),
        fc.integer({ min: 1, max: 100 }),
        fc.integer({ min: 1, max: 20 }),
        async (times, window, batch) => {
          const { found, late } = await grouped(times, window, batch)
          const labels = found.map(([label]) => Number(label))
          expect(labels).to.deep.equal([...new Set(labels)].sort((a, b) => a - b))
          const ids = found.flatMap(([, own]) => own)
          expect([...ids].sort((a, b) => a - b)).to.deep.equal(times.map((_, i) => i))
          if (late > 0 || window < times.length) return
          for (const [label, own] of found) {
            expect(own).to.deep.equal([...own].sort((a, b) => a - b))
            for (const id of own) expect(ten(times[id]!).label).to.equal(label)
          }
        },
      ),
    )
  })
})
