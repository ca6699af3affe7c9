import { expect } from 'chai'
import { createPasswords } from '../../src/platform/passwords.js'

describe('passwords', () => {
  const passwords = createPasswords(4)

  it('are the same however their characters are composed', async () => {
    const composed = 'ǖ'.repeat(128)
    expect(await passwords.matches(composed.normalize('NFD'), await passwords.hash(composed))).to.equal(true)
  })

  it('that nobody can have are wrong, and take no longer', async () => {
    const hash = await passwords.hash('correct horse')
    // What must be put into order, mark by mark: Unicode's normal forms take the square of its length.
    const guess = `a${'\u0301'.repeat(25_000)}${'\u0316'.repeat(25_000)}`
    const begun = performance.now()
    expect(await passwords.matches(guess, hash)).to.equal(false)
    expect(performance.now() - begun).to.be.lessThan(500)
  })
})
