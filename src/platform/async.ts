/** Waits so many milliseconds, or until the signal aborts. With `ref` false it alone keeps no process from ending. */
export const sleep = (milliseconds: number, signal?: AbortSignal, { ref = true } = {}): Promise<void> =>
  new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    const done = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, milliseconds)
    if (!ref) timer.unref()
    signal?.addEventListener('abort', done, { once: true })
  })

export type Pauses = { readonly first: number; readonly most: number }

/** Milliseconds to pause after so many failures (0: the first): doubling from `first` to `most`, and never the same for two who failed together. */
export const pauseAfter = (failures: number, { first, most }: Pauses): number =>
  Math.min(first * 2 ** failures, most) * (0.5 + Math.random() / 2)

/** A pause that is longer after each failure (`pauseAfter`), until `reset`. Ends early when the signal aborts. */
export const backoff = (signal?: AbortSignal, { first = 50, most = 3_000 }: Partial<Pauses> = {}) => {
  let failures = 0
  const pause = (): Promise<void> => sleep(pauseAfter(failures++, { first, most }), signal)
  return Object.assign(pause, {
    reset: () => {
      failures = 0
    },
  })
}

/** What `make` makes when it is first asked for, ever after. */
export const once = <Value>(make: () => Value): (() => Value) => {
  let made: { readonly value: Value } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

/** A promise, and what resolves it. */
export const withResolvers = <Value>() => {
  let resolve!: (value: Value) => void
  const promise = new Promise<Value>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
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
