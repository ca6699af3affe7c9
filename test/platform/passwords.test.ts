import { readdir, readFile } from 'node:fs/promises'
import { expect } from 'chai'
import { createPasswords, TooManyPasswords } from '../../src/platform/passwords.js'

describe('passwords', () => {
  const passwords = createPasswords({ cost: 4 })

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

  it('wait for each other, and beyond so many are refused at once', async () => {
    const few = createPasswords({ cost: 4, atOnce: 2, waiting: 3 })
    const outcome = (made: Promise<unknown>) =>
      made.then(
        () => 'made',
        (error: unknown) => error,
      )
    const outcomes = await Promise.all(Array.from({ length: 12 }, () => outcome(few.hash('correct horse'))))
    expect(outcomes.slice(0, 8)).to.deep.equal(Array(8).fill('made'))
    for (const refused of outcomes.slice(8)) expect(refused).to.be.instanceOf(TooManyPasswords)
    expect(await outcome(few.matches('correct horse', undefined))).to.equal('made')
  })

  it('are hashed in threads that leave the processor to others', async function () {
    if (process.platform !== 'linux') return this.skip()
    await passwords.hash('correct horse')
    const threads = await readdir('/proc/self/task')
    const niceness = threads.map(async (thread) => {
      const stat = await readFile(`/proc/self/task/${thread}/stat`, 'utf8').catch(() => '')
      // The 19th field; the second, in brackets, may hold spaces.
      return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16])
    })
    expect(await Promise.all(niceness)).to.include(5)
  })

  it('take as long to compare with nobody’s hash as with one', async function () {
    this.timeout(30_000)
    const slow = createPasswords({ cost: 8, atOnce: 1 })
    const hash = await slow.hash('correct horse')
    const timeOf = async (known: string | undefined) => {
      const begun = process.cpuUsage()
      await slow.matches('wrong guess', known)
      const { user } = process.cpuUsage(begun)
      return user
    }
    const times: [number, number][] = []
    for (let n = 0; n < 15; n++) times.push([await timeOf(hash), await timeOf(undefined)])
    const median = (which: 0 | 1) => times.map((pair) => pair[which]).sort((a, b) => a - b)[7]!
    expect(Math.abs(median(0) / median(1) - 1)).to.be.lessThan(0.3)
  })
})
