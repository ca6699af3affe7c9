import { createHash, randomBytes } from 'node:crypto'
import { availableParallelism } from 'node:os'
import bcrypt from 'bcrypt'
import { Unavailable } from './errors.js'

/** Passwords of any script and length: bcrypt reads 72 bytes and stops at a NUL, so it is given a digest of all of them. Both throw `TooManyPasswords`. */
export type Passwords = {
  readonly hash: (password: string) => Promise<string>
  /** `undefined`: nobody's hash, which takes as long to compare and never matches. */
  readonly matches: (password: string, hash: string | undefined) => Promise<boolean>
  /** Whether the hash was made at a lower cost than today's. */
  readonly isOutdated: (hash: string) => boolean
}

/** More wait to be hashed than can be within the time that anybody waits. */
export class TooManyPasswords extends Unavailable {
  override readonly name = 'TooManyPasswords'
  override readonly outside = 'too many are logging in at the moment; try again in a moment'
}

export type PasswordSettings = {
  /** bcrypt's: the logarithm of its rounds. */
  readonly cost: number
  /** Hashes made at the same time, each in a thread. Default: one core less than there are, so that requests keep one. */
  readonly atOnce?: number
  /** How many may wait for each of those. Default 64: some seconds at the usual costs. */
  readonly waiting?: number
}

/** More than any password's 128 characters have in any form, in UTF-16. To normalise takes the square of a text's length, and a guess may be long. */
const longest = 1_024

const digest = (password: string): string => {
  const normal = password.length > longest ? password : password.normalize('NFC')
  return createHash('sha256').update(normal).digest('base64')
}

/** Hashes in threads, a few at a time: what is flooded with passwords goes on answering everything else. */
export const createPasswords = ({ cost, atOnce = coresToSpare(), waiting = 64 }: PasswordSettings): Passwords => {
  const inTurn = createQueue(atOnce, waiting * atOnce)
  const nobodys = bcrypt.hash(randomBytes(32).toString('base64'), cost)

  const compare = async (digested: string, hash: string | undefined): Promise<boolean> => {
    const against = hash ?? (await nobodys)
    if ((await bcrypt.compare(digested, against)) && hash !== undefined) return true
    // Each cost takes as long as all below it: with this, a wrong guess at a cheaper hash takes as long as one at nobody's.
    for (let cheaper = costOf(against); cheaper > 0 && cheaper < cost; cheaper++) await bcrypt.hash(digested, cheaper)
    return false
  }

  return {
    hash: (password) => inTurn(() => bcrypt.hash(digest(password), cost)),
    matches: (password, hash) => inTurn(() => compare(digest(password), hash)),
    isOutdated: (hash) => costOf(hash) < cost,
  }
}

/** bcrypt's, of a hash. */
const costOf = (hash: string): number => Number(/^\$2[aby]\$(\d\d)\$/.exec(hash)?.[1] ?? 0)

const coresToSpare = (): number => Math.max(1, availableParallelism() - 1)

/** Runs so many at a time, and keeps so many waiting, in the order in which they came. */
const createQueue = (atOnce: number, most: number) => {
  const waiting: (() => void)[] = []
  let running = 0

  const next = (): void => {
    running--
    waiting.shift()?.()
  }

  return <Value>(work: () => Promise<Value>): Promise<Value> => {
    const result = new Promise<Value>((resolve, reject) => {
      const begin = () => {
        running++
        work().then(resolve, reject).finally(next)
      }
      if (running < atOnce) begin()
      else if (waiting.length < most) waiting.push(begin)
      else reject(new TooManyPasswords(`${waiting.length} passwords wait to be hashed`))
    })
    // Whoever asked may look at it only later, or fail before that.
    result.catch(() => undefined)
    return result
  }
}
