import { randomUUID } from 'node:crypto'
import { noStream, type Store } from './store.js'

/** Milliseconds. */
export type Latency = { readonly calls: number; readonly median: number; readonly p99: number }

export type MeasuredLatency = { readonly read: Latency; readonly append: Latency }

/** Connections are opened, and code is compiled, before anything counts. */
const warmUp = 10

/** An event of the system's, by its type: nobody who follows the shop is told of it. */
const measuring = () => ({ id: randomUUID(), type: '$latencyMeasured', data: {}, metadata: {} })

/**
 * How long one call after the other takes: so many appends of one event to the stream, which must not be there yet, and as many reads of
 * its last event. Throws `StoreUnavailable`, and the signal's reason.
 */
export const measureLatency = async (
  store: Pick<Store, 'read' | 'append'>,
  streamId: string,
  calls: number,
  signal: AbortSignal,
): Promise<MeasuredLatency> => {
  let revision = noStream
  const append = await measure(calls, signal, async () => {
    revision = (await store.append(streamId, [measuring()], revision)).revision
  })
  const read = await measure(calls, signal, async () => {
    await store.read(streamId, { direction: 'backwards', maxCount: 1 })
  })
  return { read, append }
}

const measure = async (calls: number, signal: AbortSignal, call: () => Promise<void>): Promise<Latency> => {
  const took: number[] = []
  for (let i = -warmUp; i < calls; i++) {
    signal.throwIfAborted()
    const began = performance.now()
    await call()
    if (i >= 0) took.push(performance.now() - began)
  }
  return { calls, ...summaryOf(took) }
}

/** Of at least one: the nearest rank, so that each is a time that was measured. */
export const summaryOf = (took: readonly number[]): { readonly median: number; readonly p99: number } => {
  const sorted = [...took].sort((a, b) => a - b)
  const at = (share: number): number => sorted[Math.ceil(share * sorted.length) - 1]!
  return { median: at(0.5), p99: at(0.99) }
}
