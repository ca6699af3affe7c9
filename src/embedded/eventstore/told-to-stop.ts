/** When a process is to end: on SIGTERM, on SIGINT, and when the parent that forked it is gone. */
export type ToldToStop = {
  /** From here on the process ends in order: resolves when it is told to. Until here it ends at once, as a crash would end it. */
  readonly inOrder: () => Promise<void>
}

/**
 * To be called before anything else. What is still starting has nothing to finish: it must not outlive a parent that was killed meanwhile,
 * and hold the folder. A parent may be gone already, while the program was loaded.
 */
export const untilToldToStop = (): ToldToStop => {
  let told = (): void => process.exit(1)
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => told())
  if (process.send !== undefined) {
    process.on('disconnect', () => told())
    if (!process.connected) told()
  }
  return {
    inOrder: () =>
      new Promise((resolve) => {
        told = resolve
      }),
  }
}
