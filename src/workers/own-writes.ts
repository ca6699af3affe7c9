import type { UserId } from '../domain/ids.js'
import { createOwnWrites, type OwnWrites } from '../http/pipeline/read-your-writes.js'
import type { OwnWritesOf } from './calls.js'

export type SharedOwnWrites = OwnWrites & {
  /** Takes what another worker has answered. */
  readonly learn: (entries: OwnWritesOf) => void
}

/**
 * What users wrote through any worker. An answer that rests on a write is held back until the other workers know of it: wherever the
 * user's next read arrives, it waits for that position. What is answered in one turn of the event loop is told in one message.
 */
export const createSharedOwnWrites = (tell: (entries: OwnWritesOf) => Promise<void>): SharedOwnWrites => {
  const own = createOwnWrites()
  let batch: { readonly entries: (readonly [UserId, bigint])[]; readonly told: Promise<void> } | undefined

  const collect = () => {
    const entries: (readonly [UserId, bigint])[] = []
    const told = new Promise<void>((resolve, reject) => {
      setImmediate(() => {
        batch = undefined
        tell(entries).then(resolve, reject)
      })
    })
    return { entries, told }
  }

  return {
    ...own,
    note: (userId, position) => {
      void own.note(userId, position)
      batch ??= collect()
      batch.entries.push([userId, position])
      return batch.told
    },
    learn: (entries) => {
      for (const [userId, position] of entries) void own.note(userId, position)
    },
  }
}
