import type { Feed } from '../../eventstore/feed.js'
import type { Position } from '../../eventstore/store.js'
import { categoryOf } from '../../projections/projection.js'

/** What something that was read depends on: streams by their ids, and every stream of some categories. */
export type Dependencies = { readonly streams?: readonly string[]; readonly categories?: readonly string[] }

/** Knows what happened where, as far as this process's subscription has come. */
export type Changes = {
  /** Whether it is known for certain that nothing happened in any of these after the first commit position and up to the second. */
  readonly noneIn: (dependencies: Dependencies, after: bigint, upTo: bigint) => boolean
  readonly close: () => Promise<void>
}

export type ChangesOptions = {
  readonly feed: Pick<Feed, 'follow'>
  /** Everything after it is followed; what happened before is not known. */
  readonly after: Position | undefined
  /** Streams of other categories are not kept. */
  readonly categories: readonly string[]
  /** Streams remembered. What is known reaches back to the last event of those that were forgotten. */
  readonly size?: number
  /** Told when the following ends with an error. */
  readonly onFailure: (error: unknown) => void
}

/** Follows the subscription, and remembers the position of the newest event of each stream and category. */
export const createChanges = ({ feed, after, categories, size = 50_000, onFailure }: ChangesOptions): Changes => {
  const ofStream = new Map<string, bigint>()
  const ofCategory = new Map(categories.map((category) => [category, -1n]))
  const stopping = new AbortController()
  let since = after?.commit ?? -1n
  let reached = since

  const note = (streamId: string, position: bigint): void => {
    const category = categoryOf(streamId)
    if (!ofCategory.has(category)) return
    ofCategory.set(category, position)
    // The newest stands last.
    ofStream.delete(streamId)
    ofStream.set(streamId, position)
    if (ofStream.size <= size) return
    const [oldest, forgotten] = ofStream.entries().next().value!
    ofStream.delete(oldest)
    since = forgotten
  }

  const following = feed
    .follow({
      after,
      signal: stopping.signal,
      onBatch: (events) => {
        for (const { streamId, position } of events) {
          note(streamId, position)
          reached = position
        }
      },
    })
    .catch(onFailure)

  return {
    noneIn: ({ streams = [], categories: all = [] }, from, upTo) =>
      from >= since &&
      upTo <= reached &&
      streams.every((streamId) => (ofStream.get(streamId) ?? -1n) <= from) &&
      all.every((category) => (ofCategory.get(category) ?? from + 1n) <= from),
    close: async () => {
      stopping.abort()
      await following
    },
  }
}
