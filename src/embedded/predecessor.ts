import { sleep } from '../platform/async.js'
import { FolderInUse, holderOf } from '../platform/folder-lock.js'
import type { Log } from '../platform/log.js'

export type Waiting = {
  readonly log: Log
  readonly signal: AbortSignal
  /** Milliseconds that a predecessor has to end. */
  readonly patience?: number
}

/**
 * Waits until nobody holds the folder any more: an event store whose parent was killed ends by itself, and may still be at it. Who holds
 * it is said at once. Throws `FolderInUse` after the patience, and the signal's reason.
 */
export const untilFree = async (folder: string, { log, signal, patience = 10_000 }: Waiting): Promise<void> => {
  const began = performance.now()
  let told = false
  for (;;) {
    signal.throwIfAborted()
    const holder = await holderOf(folder)
    if (!holder) return
    if (performance.now() - began > patience) throw new FolderInUse(folder, holder.pid)
    if (!told) {
      const who = holder.pid === undefined ? 'a process that does not say its number' : `process ${holder.pid}`
      log.warn(
        { part: 'event store', pid: holder.pid },
        `${folder} is held by ${who}, perhaps the event store of a start that was killed: waiting ${patience / 1_000} s for it to end`,
      )
      told = true
    }
    await sleep(100, signal)
  }
}
