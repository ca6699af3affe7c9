const closers: (() => Promise<void>)[] = []

/** What test files share is closed after the last of them that run one after another, before the servers that it needs. */
export const closeAtTheEnd = (close: () => Promise<void>): void => {
  closers.push(close)
}

/** The last one first. */
export const closeShared = async (): Promise<void> => {
  for (const close of closers.splice(0).reverse()) await close()
}
