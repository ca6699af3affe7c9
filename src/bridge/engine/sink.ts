import type { Position } from '../../eventstore/store.js'
import type { PublicRecord } from '../public-record.js'

/** An event by its position and its id. */
export type EventRef = Position & { readonly eventId: string }

/** Up to which event, of which store, a topic was written. */
export type TopicProgress = { readonly storeId: string; readonly at: EventRef }

/** A topic that the bridge writes: the same promise, whatever keeps it. */
export type Sink = {
  readonly kind: 'postgres' | 'kafka'
  readonly topic: string
  /** Bytes of keys, headers and values that are written at once. */
  readonly batchBytes: number
  /** Shuts out whoever wrote before, and then reads how far he came. `epoch` is that of the lease, which rises with its holders. */
  readonly open: (epoch: number, signal: AbortSignal) => Promise<SinkSession>
}

/** One writer's time at the topic. After any error it is of no use any more: close it, and open another. */
export type SinkSession = {
  readonly progress: TopicProgress | undefined
  /** The records and the progress, both or neither. */
  readonly write: (records: readonly PublicRecord[], progress: TopicProgress) => Promise<void>
  readonly close: () => Promise<void>
}

/** Another writer has been here since: this one must not go on. */
export class TopicFenced extends Error {
  override readonly name = 'TopicFenced'
}

/** Several records were too much for one batch; `session` is over, fewer may do. */
export class BatchTooLarge extends Error {
  override readonly name = 'BatchTooLarge'
}

/** What no repetition cures: the bridge stops until a person has seen to it. */
export class BridgeStopped extends Error {
  override readonly name = 'BridgeStopped'
}

export const sizeOf = ({ key, headers, value }: PublicRecord): number => {
  let size = Buffer.byteLength(key) + Buffer.byteLength(value) + 32
  for (const name in headers) size += name.length + Buffer.byteLength(headers[name]!) + 2
  return size
}

/** In runs of at most so many bytes; one record that is larger is a run of its own. */
export const inRuns = (records: readonly PublicRecord[], most: number): readonly (readonly PublicRecord[])[] => {
  const runs: PublicRecord[][] = []
  let size = Number.POSITIVE_INFINITY
  for (const record of records) {
    const own = sizeOf(record)
    if (size + own > most) {
      runs.push([])
      size = 0
    }
    runs.at(-1)!.push(record)
    size += own
  }
  return runs
}
