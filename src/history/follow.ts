import { type Position, positionOf, StoreUnavailable } from '../eventstore/store.js'
import { backoff, sleep } from '../platform/async.js'
import type { HistoryEvent } from './engine/event.js'
import type { HistoryFilter } from './engine/filter.js'
import { type HistorySource, readHistory } from './engine/read.js'

export type FollowOptions = {
  /** Left out: from the beginning. */
  readonly after: Position | undefined
  readonly signal: AbortSignal
  /** With personal data, but that of users who were erased. */
  readonly personal?: boolean
  /** Where the store ends, as far as is known: asked every now and then, to see whether there is something new. */
  readonly head: () => Promise<bigint | undefined> | bigint | undefined
  /** Told where the store is away, which is waited out. */
  readonly onUnavailable?: (error: StoreUnavailable) => void
}

/** Milliseconds between two looks at the end. */
const lookAgain = 200

/** Milliseconds after which an empty batch says that nothing came: whoever passes events on can say so. */
const heartbeat = 15_000

/** Where following begins: after a commit position, or with what comes from now on. Throws `StoreUnavailable`. */
export const startOfFollowing = async (
  { store }: Pick<HistorySource, 'store'>,
  filter: HistoryFilter,
  after: bigint | undefined,
): Promise<{ readonly filter: HistoryFilter; readonly after: Position | undefined }> => {
  if (after === undefined) return { filter, after: positionOf(await store.last()) }
  const event = await store.eventAt({ commit: after, prepare: after })
  if (event) return { filter, after: positionOf(event) }
  return { filter: filter.from ? filter : { ...filter, from: { position: after + 1n } }, after: undefined }
}

/**
 * What there is of the filter and then what comes, until the signal aborts. Nothing is read before what was read has been taken: whoever
 * is slow costs a batch of memory. Throws `UnknownName`.
 */
export async function* followHistory(
  source: HistorySource,
  filter: HistoryFilter,
  { after, signal, personal = false, head, onUnavailable }: FollowOptions,
): AsyncGenerator<readonly HistoryEvent[], void> {
  let reached = after
  const pause = backoff(signal)
  const onProgress = ({ position }: { readonly position: Position }): void => {
    reached = position
  }
  while (!signal.aborted) {
    try {
      yield* readHistory(source, { ...filter, after: reached, personal, signal, onProgress })
      pause.reset()
      let quietSince = performance.now()
      while (!signal.aborted && ((await head()) ?? -1n) <= (reached?.commit ?? -1n)) {
        await sleep(lookAgain, signal)
        if (performance.now() - quietSince < heartbeat) continue
        quietSince = performance.now()
        yield []
      }
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
      if (signal.aborted) return
      onUnavailable?.(error)
      await pause()
    }
  }
}
