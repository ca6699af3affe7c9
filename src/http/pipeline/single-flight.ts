/**
 * Makes callers who come while the work is under way share the next run of it. That begins after they came, so nobody gets what is older
 * than their question; and however many ask, or leave before they are answered, there is one run at a time and one that waits.
 */
export const share = <Value>(work: () => Promise<Value>): (() => Promise<Value>) => {
  let running: Promise<unknown> = Promise.resolve()
  let next: Promise<Value> | undefined
  const begin = (): Promise<Value> => {
    next = undefined
    const run = work()
    // Not the run itself: its value may be large, and whoever comes next only waits for its end.
    running = run.then(
      () => undefined,
      () => undefined,
    )
    return run
  }
  return () => (next ??= running.then(begin))
}
