import type { RecordedEvent } from './store.js'

/** Reads the next batch while the last one is handled: one ahead, never more. An empty batch is the end. */
export const inBatches = (events: AsyncIterable<RecordedEvent>, size: number) => {
  const iterator = events[Symbol.asyncIterator]()
  const read = async (): Promise<readonly RecordedEvent[]> => {
    const batch: RecordedEvent[] = []
    while (batch.length < size) {
      const next = await iterator.next()
      if (next.done) break
      batch.push(next.value)
    }
    return batch
  }
  let ahead: Promise<PromiseSettledResult<readonly RecordedEvent[]>[]> = Promise.allSettled([read()])
  return {
    next: async (): Promise<readonly RecordedEvent[]> => {
      const [result] = await ahead
      if (result!.status === 'rejected') throw result!.reason
      if (result!.value.length > 0) ahead = Promise.allSettled([read()])
      return result!.value
    },
    stop: async (): Promise<void> => {
      await ahead
      await iterator.return?.()
    },
  }
}
