import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import { Rejected } from '../../domain/decider.js'
import { Refusal } from './errors.js'

/** How often one may ask. Both throw `Refusal` 429. */
export type Limits = {
  /** Counts a request from the address. */
  readonly request: (address: string) => Promise<void>
  /** Runs what checks a password; wrong ones count against the one whose password it is, and against the address. */
  readonly guess: <Result>(whose: string, address: string, check: () => Promise<Result>) => Promise<Result>
}

type Settings = {
  /** Requests a minute; 0: no limit. */
  readonly rateLimit: number
  /** Wrong passwords a minute for one account, and ten times as many from one address; 0: no limit. */
  readonly loginRateLimit: number
}

const minute = 60

/** Makes a counter of its own name: `points` in so many seconds. */
export type Limiter = (name: string, points: number, duration: number) => Counter

/** What is needed of a `RateLimiterAbstract`. */
export type Counter = {
  readonly points: number
  readonly consume: (key: string) => Promise<RateLimiterRes>
  readonly get: (key: string) => Promise<RateLimiterRes | null>
  readonly penalty: (key: string) => Promise<RateLimiterRes>
  readonly reward: (key: string) => Promise<RateLimiterRes>
}

const inThisProcess: Limiter = (keyPrefix, points, duration) => new RateLimiterMemory({ keyPrefix, points, duration })

export const createLimits = ({ rateLimit, loginRateLimit }: Settings, limiter = inThisProcess): Limits => {
  const requests = limiter('requests', rateLimit, minute)
  const byAccount = limiter('guesses by account', loginRateLimit, minute)
  const byAddress = limiter('guesses by address', loginRateLimit * 10, minute)

  const guess: Limits['guess'] = async (whose, address, check) => {
    if (loginRateLimit === 0) return check()
    const failures = await byAddress.get(address)
    if (failures && failures.consumedPoints >= byAddress.points) throw tooMany(failures)
    // Counted before the check and given back after a right one: else many guesses at once would all come before the first count.
    await consume(byAccount, whose)
    try {
      const result = await check()
      await byAccount.reward(whose)
      return result
    } catch (error) {
      if (error instanceof Rejected && error.reason === 'WrongPassword') await byAddress.penalty(address)
      else await byAccount.reward(whose)
      throw error
    }
  }

  return {
    request: async (address) => {
      if (rateLimit > 0) await consume(requests, address)
    },
    guess,
  }
}

const consume = async (limiter: Counter, key: string): Promise<void> => {
  try {
    await limiter.consume(key)
  } catch (error) {
    throw error instanceof RateLimiterRes ? tooMany(error) : error
  }
}

const tooMany = ({ msBeforeNext }: RateLimiterRes): Refusal =>
  new Refusal(429, 'too many requests; wait before the next', {
    headers: { 'Retry-After': String(Math.max(1, Math.ceil(msBeforeNext / 1000))) },
  })
