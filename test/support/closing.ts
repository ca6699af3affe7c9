const closers: (() => Promise<void>)[] = []

/** What test files share is closed once, after all of them and before the servers that it needs. */
export const closeAtTheEnd = (close: () => Promise<void>): void => {
  closers.push(close)
}

/** The last one first. */
export const closeShared = async (): Promise<void> => {
  for (const close of closers.splice(0).reverse()) await close()
}
