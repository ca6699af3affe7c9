import { expect } from 'chai'
import {
  type AcceptedKeys,
  findKey,
  keysFrom,
  keysOf,
  noKeys,
  withKey,
} from '../../../../src/commands/engine/idempotency/accepted-keys.js'

const minute = (n: number) => new Date(Date.UTC(2026, 0, 1) + n * 60_000).toISOString()
const keyOf = (n: number) => ({ commandId: `command-${n}`, requestHash: `hash-${n}` })

/** So many commands, one after the other, so many minutes apart. */
const remembering = (times: number, apart: number, from: AcceptedKeys = noKeys): AcceptedKeys =>
  Array.from({ length: times }, (_, n) => n).reduce((keys, n) => withKey(keys, keyOf(n), n, minute(n * apart)), from)

describe('the keys of a stream', () => {
  it('are all of a day’s, however many', () => {
    const keys = remembering(1_440, 1)
    for (const n of [0, 1, 127, 128, 129, 1_000, 1_439])
      expect(findKey(keys, `command-${n}`)).to.deep.equal({ revision: n, requestHash: `hash-${n}`, at: minute(n) })
    expect(findKey(keys, 'command-1440')).to.equal(undefined)
  })

  it('are at least a thousand, however old, and not many more', () => {
    const keys = remembering(3_000, 60)
    for (const n of [2_000, 2_999]) expect(findKey(keys, `command-${n}`)?.revision).to.equal(n)
    expect(keysOf(keys).length).to.be.within(1_000, 1_200)
    expect(findKey(keys, 'command-0')).to.equal(undefined)
  })

  it('are known at their newest revision, and carried as they are', () => {
    const keys = [3, 400, 401].reduce((all, revision) => withKey(all, keyOf(3), revision, minute(revision)), remembering(300, 1))
    expect(keysOf(keys).map(([commandId]) => commandId)).to.include.members(['command-0', 'command-299'])
    expect(findKey(keys, 'command-3')?.revision).to.equal(401)
    const carried = keysFrom(keysOf(keys))
    for (let n = 0; n < 300; n++) expect(findKey(carried, `command-${n}`)).to.deep.equal(findKey(keys, `command-${n}`))
  })

  it('of an earlier version stay as they were', () => {
    const before = remembering(128, 1)
    const after = remembering(1, 1, withKey(before, keyOf(999), 999, minute(999)))
    expect(findKey(before, 'command-999')).to.equal(undefined)
    expect(findKey(after, 'command-999')?.revision).to.equal(999)
  })

  it('cost little where there are many', () => {
    const begun = performance.now()
    remembering(20_000, 0.001)
    // Copied each time they took 20 s.
    expect(performance.now() - begun).to.be.lessThan(2_000)
  })
})
