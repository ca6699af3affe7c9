/** Waits so many milliseconds, or until the signal aborts. */
export const sleep = (milliseconds: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    const done = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, milliseconds)
    signal?.addEventListener('abort', done, { once: true })
  })

/** A pause that doubles each time, from `first` to `most` milliseconds, with jitter, until `reset`. Ends early when the signal aborts. */
export const backoff = (signal: AbortSignal, { first = 50, most = 3_000 } = {}) => {
  let next = first
  const pause = async (): Promise<void> => {
    const milliseconds = next * (0.5 + Math.random() / 2)
    next = Math.min(next * 2, most)
    await sleep(milliseconds, signal)
  }
  return Object.assign(pause, {
    reset: () => {
      next = first
    },
  })
}
