/** Who waits for something new: in one stream, or anywhere. */
export type Watchers = {
  /** Calls `wake` at each touch of the stream (`undefined`: of any) until the answered function is called. */
  readonly watch: (name: string | undefined, wake: () => void) => () => void
  readonly touch: (name: string | undefined) => void
}

/** Nobody is told what is new, only that something is: who was woken reads on from where it stood. */
export const createWatchers = (): Watchers => {
  const waiting = new Map<string | undefined, Set<() => void>>()
  return {
    watch: (name, wake) => {
      const set = waiting.get(name) ?? new Set()
      waiting.set(name, set.add(wake))
      return () => {
        set.delete(wake)
        if (set.size === 0 && waiting.get(name) === set) waiting.delete(name)
      }
    },
    touch: (name) => {
      for (const wake of waiting.get(name) ?? []) wake()
    },
  }
}
