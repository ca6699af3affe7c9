import { LRUCache } from 'lru-cache'
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import type { Limiter } from '../http/pipeline/rate-limits.js'
import type { Count, Counted } from './calls.js'

/** Of a limit, what a worker takes at once: many requests are then counted with one message, and never too few. */
const share = 100

/** Counts for all workers, in the process that forked them. */
export const createCounters = () => {
  const counters = new Map<string, RateLimiterMemory>()

  const counterOf = ({ name, points, duration }: Count['counter']): RateLimiterMemory => {
    const known = counters.get(name) ?? new RateLimiterMemory({ keyPrefix: name, points, duration })
    counters.set(name, known)
    return known
  }

  return async ({ counter, key, how }: Count): Promise<Counted | undefined> => {
    const limiter = counterOf(counter)
    if (how !== 'consume') return counted(await limiter[how](key), 0)
    const before = await limiter.get(key)
    const left = counter.points - (before?.consumedPoints ?? 0)
    if (before && left <= 0) return counted(before, 0)
    const granted = Math.min(left, Math.max(1, Math.floor(counter.points / share)))
    return counted(await limiter.consume(key, granted), granted)
  }
}

const counted = (result: RateLimiterRes | null, granted: number): Counted | undefined =>
  result === null ? undefined : { consumedPoints: result.consumedPoints, msBeforeNext: result.msBeforeNext, granted }

/** A worker's side: asks whoever counts for all, and spends what it was granted without asking. */
export const createSharedLimiter = (count: (count: Count) => Promise<Counted | undefined>): Limiter => {
  return (name, points, duration) => {
    const counter = { name, points, duration }
    const granted = new LRUCache<string, { left: number; readonly until: number; readonly result: RateLimiterRes }>({
      max: 10_000,
    })
    const ask = async (key: string, how: Count['how']) => count({ counter, key, how })

    const consume = async (key: string): Promise<RateLimiterRes> => {
      const known = granted.get(key)
      if (known && known.left > 0 && performance.now() < known.until) {
        known.left--
        return known.result
      }
      const answer = (await ask(key, 'consume'))!
      const result = resultOf(points, answer)
      if (answer.granted === 0) throw result
      granted.set(key, { left: answer.granted - 1, until: performance.now() + answer.msBeforeNext, result })
      return result
    }

    const asked = (how: 'get' | 'penalty' | 'reward') => async (key: string) => {
      const answer = await ask(key, how)
      return answer ? resultOf(points, answer) : null
    }
    const [penalty, reward] = [asked('penalty'), asked('reward')]
    return {
      points,
      consume,
      get: asked('get'),
      penalty: async (key) => (await penalty(key))!,
      reward: async (key) => (await reward(key))!,
    }
  }
}

const resultOf = (points: number, { consumedPoints, msBeforeNext }: Counted): RateLimiterRes =>
  new RateLimiterRes(Math.max(0, points - consumedPoints), msBeforeNext, consumedPoints, false)
