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

/**
 * What `work` comes to. Where the signal aborts first, rejects with its reason after at most `grace` milliseconds more (0 by default),
 * and `work` is left to itself.
 */
export const orAborted = async <T>(work: Promise<T>, signal: AbortSignal, grace = 0): Promise<T> => {
  const done = new AbortController()
  const aborted = async (): Promise<never> => {
    await abortOf(signal, done.signal)
    await sleep(grace, done.signal)
    throw signal.reason
  }
  try {
    return await Promise.race([work, aborted()])
  } finally {
    done.abort()
  }
}

const abortOf = (...signals: readonly AbortSignal[]): Promise<void> =>
  new Promise((resolve) => {
    const any = AbortSignal.any([...signals])
    if (any.aborted) resolve()
    else any.addEventListener('abort', () => resolve(), { once: true })
  })
