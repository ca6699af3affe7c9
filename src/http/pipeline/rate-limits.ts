import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import { Rejected } from '../../domain/decider.js'
import { Refusal } from './errors.js'

/** How often one may ask. Both throw `Refusal` 429. */
export type Limits = {
  /** Counts a request from the address. */
  readonly request: (address: string) => Promise<void> | void
  /**
   * Runs what checks a password. Wrong ones count against that account from that address, so that nobody can lock another out, and
   * against the address.
   */
  readonly guess: <Result>(whose: string, address: string, check: () => Promise<Result>) => Promise<Result>
}

type Settings = {
  /** Requests a minute; 0: no limit. */
  readonly rateLimit: number
  /** Wrong passwords a minute for one account from one address, and ten times as many from one address; 0: no limit. */
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

  const turns = createTurns()

  const enter = async (key: string): Promise<void> => {
    for (;;) {
      const wrong = await byAccount.get(key)
      if (wrong && wrong.consumedPoints >= loginRateLimit) throw tooMany(wrong)
      // Each that is under way may be wrong: many guesses at once would otherwise all come before the first count.
      if ((wrong?.consumedPoints ?? 0) + turns.underWay(key) < loginRateLimit) return turns.begin(key)
      await turns.ended(key)
    }
  }

  const guess: Limits['guess'] = async (whose, address, check) => {
    if (loginRateLimit === 0) return check()
    const fromThere = await byAddress.get(address)
    if (fromThere && fromThere.consumedPoints >= byAddress.points) throw tooMany(fromThere)
    const key = `${whose} ${address}`
    await enter(key)
    try {
      return await check()
    } catch (error) {
      if (error instanceof Rejected && error.reason === 'WrongPassword') {
        await Promise.all([byAccount.penalty(key), byAddress.penalty(address)])
      }
      throw error
    } finally {
      turns.end(key)
    }
  }

  return {
    request: (address) => (rateLimit > 0 ? consume(requests, address) : undefined),
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

/** How many are at work by key, and who waits until one of them has ended. */
const createTurns = () => {
  const turns = new Map<string, { underWay: number; waiting: (() => void)[] }>()
  return {
    underWay: (key: string): number => turns.get(key)?.underWay ?? 0,
    begin: (key: string): void => {
      const turn = turns.get(key)
      if (turn) turn.underWay++
      else turns.set(key, { underWay: 1, waiting: [] })
    },
    end: (key: string): void => {
      const turn = turns.get(key)
      if (!turn) return
      turn.underWay--
      if (turn.underWay === 0) turns.delete(key)
      const { waiting } = turn
      turn.waiting = []
      for (const go of waiting) go()
    },
    ended: (key: string): Promise<void> =>
      new Promise((resolve) => {
        const turn = turns.get(key)
        if (turn) turn.waiting.push(resolve)
        else resolve()
      }),
  }
}

const tooMany = ({ msBeforeNext }: RateLimiterRes): Refusal =>
  new Refusal(429, 'too many requests; wait before the next', {
    headers: { 'Retry-After': String(Math.max(1, Math.ceil(msBeforeNext / 1000))) },
  })
