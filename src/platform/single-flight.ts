/**
 * Makes callers who come while the work is under way share the next run of it. That begins after they came, so nobody gets what is older
 * than their question; and however many ask, or leave before they are answered, there is one run at a time and one that waits.
 */
export const singleFlight = <Value>(work: () => Promise<Value>): (() => Promise<Value>) => {
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

/** Makes callers share a run that is under way, or has begun within the last so many milliseconds. One that failed is not kept. */
export const singleFlightFor = <Value>(
  milliseconds: number,
  work: () => Promise<Value>,
  clock: () => number = () => performance.now(),
): (() => Promise<Value>) => {
  let last: { readonly begun: number; readonly run: Promise<Value>; ended: boolean } | undefined
  return () => {
    const now = clock()
    if (last && (!last.ended || now - last.begun < milliseconds)) return last.run
    const run = work()
    const mine = { begun: now, run, ended: false }
    last = mine
    run.then(
      () => {
        mine.ended = true
      },
      () => {
        last = undefined
      },
    )
    return run
  }
}
