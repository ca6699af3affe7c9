import type { CommandKey } from '../context.js'

/** A command that a stream accepted under an idempotency key: at which revision, and when. */
export type AcceptedKey = { readonly revision: number; readonly requestHash: string; readonly at: string }

/**
 * The keys of a stream, oldest first. A busy stream has many in a day, and each is added to a version that others still hold: so the few
 * newest are a map of their own, and the many older ones are copied only when that has grown.
 */
export type AcceptedKeys = {
  readonly older: ReadonlyMap<string, AcceptedKey>
  readonly newest: ReadonlyMap<string, AcceptedKey>
}

const dayInMilliseconds = 86_400_000
const keysKept = 1_000
/** Size of the small map: each key copies it, and each time that it is full all keys: least work at about √n (128 suits 16,000 keys). */
const newestKept = 128

export const noKeys: AcceptedKeys = { older: new Map(), newest: new Map() }

export const findKey = ({ older, newest }: AcceptedKeys, commandId: string): AcceptedKey | undefined =>
  newest.get(commandId) ?? older.get(commandId)

export const keysFrom = (entries: readonly (readonly [string, AcceptedKey])[]): AcceptedKeys => ({
  older: new Map(entries),
  newest: new Map(),
})

/** Remembers it, and forgets, now and then, what is older than a day and beyond the last thousand. */
export const withKey = (
  { older, newest }: AcceptedKeys,
  { commandId, requestHash }: CommandKey,
  revision: number,
  at: string,
): AcceptedKeys => {
  const more = new Map(newest)
  more.delete(commandId)
  more.set(commandId, { revision, requestHash, at })
  return more.size <= newestKept ? { older, newest: more } : { older: merged({ older, newest: more }, at), newest: new Map() }
}

export const keysOf = (keys: AcceptedKeys): readonly (readonly [string, AcceptedKey])[] => [...keys.older, ...keys.newest]

const merged = (keys: AcceptedKeys, at: string): AcceptedKeys['older'] => {
  const all = new Map(keys.older)
  for (const [commandId, accepted] of keys.newest) {
    all.delete(commandId)
    all.set(commandId, accepted)
  }
  const yesterday = Date.parse(at) - dayInMilliseconds
  for (const [oldest, accepted] of all) {
    if (all.size <= keysKept || Date.parse(accepted.at) >= yesterday) break
    all.delete(oldest)
  }
  return all
}
