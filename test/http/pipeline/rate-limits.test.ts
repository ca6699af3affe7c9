import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { Rejected } from '../../../src/domain/decider.js'
import { createLimits } from '../../../src/http/pipeline/rate-limits.js'

const right = async (): Promise<string> => {
  await sleep(1)
  return 'in'
}

const wrong = async (): Promise<never> => {
  await sleep(1)
  throw new Rejected('WrongPassword')
}

/** What became of each: what it answered, the status of a refusal, or the reason of a rejection. */
const outcomes = async (attempts: readonly Promise<unknown>[]): Promise<unknown[]> => {
  const settled = await Promise.allSettled(attempts)
  return settled.map((each) => (each.status === 'fulfilled' ? each.value : (each.reason.status ?? each.reason.reason)))
}

const many = (times: number, attempt: () => Promise<unknown>) => outcomes(Array.from({ length: times }, attempt))

describe('the limit of guesses', () => {
  const limits = () => createLimits({ rateLimit: 0, loginRateLimit: 3 })

  it('lets any number of right passwords pass at once', async () => {
    const { guess } = limits()
    expect(new Set(await many(45, () => guess('ann', 'here', right)))).to.deep.equal(new Set(['in']))
    expect(await guess('ann', 'here', right)).to.equal('in')
  })

  it('has no more wrong ones looked at than it allows, however many come at once', async () => {
    const { guess } = limits()
    let looked = 0
    const found = await many(20, () =>
      guess('ann', 'here', async () => {
        looked++
        return wrong()
      }),
    )
    expect(looked).to.equal(3)
    expect(found.filter((each) => each === 'WrongPassword')).to.have.length(3)
    expect(found.filter((each) => each === 429)).to.have.length(17)
    expect(await outcomes([guess('ann', 'here', right)])).to.deep.equal([429])
  })

  it('locks nobody out from elsewhere', async () => {
    const { guess } = limits()
    await many(3, () => guess('ann', 'there', wrong))
    expect(await outcomes([guess('ann', 'there', right), guess('ann', 'here', right)])).to.deep.equal([429, 'in'])
  })

  it('ends for an address that guesses at everybody', async () => {
    const { guess } = limits()
    for (let n = 0; n < 30; n++) await outcomes([guess(`user ${n}`, 'there', wrong)])
    expect(await outcomes([guess('bob', 'there', right), guess('bob', 'here', right)])).to.deep.equal([429, 'in'])
  })

  it('does not count what failed otherwise', async () => {
    const { guess } = limits()
    const away = async () => {
      throw new Error('away')
    }
    await many(10, () => guess('ann', 'here', away))
    expect(await guess('ann', 'here', right)).to.equal('in')
  })
})
