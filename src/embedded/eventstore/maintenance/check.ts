import { sleep } from '../../../platform/async.js'
import { messageOf } from '../../../platform/errors.js'
import { Damaged } from '../storage/log/errors.js'
import { checkedChunks } from '../storage/log/scan.js'
import { readStart, type Segment } from '../storage/log/segment.js'
import type { Store } from '../storage/store.js'

/** How far the check in the background has come; `unneeded`: the start has read everything already. */
export type CheckStatus = {
  readonly state: 'unneeded' | 'running' | 'whole' | 'damaged' | 'stopped'
  /** Bytes of the log. */
  readonly done: number
  readonly total: number
  /** Damage by file and byte, the first of each segment. */
  readonly problems: readonly string[]
}

export type Check = {
  readonly status: () => CheckStatus
  readonly ended: Promise<CheckStatus>
  readonly stop: () => Promise<void>
}

export type CheckOptions = {
  /** Milliseconds before it begins: a start has other things to do. */
  readonly after?: number
  /** Of a core, what it may take. */
  readonly share?: number
}

/**
 * Reads all that a start in order has taken on trust, while the store serves, and checks every sum. It never throws: what it finds is
 * in its status, and the reads that need it are refused anyway.
 */
export const startCheck = (store: Store, { after = 3_000, share = 0.1 }: CheckOptions = {}): Check => {
  const total = store.log.end()
  const stopping = new AbortController()
  const problems: string[] = []
  let done = 0
  let state: CheckStatus['state'] = store.wasRead ? 'unneeded' : 'running'

  const pause = (milliseconds: number): Promise<void> => sleep(milliseconds, stopping.signal)

  const checkSegment = async (segment: Segment): Promise<void> => {
    await readStart(segment)
    let began = performance.now()
    for await (const chunk of checkedChunks(store.log, segment)) {
      if (stopping.signal.aborted) return
      done = Math.min(total, done + chunk.length)
      await pause((performance.now() - began) * (1 / share - 1))
      began = performance.now()
    }
  }

  const run = async (): Promise<CheckStatus> => {
    if (state !== 'running') return status()
    await pause(after)
    // Only what was there at the start: the rest was written by this process.
    for (const segment of store.log.segments().filter(({ base }) => base < total)) {
      if (stopping.signal.aborted) break
      try {
        // Held open to its end, for a scavenge may replace it meanwhile.
        await store.log.reading(segment, () => checkSegment(segment))
      } catch (error) {
        problems.push(error instanceof Damaged ? error.message : `${segment.path} can't be read: ${messageOf(error)}`)
      }
    }
    state = problems.length > 0 ? 'damaged' : stopping.signal.aborted ? 'stopped' : 'whole'
    if (state === 'whole') done = total
    return status()
  }

  const status = (): CheckStatus => ({ state, done, total, problems: [...problems] })
  const ended = run()
  return {
    status,
    ended,
    stop: async () => {
      stopping.abort()
      await ended
    },
  }
}
