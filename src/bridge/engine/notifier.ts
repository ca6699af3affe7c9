import { sleep } from '../../platform/async.js'
import { createRising } from '../../platform/waiters.js'

/**
 * Tells of every change, and once when it has begun to hear of them, until the signal aborts or the connection is lost or not to be had.
 * Doesn't throw.
 */
export type Listen = (signal: AbortSignal, tell: () => void) => Promise<void>

/** Tells everybody who waits that a topic has something new, over one connection for all of them, which is there while somebody waits. */
export const createWatch = (hear: Listen) => {
  const told = createRising<number>(0)
  let watchers = 0
  let running: { readonly stop: AbortController; readonly ended: Promise<void> } | undefined

  const tell = (): void => told.raise(told.current() + 1)

  const listen = async (signal: AbortSignal): Promise<void> => {
    while (!signal.aborted) {
      await hear(signal, tell)
      // While there is no connection, whoever waits looks every second.
      tell()
      await sleep(1_000, signal)
    }
  }

  const stop = async (): Promise<void> => {
    const { stop, ended } = running ?? {}
    running = undefined
    stop?.abort()
    await ended
  }

  /** Whether something was told since the count was `seen`; false after `most` milliseconds, or when the signal aborts. */
  const changed = (seen: number, most: number, signal: AbortSignal): Promise<boolean> =>
    told.reaches(seen + 1, { milliseconds: most, signal })

  return {
    begin: () => {
      watchers++
      if (!running) {
        const stop = new AbortController()
        running = { stop, ended: listen(stop.signal) }
      }
      let over = false
      return {
        count: told.current,
        changed,
        end: (): void => {
          if (over) return
          over = true
          watchers--
          if (watchers === 0) void stop()
        },
      }
    },
    close: stop,
  }
}
