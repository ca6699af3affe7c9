import { expect } from 'chai'
import { partsFor } from '../../src/cli/commands/projections.js'
import { createMeasure, lineOf } from '../../src/cli/progress.js'

describe("a rebuild's progress", () => {
  const at = (milliseconds: number, progress: Parameters<typeof lineOf>[0]) => {
    let now = 0
    const measure = createMeasure(() => now)
    now = milliseconds
    return lineOf(progress, measure(progress))
  }

  it('of few events is no guess at what is left', () => {
    expect(at(900, { phase: 'reading', events: 1, done: 0.01 })).to.equal('reading the history: 1%, 1 event')
    expect(at(5_000, { phase: 'reading', events: 40, done: 0.001 })).to.equal('reading the history: 0%, 40 events, 8/s')
  })

  it('of many tells the rate, and the seconds that are left at that', () => {
    expect(at(10_000, { phase: 'reading', events: 50_000, done: 0.25 })).to.equal(
      'reading the history: 25%, 50000 events, 5000/s, 30 s left',
    )
  })

  it('counts what an earlier run has done, and tells the rate and the time of this one', () => {
    expect(at(10_000, { phase: 'reading', events: 50_000, done: 0.5, from: { events: 30_000, done: 0.25 } })).to.equal(
      'reading the history: 50%, 50000 events, 2000/s, 20 s left',
    )
  })

  it('after the reading is a word', () => {
    expect(at(10_000, { phase: 'comparing', events: 0, done: 1 })).to.equal('comparing')
  })

  it('is made by no more parts than there are cores and history for', () => {
    expect(partsFor(1_000, 60_000, 8)).to.equal(1)
    expect(partsFor(1_000, 200 * 1024 * 1024, 4)).to.equal(4)
    expect(partsFor(3, 1e12, 8)).to.equal(3)
    expect(partsFor(2, 0, 8)).to.equal(1)
  })
})
