import { expect } from 'chai'
import { backoff, once, pauseAfter, sleep } from '../../src/platform/async.js'

describe('pauseAfter', () => {
  it('doubles up to the most, and takes off at most a half', () => {
    for (let i = 0; i < 200; i++) {
      const pauses = [0, 1, 2, 3, 1_000].map((failures) => pauseAfter(failures, { first: 10, most: 50 }))
      for (const [at, whole] of [10, 20, 40, 50, 50].entries()) expect(pauses[at]).to.be.within(whole / 2, whole)
    }
  })
})

describe('backoff', () => {
  it('pauses longer each time until it is reset, and not at all once the signal is aborted', async () => {
    const ending = new AbortController()
    const pause = backoff(ending.signal, { first: 1, most: 2 ** 30 })
    const lasted = async () => {
      const began = performance.now()
      await pause()
      return performance.now() - began
    }
    for (let i = 0; i < 5; i++) await pause()
    expect(await lasted()).to.be.at.least(15)
    for (let i = 0; i < 20; i++) {
      pause.reset()
      await pause()
    }
    ending.abort()
    for (let i = 0; i < 30; i++) await pause()
  })
})

describe('sleep', () => {
  it('ends when the signal aborts', async () => {
    const ending = new AbortController()
    const sleeping = sleep(2 ** 30, ending.signal)
    ending.abort()
    await sleeping
  })
})

describe('once', () => {
  it('makes it when it is first asked for, and only then, even if that is nothing', () => {
    let made = 0
    const ask = once(() => {
      made++
      return undefined
    })
    expect(made).to.equal(0)
    expect([ask(), ask(), made]).to.deep.equal([undefined, undefined, 1])
  })
})
