/** Works on the items in their order, so many at a time, and yields what comes of each in that order too. */
export async function* atOnce<Item, Result>(
  items: Iterable<Item>,
  width: number,
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<Result, void> {
  const running: Promise<Result>[] = []
  for (const item of items) {
    const run = work(item)
    // Looked at when its turn comes: until then, that it failed is no unhandled rejection.
    run.catch(() => undefined)
    running.push(run)
    if (running.length >= width) yield running.shift()!
  }
  for (const run of running) yield run
}
