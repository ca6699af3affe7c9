import { expect } from 'chai'
import { createRising } from '../../src/platform/waiters.js'

describe('a position that rises', () => {
  it('lets go at once who waits for what is reached', async () => {
    const rising = createRising(7n)
    expect(await rising.reaches(7n, {})).to.equal(true)
    expect(rising.isAwaited()).to.equal(false)
  })

  it('lets go those whom it has reached, and keeps the others', async () => {
    const rising = createRising<number>(0)
    const told: string[] = []
    const waiting = ['five', 'nine'].map(async (name, i) => {
      await rising.reaches(5 + 4 * i, {})
      told.push(name)
    })
    rising.raise(4)
    rising.raise(6)
    await waiting[0]
    expect([told, rising.isAwaited(), rising.current()]).to.deep.equal([['five'], true, 6])
    rising.raise(9)
    await waiting[1]
    expect([told, rising.isAwaited()]).to.deep.equal([['five', 'nine'], false])
  })

  it('does not fall', async () => {
    const rising = createRising<bigint>(3n)
    rising.raise(1n)
    expect(rising.current()).to.equal(3n)
  })

  it('says no when the milliseconds have passed, or the signal aborts, before or while somebody waits', async () => {
    const rising = createRising<number>(0)
    expect(await rising.reaches(1, { milliseconds: 1 })).to.equal(false)
    expect(await rising.reaches(1, { signal: AbortSignal.abort() })).to.equal(false)
    const ending = new AbortController()
    const waiting = rising.reaches(1, { signal: ending.signal, milliseconds: 60_000 })
    ending.abort()
    expect(await waiting).to.equal(false)
    expect(rising.isAwaited()).to.equal(false)
  })
})
