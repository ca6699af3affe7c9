import type { CommandKey } from '../context.js'

/** A command that a stream accepted under an idempotency key: at which revision, and when. */
export type RememberedKey = { readonly revision: number; readonly requestHash: string; readonly at: string }

/**
 * The keys of a stream, oldest first. A busy stream has many in a day, and each is added to a version that others still hold: so the few
 * newest stand beside the many older ones, which are copied only when those have become some more.
 */
export type RememberedKeys = {
  readonly older: ReadonlyMap<string, RememberedKey>
  readonly newest: ReadonlyMap<string, RememberedKey>
}

const dayInMilliseconds = 86_400_000
const keysKept = 1_000
/** How many stand beside: copying these at each step and all at the end costs least at about the root of the older ones' number. */
const beside = 128

export const noKeys: RememberedKeys = { older: new Map(), newest: new Map() }

export const rememberedAs = ({ older, newest }: RememberedKeys, commandId: string): RememberedKey | undefined =>
  newest.get(commandId) ?? older.get(commandId)

export const keysFrom = (entries: readonly (readonly [string, RememberedKey])[]): RememberedKeys => ({
  older: new Map(entries),
  newest: new Map(),
})

/** Remembers it, and forgets, now and then, what is older than a day and beyond the last thousand. */
export const withKey = (
  { older, newest }: RememberedKeys,
  { commandId, requestHash }: CommandKey,
  revision: number,
  at: string,
): RememberedKeys => {
  const more = new Map(newest)
  more.delete(commandId)
  more.set(commandId, { revision, requestHash, at })
  return more.size <= beside ? { older, newest: more } : { older: joined({ older, newest: more }, at), newest: new Map() }
}

export const keysOf = (keys: RememberedKeys): readonly (readonly [string, RememberedKey])[] => [...keys.older, ...keys.newest]

const joined = (keys: RememberedKeys, at: string): RememberedKeys['older'] => {
  const all = new Map(keys.older)
  for (const [commandId, remembered] of keys.newest) {
    all.delete(commandId)
    all.set(commandId, remembered)
  }
  const yesterday = Date.parse(at) - dayInMilliseconds
  for (const [oldest, remembered] of all) {
    if (all.size <= keysKept || Date.parse(remembered.at) >= yesterday) break
    all.delete(oldest)
  }
  return all
}
