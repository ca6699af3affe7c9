import { expect } from 'chai'
import { inRange, rangeRemarks, readPlace, UnreadablePlace } from '../../../src/history/engine/range.js'

describe('a place in the history', () => {
  const now = Date.parse('2026-03-10T15:30:00Z')
  const time = (word: string) => (readPlace(word, now) as { time: string }).time

  it('is a position, a day, a time, or so long ago', () => {
    expect(readPlace('4711')).to.deep.equal({ position: 4711n })
    expect(time('2026-01-31')).to.equal('2026-01-31T00:00:00.000Z')
    expect(time('2026-01-31T12:00')).to.equal('2026-01-31T12:00:00.000Z')
    expect(time('2026-01-31 12:00:05.5')).to.equal('2026-01-31T12:00:05.500Z')
    expect(time('2026-01-31T12:00:00+01:00')).to.equal('2026-01-31T11:00:00.000Z')
    expect(time('90m')).to.equal('2026-03-10T14:00:00.000Z')
    expect(time('7d')).to.equal('2026-03-03T15:30:00.000Z')
    expect(time('2w')).to.equal('2026-02-24T15:30:00.000Z')
  })

  it('is refused where nobody can make sense of it, with how to write it', () => {
    for (const word of ['yesterday', '', '31.1.2026', '2026-02-30', '2026-13-01', '2026-01-31T25:00', '-5', '7y', '12:00'])
      expect(() => readPlace(word, now), word).to.throw(UnreadablePlace, '2026-01-31')
  })

  it('begins a range that has it, and ends one that has not', () => {
    const positions = inRange({ from: { position: 5n }, to: { position: 8n } })
    expect([4n, 5n, 7n, 8n].map((at) => positions(at, 0))).to.deep.equal([false, true, true, false])
    const times = inRange({ from: readPlace('2026-01-01'), to: readPlace('2026-01-02') })
    const at = (text: string) => times(0n, Date.parse(text))
    expect(at('2025-12-31T23:59:59.999Z')).to.equal(false)
    expect(at('2026-01-01T00:00:00Z')).to.equal(true)
    expect(at('2026-01-01T23:59:59.999Z')).to.equal(true)
    expect(at('2026-01-02T00:00:00Z')).to.equal(false)
  })

  it('tells of one before the beginning, after now, or after the end', () => {
    const first = { position: 10n, at: '2026-03-01T00:00:00Z' }
    const last = { position: 90n, at: '2026-03-10T12:00:00Z' }
    const remarks = (from: string, to?: string) =>
      rangeRemarks({ from: readPlace(from, now), ...(to && { to: readPlace(to, now) }) }, first, last, now)
    expect(remarks('2026-03-02', '2026-03-05')).to.deep.equal([])
    expect(remarks('2020-01-01')[0]).to.match(/before the beginning.*2026-03-01/)
    expect(remarks('2030-01-01')[0]).to.match(/after now/)
    expect(remarks('91')[0]).to.match(/after the last event.*90/)
    expect(remarks('2026-03-02', '2019-01-01')[0]).to.match(/--to .*before the beginning/)
    expect(rangeRemarks({}, undefined, undefined, now)).to.deep.equal(['there are no events yet'])
  })
})
