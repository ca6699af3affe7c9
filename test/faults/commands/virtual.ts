import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import { type Random, randomFrom } from '../eventstore/disk.js'

/**
 * Time and chance of this process, in our hands: deadlines and pauses pass when the scheduler says so, and ids, pauses and schedules
 * follow from the seed alone, so that a seed is the same run again. Importing this file is enough to take them over.
 */
type Timer = { readonly at: number; readonly fire: () => void }

let now = 0
let timers: Timer[] = []
let random: Random = randomFrom(0)
let eventIds = 0

/** Begins at 0 ms with no timers: those of an earlier run would fire into this one. */
export const startAgain = (seed: number): Random => {
  now = 0
  timers = []
  eventIds = 0
  random = randomFrom(seed)
  return random
}

/** Milliseconds since the start. */
export const virtualNow = (): number => now

export const pass = (milliseconds: number): void => {
  now += milliseconds
}

export const dropTimers = (): void => {
  timers = []
}

/** Lets the next timer go off, and time pass until then; `false` where there is none. */
export const fireTimer = (): boolean => {
  const next = timers.reduce<Timer | undefined>((first, timer) => (first && first.at <= timer.at ? first : timer), undefined)
  if (!next) return false
  timers = timers.filter((timer) => timer !== next)
  now = Math.max(now, next.at)
  next.fire()
  return true
}

Object.assign(performance, { now: virtualNow })
Object.assign(globalThis, {
  setTimeout: (fire: () => void, milliseconds: number): Timer => {
    const timer = { at: now + Math.max(0, milliseconds), fire }
    timers.push(timer)
    return timer
  },
  clearTimeout: (timer: Timer): void => {
    timers = timers.filter((other) => other !== timer)
  },
})
Math.random = () => random.below(2 ** 32) / 2 ** 32
Object.assign(crypto, { randomInt: (limit: number) => random.below(limit), randomUUID: () => `event-${eventIds++}` })
// Without this, whoever imported the two by name would keep the real ones.
syncBuiltinESMExports()
