import { LRUCache } from 'lru-cache'
import type { Feed } from '../../eventstore/feed.js'
import type { Database } from '../../platform/database.js'
import { singleFlight } from '../../platform/single-flight.js'
import { readCheckpoint } from '../../projections/engine/checkpoint.js'
import { type Changes, createChanges, type Dependencies } from './changes.js'

/** Something that was made of what a query answered. */
export type Made<Value extends object> = {
  readonly value: Value
  /** The query's: the commit position of the checkpoint that it read. */
  readonly position: bigint
  /** Whatever changes the value, when something happens there. */
  readonly dependsOn: Dependencies
  /** Bytes that it takes, or so. */
  readonly size: number
}

/** What `make` made for the key before, if nothing that it depends on has happened since; else what it makes now. */
export type Remember = <Value extends object>(key: string, make: () => Promise<Made<Value>>) => Promise<Value>

export type MemoryOptions = {
  readonly database: Pick<Database, 'pool'>
  readonly feed: Pick<Feed, 'follow'>
  /** The streams' categories that something may depend on. */
  readonly categories: readonly string[]
  /** Bytes kept, or so. Default 32 MiB. */
  readonly size?: number
  /** Told when the subscription can't be followed any more. */
  readonly onFailure: (error: unknown) => void
}

/** Follows the subscription from where the read models stand. Throws where the database doesn't answer. (docs/decisions/0023) */
export const createMemory = async ({ database, feed, categories, size, onFailure }: MemoryOptions) => {
  const checkpoint = await readCheckpoint(database.pool)
  const changes = createChanges({ feed, after: checkpoint?.at, categories, onFailure })
  return { remember: createRemember(() => standing(database), changes, size), close: changes.close }
}

/** Where the read models stand, and how often their generations and the quarantine have changed. */
export type Standing = { readonly position: bigint; readonly changes: number }

const standing = async ({ pool }: Pick<Database, 'pool'>): Promise<Standing | undefined> => {
  const { rows } = await pool.query<{ position: number; changes: number }>({
    name: 'standing',
    text: `select coalesce(commit_position, -1) as position, changes::int as changes from tillroll.checkpoint where name = 'projections'`,
  })
  return rows[0] && { position: BigInt(rows[0].position), changes: rows[0].changes }
}

/**
 * Nothing is answered that is older than what a query would find: the database is asked, after the request came and once for all that wait,
 * where the read models stand; and only what has not changed up to there is taken from memory.
 */
export const createRemember = (
  stand: () => Promise<Standing | undefined>,
  { noneIn }: Pick<Changes, 'noneIn'>,
  size = 32 * 2 ** 20,
): Remember => {
  const kept = new LRUCache<string, Made<object> & { readonly changes: number }>({
    maxSize: size,
    sizeCalculation: (entry, key) => entry.size + key.length + overhead,
  })
  let last: Standing | undefined
  const standingNow = singleFlight(async () => {
    last = await stand()
    return last
  })

  return async <Value extends object>(key: string, make: () => Promise<Made<Value>>): Promise<Value> => {
    const entry = kept.get(key)
    // What is known to have changed need not be asked for.
    if (!entry || !noneIn(entry.dependsOn, entry.position, entry.position) || !last) {
      // Counted before it is made: if the generations change meanwhile, it will not be taken for one of the new.
      const { changes } = last ?? (await standingNow()) ?? {}
      const made = await make()
      if (changes !== undefined) kept.set(key, { ...made, changes })
      return made.value
    }
    const now = await standingNow()
    if (
      now &&
      now.changes === entry.changes &&
      // Read models that were begun anew stand before it.
      now.position >= entry.position &&
      noneIn(entry.dependsOn, entry.position, now.position)
    ) {
      return entry.value as Value
    }
    const made = await make()
    if (now) kept.set(key, { ...made, changes: now.changes })
    return made.value
  }
}

/** Bytes of an entry beside its value: keys, the streams' ids, the map's own. */
const overhead = 500
