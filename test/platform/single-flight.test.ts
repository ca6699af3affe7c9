import { expect } from 'chai'
import { singleFlight, singleFlightFor } from '../../src/platform/single-flight.js'

/** Work whose runs end when the test says so. */
const held = () => {
  const ends: { resolve: (value: number) => void; reject: (error: Error) => void }[] = []
  const ask = singleFlight(() => new Promise<number>((resolve, reject) => ends.push({ resolve, reject })))
  const turn = () => new Promise((resolve) => setImmediate(resolve))
  return { ask, ends, turn }
}

describe('work that is shared', () => {
  it('runs once for those who come together, and once more for all who come meanwhile', async () => {
    const { ask, ends, turn } = held()
    const early = [ask(), ask()]
    await turn()
    const late = [ask(), ask(), ask()]
    await turn()
    expect(ends).to.have.length(1)
    ends[0]!.resolve(1)
    expect(await Promise.all(early)).to.deep.equal([1, 1])
    await turn()
    expect(ends).to.have.length(2)
    ends[1]!.resolve(2)
    expect(await Promise.all(late)).to.deep.equal([2, 2, 2])
  })

  it('is begun again for whoever comes after it has ended, or failed', async () => {
    const { ask, ends, turn } = held()
    const failing = ask()
    await turn()
    const waiting = ask()
    ends[0]!.reject(new Error('away'))
    expect(await failing.catch((error: Error) => error.message)).to.equal('away')
    await turn()
    ends[1]!.resolve(2)
    expect(await waiting).to.equal(2)
    const anew = ask()
    await turn()
    ends[2]!.resolve(3)
    expect(await anew).to.equal(3)
  })
})

describe('work that is shared for a while', () => {
  const counted = () => {
    let now = 0
    const ends: { resolve: () => void; reject: (error: Error) => void }[] = []
    const ask = singleFlightFor(
      1_000,
      () => new Promise<number>((resolve, reject) => ends.push({ resolve: () => resolve(ends.length), reject })),
      () => now,
    )
    return {
      ask,
      ends,
      pass: (milliseconds: number) => {
        now += milliseconds
      },
    }
  }

  it('runs once in that time', async () => {
    const { ask, ends, pass } = counted()
    const first = ask()
    ends[0]!.resolve()
    await first
    pass(999)
    expect(ask()).to.equal(first)
    pass(1)
    expect(ask()).not.to.equal(first)
  })

  it('runs once at a time, however long it takes', () => {
    const { ask, pass } = counted()
    const first = ask()
    pass(5_000)
    expect(ask()).to.equal(first)
  })

  it('is begun again where it failed', async () => {
    const { ask, ends } = counted()
    const first = ask()
    ends[0]!.reject(new Error('away'))
    await first.catch(() => undefined)
    const second = ask()
    ends[1]!.resolve()
    expect(await second).to.equal(2)
  })
})
