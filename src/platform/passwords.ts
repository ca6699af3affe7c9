import { createHash } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import bcrypt from 'bcrypt'
import { Piscina } from 'piscina'
import { Unavailable } from './errors.js'
import { costOf, type HashingTask } from './hashing-thread.js'

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
  /** Hashes made at the same time, each in a thread. Default 1: as many processes answer requests as there are cores to spare. */
  readonly atOnce?: number
  /** How many may wait for each of those. Default 32: some seconds at the usual costs, less than a command's deadline. */
  readonly waiting?: number
  /** Whether the threads are started at once and kept: the first log-in would wait for one else. Default false. */
  readonly isReady?: boolean
}

/** More than any password's 128 characters have in any form, in UTF-16. To normalise takes the square of a text's length, and a guess may be long. */
const longest = 1_024

const digest = (password: string): string => {
  const normal = password.length > longest ? password : password.normalize('NFC')
  return createHash('sha256').update(normal).digest('base64')
}

/**
 * Added to the niceness of the threads that hash, where the system has threads of different niceness (Linux): what is flooded with
 * passwords goes on answering everything else, and logs in with what is left.
 */
const niceness = 5

/** Milliseconds that a thread with nothing to do is kept. */
const idle = 60_000

/** Hashes in threads, a few at a time, in the order in which they came. */
export const createPasswords = ({ cost, atOnce = 1, waiting = 32, isReady = false }: PasswordSettings): Passwords => {
  const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const pool = new Piscina({
    filename: fileURLToPath(new URL(`./hashing-thread.${ending}`, import.meta.url)),
    minThreads: isReady ? atOnce : 0,
    maxThreads: atOnce,
    idleTimeout: idle,
    niceIncrement: niceness,
  })
  const inThread = <Value>(task: HashingTask): Promise<Value> => {
    const { queueSize } = pool
    const result: Promise<Value> =
      queueSize < waiting * atOnce
        ? pool.run(task)
        : Promise.reject(new TooManyPasswords(`${queueSize} passwords wait to be hashed`))
    // Whoever asked may look at it only later, or fail before that.
    result.catch(() => undefined)
    return result
  }
  const nobodys = hashOfNobody(cost)
  return {
    hash: (password) => inThread<string>({ do: 'hash', password: digest(password), cost }),
    // Nobody's hash is of no password.
    matches: (password, hash) =>
      inThread<boolean>({ do: 'compare', password: digest(password), hash: hash ?? nobodys, asOf: cost }),
    isOutdated: (hash) => costOf(hash) < cost,
  }
}

/** A salt, and behind it 31 characters of the same alphabet that no password was made into. */
const hashOfNobody = (cost: number): string => {
  const characters = () => bcrypt.genSaltSync(cost).slice('$2b$00$'.length)
  return bcrypt.genSaltSync(cost) + (characters() + characters()).slice(0, 31)
}
