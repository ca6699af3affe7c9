import { sleep } from '../../platform/async.js'
import { createRising } from '../../platform/waiters.js'

/**
 * Tells of every change, and once when it has begun to hear of them, until the signal aborts or the connection is lost or not to be had.
 * Doesn't throw.
 */
export type Listen = (signal: AbortSignal, notify: () => void) => Promise<void>

/** Tells everybody who waits that a topic has something new, over one connection for all of them, which is there while somebody waits. */
export const createNotifier = (listenTo: Listen) => {
  const changes = createRising<number>(0)
  let listeners = 0
  let running: { readonly stop: AbortController; readonly ended: Promise<void> } | undefined

  const notify = (): void => changes.raise(changes.current() + 1)

  const listen = async (signal: AbortSignal): Promise<void> => {
    while (!signal.aborted) {
      await listenTo(signal, notify)
      // While there is no connection, whoever waits looks every second.
      notify()
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
    changes.reaches(seen + 1, { milliseconds: most, signal })

  return {
    begin: () => {
      listeners++
      if (!running) {
        const stop = new AbortController()
        running = { stop, ended: listen(stop.signal) }
      }
      let over = false
      return {
        count: changes.current,
        changed,
        end: (): void => {
          if (over) return
          over = true
          listeners--
          if (listeners === 0) void stop()
        },
      }
    },
    close: stop,
  }
}
