import { sleep } from '../../platform/async.js'

/**
 * Tells of every change, and once when it has begun to hear of them, until the signal aborts or the connection is lost or not to be had.
 * Doesn't throw.
 */
export type Listen = (signal: AbortSignal, tell: () => void) => Promise<void>

/** Tells everybody who waits that a topic has something new, over one connection for all of them, which is there while somebody waits. */
export const createWatch = (hear: Listen) => {
  let told = 0
  let watchers = 0
  let running: { readonly stop: AbortController; readonly ended: Promise<void> } | undefined
  const waiting = new Set<() => void>()

  const tell = (): void => {
    told++
    for (const wake of waiting) wake()
  }

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
    new Promise((resolve) => {
      const done = (news: boolean) => {
        waiting.delete(wake)
        clearTimeout(timer)
        signal.removeEventListener('abort', over)
        resolve(news)
      }
      const wake = () => done(true)
      const over = () => done(false)
      const timer = setTimeout(over, most)
      waiting.add(wake)
      signal.addEventListener('abort', over, { once: true })
      if (signal.aborted) over()
      else if (told !== seen) wake()
    })

  return {
    begin: () => {
      watchers++
      if (!running) {
        const stop = new AbortController()
        running = { stop, ended: listen(stop.signal) }
      }
      let over = false
      return {
        count: () => told,
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
