// One Ctrl-C under `npm start` comes twice: from the terminal, and handed on by npm.
const oneKeyPress = 500

const signals = ['SIGINT', 'SIGTERM'] as const

/** Somebody told this process to stop before it had done what it was asked for. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted'
}

/**
 * Aborts with `Interrupted` at the first SIGINT or SIGTERM, and ends the process at the second: what it started ends with it.
 */
export const untilSignalled = (): { readonly signal: AbortSignal; readonly done: () => void } => {
  const controller = new AbortController()
  let first = 0
  const onSignal = (signal: NodeJS.Signals) => {
    if (!controller.signal.aborted) {
      first = performance.now()
      controller.abort(new Interrupted(`interrupted by ${signal}`))
    } else if (performance.now() - first > oneKeyPress) process.exit(130)
  }
  for (const signal of signals) process.on(signal, onSignal)
  const done = () => {
    for (const signal of signals) process.off(signal, onSignal)
  }
  return { signal: controller.signal, done }
}
