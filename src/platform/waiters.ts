/** How long somebody waits at most: milliseconds, a signal, or both. */
export type Patience = { readonly milliseconds?: number; readonly signal?: AbortSignal }

/** A position or a count that only rises, and all who wait until it has come so far. */
export type Rising<Value extends number | bigint> = {
  readonly current: () => Value
  /** Lets go whoever waits for as much, or less. One that is lower than the current changes nothing. */
  readonly raise: (to: Value) => void
  /** Whether it comes so far before the patience ends. */
  readonly reaches: (wanted: Value, patience: Patience) => Promise<boolean>
  /** Whether anybody waits. */
  readonly isAwaited: () => boolean
}

type Waiter<Value> = { readonly wanted: Value; readonly resolve: (reached: boolean) => void }

export const createRising = <Value extends number | bigint>(from: Value): Rising<Value> => {
  let current = from
  const waiting = new Set<Waiter<Value>>()

  const raise = (to: Value): void => {
    if (to <= current) return
    current = to
    for (const { wanted, resolve } of waiting) if (wanted <= to) resolve(true)
  }

  const reaches = (wanted: Value, { milliseconds, signal }: Patience): Promise<boolean> => {
    if (wanted <= current) return Promise.resolve(true)
    if (signal?.aborted) return Promise.resolve(false)
    return new Promise((settle) => {
      const waiter = {
        wanted,
        resolve: (reached: boolean): void => {
          waiting.delete(waiter)
          clearTimeout(timer)
          signal?.removeEventListener('abort', giveUp)
          settle(reached)
        },
      }
      const giveUp = (): void => waiter.resolve(false)
      const timer = milliseconds === undefined ? undefined : setTimeout(giveUp, milliseconds)
      signal?.addEventListener('abort', giveUp, { once: true })
      waiting.add(waiter)
    })
  }

  return { current: () => current, raise, reaches, isAwaited: () => waiting.size > 0 }
}
