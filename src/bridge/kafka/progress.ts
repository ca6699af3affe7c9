import type { Kafka } from 'kafkajs'
import { z } from 'zod'
import type { TopicProgress } from '../engine/sink.js'
import { type Connected, connectTopic } from './fetch.js'

/** A compacted topic of one partition beside each topic: who writes it, and how far he came. */
export const progressTopic = (topic: string): string => `${topic}.progress`

export const keys = { progress: 'progress', writer: 'writer' } as const

const stored = z.object({ storeId: z.string(), commit: z.string(), prepare: z.string(), eventId: z.string() })

export const written = ({ storeId, at }: TopicProgress): string =>
  JSON.stringify({ storeId, commit: `${at.commit}`, prepare: `${at.prepare}`, eventId: at.eventId } satisfies z.infer<
    typeof stored
  >)

const read = (value: string): TopicProgress => {
  const { storeId, commit, prepare, eventId } = stored.parse(JSON.parse(value))
  return { storeId, at: { commit: BigInt(commit), prepare: BigInt(prepare), eventId } }
}

/** Where the writer's own mark stands, and the oldest offset that there is. */
export type Mark = { readonly offset: bigint; readonly low: bigint }

export type Found = {
  readonly progress: TopicProgress | undefined
  /** Whether anybody has written here before. */
  readonly writtenBefore: boolean
}

/** Milliseconds for the whole of it. */
const patience = 30_000

/**
 * The last committed progress before the mark, which is known to be there: so it is known when everything before it was read. (Its own
 * transaction may still be ending when it is looked for.)
 */
export const readProgress = async (kafka: Kafka, topic: string, mark: Mark, signal: AbortSignal): Promise<Found> => {
  const connected = await connectTopic(kafka, progressTopic(topic))
  const end = performance.now() + patience
  const goesOn = () => {
    if (signal.aborted) throw new Error(`reading the progress of the topic ${topic} was given up`)
    if (performance.now() > end) {
      throw new Error(`the progress of the topic ${topic} could not be read within ${patience} ms`)
    }
  }
  try {
    let writtenBefore = false
    for (let step = 32n; ; step *= 16n) {
      const from = before(mark, step)
      const found = await scan(connected, from, mark.offset, goesOn)
      writtenBefore ||= found.writtenBefore
      if (found.progress !== undefined || from === mark.low) return { progress: found.progress, writtenBefore }
    }
  } finally {
    await Promise.allSettled([connected.close()])
  }
}

/** Everything from the one offset to the other, which is waited for. `goesOn` throws where that takes too long. */
const scan = async ({ fetch }: Connected, from: bigint, to: bigint, goesOn: () => void): Promise<Found> => {
  let progress: string | undefined
  let writtenBefore = false
  for (let next = from; next <= to; ) {
    goesOn()
    const [chunk] = await fetch([{ partition: 0, offset: next }], { wait: 50 })
    for (const { offset, key, value } of chunk!.records) {
      if (BigInt(offset) >= to) break
      if (`${key}` === keys.progress && value) progress = `${value}`
      if (`${key}` === keys.writer) writtenBefore = true
    }
    // A batch of which a compaction has left nothing is passed by.
    next = chunk!.next > next || chunk!.stable <= next ? chunk!.next : next + 1n
  }
  return { progress: progress === undefined ? undefined : read(progress), writtenBefore }
}

const before = ({ offset, low }: Mark, step: bigint): bigint => (offset - step > low ? offset - step : low)
