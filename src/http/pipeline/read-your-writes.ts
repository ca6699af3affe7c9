import { LRUCache } from 'lru-cache'
import type { UserId } from '../../domain/ids.js'
import { Refusal, unavailable } from './errors.js'

/** The highest position that each user was answered: what their reads have to show. */
export type OwnWrites = {
  /** Resolves when every process knows that may be asked next. */
  readonly note: (userId: UserId, position: bigint) => Promise<void> | void
  readonly of: (userId: UserId) => bigint | undefined
}

/** `size`: users remembered; a write older than the others of so many users has long been projected. */
export const createOwnWrites = (size = 10_000): OwnWrites => {
  const positions = new LRUCache<UserId, { readonly position: bigint }>({ max: size })
  return {
    note: (userId, position) => {
      const before = positions.get(userId)
      if (!before || before.position < position) positions.set(userId, { position })
    },
    of: (userId) => positions.get(userId)?.position,
  }
}

type Waits = {
  readonly waitFor: (position: bigint, milliseconds: number) => Promise<boolean>
  /** Milliseconds. */
  readonly readAfterWait: number
  readonly ownWritesWait: number
}

const largestPosition = 2n ** 64n - 1n

/** The position of a Read-After header. Throws `Refusal` 400 for what is none. */
export const readAfter = (values: readonly string[] | undefined): bigint | undefined => {
  if (!values) return undefined
  const [value = '', ...others] = values
  if (others.length > 0 || !/^\d{1,20}$/.test(value) || BigInt(value) > largestPosition) {
    throw new Refusal(400, 'Read-After must be a position: the decimal number of a Commit-Position header')
  }
  return BigInt(value)
}

/**
 * Waits until a read shows what its client asks for and what its user wrote. Answers whether it does: the user's own writes are waited
 * for a little, a position that was asked for longer, and without it there is no answer: throws `Refusal` 503.
 */
export const waitForFreshness = async (asked: bigint | undefined, own: bigint | undefined, waits: Waits): Promise<boolean> => {
  if (asked !== undefined && !(await waits.waitFor(asked, waits.readAfterWait))) {
    throw unavailable(`what was written up to ${asked} is not readable yet; try again in a moment`)
  }
  return own === undefined || waits.waitFor(own, waits.ownWritesWait)
}
