import type { Position, RecordedEvent } from '../../eventstore/store.js'
import { messageOf, type PublicRecord } from '../public-record.js'
import type { Stretch } from './batches.js'
import { type EventRef, inRuns, type SinkSession, type TopicProgress } from './sink.js'

export type WriterOptions = {
  readonly storeId: string
  readonly batchBytes: number
  readonly idleProgress?: number
  readonly replayedUpTo?: bigint
  readonly skips?: (event: RecordedEvent) => boolean
  /** So many records were written, in one batch. */
  readonly wrote: (records: number) => void
  readonly handled: (at: Position) => void
}

/** Writes what is to be published at once; that there was nothing is written only now and then. */
export const createWriter = (session: SinkSession, options: WriterOptions) => {
  const { storeId, batchBytes, idleProgress = 1_000, replayedUpTo, skips, wrote, handled } = options
  let unwritten: TopicProgress | undefined
  let busy: Promise<unknown> = Promise.resolve()

  const write = async (records: readonly PublicRecord[], progress: TopicProgress): Promise<void> => {
    await session.write(records, progress)
    unwritten = undefined
    wrote(records.length)
  }

  const batch = async ({ events, end, anchor }: Stretch): Promise<void> => {
    const places = new Map<bigint, EventRef>()
    const records: PublicRecord[] = []
    for (const event of events) {
      if (skips?.(event)) continue
      const record = messageOf(event, storeId, { replayed: replayedUpTo !== undefined && event.position <= replayedUpTo })
      if (!record) continue
      records.push(record)
      places.set(record.position, { commit: event.position, prepare: event.preparePosition, eventId: event.id })
    }
    const runs = inRuns(records, batchBytes)
    for (const [i, run] of runs.entries()) {
      const last = i === runs.length - 1
      await write(run, { storeId, at: last && anchor ? anchor : places.get(run.at(-1)!.position)! })
    }
    if (runs.length === 0 && anchor) unwritten = { storeId, at: anchor }
    handled(end)
  }

  /** One after another: a session has one batch in flight. */
  const alone = (work: () => Promise<void>): Promise<void> => {
    const next = busy.then(work)
    busy = next
    return next
  }
  const flush = () => alone(async () => unwritten && write([], unwritten))

  /** Follows, and writes an idle progress beside it; what either throws ends both. */
  const following = async (signal: AbortSignal, follow: (ended: AbortSignal) => Promise<void>): Promise<void> => {
    const over = new AbortController()
    let failure: { readonly error: unknown } | undefined
    const idle = setInterval(() => {
      flush().catch((error: unknown) => {
        failure ??= { error }
        over.abort()
      })
    }, idleProgress)
    try {
      await follow(AbortSignal.any([signal, over.signal]))
      clearInterval(idle)
      if (!failure && !signal.aborted) await flush()
    } finally {
      clearInterval(idle)
      await busy.catch(() => undefined)
    }
    if (failure) throw failure.error
  }

  return { handle: (stretch: Stretch) => alone(() => batch(stretch)), following }
}
