import { setTimeout as sleep } from 'node:timers/promises'
import type { Consumer, Kafka } from 'kafkajs'
import { z } from 'zod'
import type { Progress } from './sink.js'

/** A compacted topic of one partition beside each topic: who writes it, and how far he came. */
export const progressTopic = (topic: string): string => `${topic}.progress`

export const keys = { progress: 'progress', writer: 'writer' } as const

const stored = z.object({ storeId: z.string(), commit: z.string(), prepare: z.string(), eventId: z.string() })

export const written = ({ storeId, at }: Progress): string =>
  JSON.stringify({ storeId, commit: `${at.commit}`, prepare: `${at.prepare}`, eventId: at.eventId } satisfies z.infer<
    typeof stored
  >)

const read = (value: string): Progress => {
  const { storeId, commit, prepare, eventId } = stored.parse(JSON.parse(value))
  return { storeId, at: { commit: BigInt(commit), prepare: BigInt(prepare), eventId } }
}

/** Where the writer's own mark stands, and the oldest offset that there is. */
export type Mark = { readonly id: string; readonly offset: bigint; readonly low: bigint }

export type Found = {
  readonly progress: Progress | undefined
  /** Whether anybody has written here before. */
  readonly writtenBefore: boolean
}

/** Milliseconds for the whole of it. */
const patience = 30_000

/**
 * The last committed progress before the mark, which is known to be there: so it is known when everything before it was read, which a
 * consumer doesn't say by itself where the end of a log is control records. `left`: the consumer has left its group, which takes a moment.
 */
export const readProgress = async (
  kafka: Kafka,
  topic: string,
  mark: Mark,
  signal: AbortSignal,
): Promise<Found & { readonly left: Promise<unknown> }> => {
  // A group of its own, for one that is joined again waits for members that were killed.
  const consumer = kafka.consumer({
    groupId: `tillroll-bridge-${topic}-${mark.id}`,
    maxWaitTimeInMs: 50,
    allowAutoTopicCreation: false,
  })
  try {
    await consumer.connect()
    await consumer.subscribe({ topic: progressTopic(topic), fromBeginning: false })
    const found = await scan(consumer, topic, mark, signal)
    return { ...found, left: Promise.allSettled([consumer.disconnect()]) }
  } catch (error) {
    await Promise.allSettled([consumer.disconnect()])
    throw error
  }
}

const scan = (consumer: Consumer, topic: string, mark: Mark, signal: AbortSignal): Promise<Found> => {
  const over = new AbortController()
  return new Promise<Found>((resolve, reject) => {
    let progress: string | undefined
    let writtenBefore = false
    let step = 32n
    let from = before(mark, step)
    const seek = () => consumer.seek({ topic: progressTopic(topic), partition: 0, offset: `${from}` })
    const reached = () => {
      if (progress !== undefined || from === mark.low)
        return resolve({ progress: progress === undefined ? undefined : read(progress), writtenBefore })
      step *= 16n
      from = before(mark, step)
      seek()
    }
    consumer.on('consumer.crash', ({ payload }) => reject(payload.error))
    const stopped = AbortSignal.any([signal, over.signal])
    sleep(patience, undefined, { signal: stopped }).then(
      () => reject(new Error(`the progress of the topic ${topic} could not be read within ${patience} ms`)),
      () => reject(new Error(`reading the progress of the topic ${topic} was given up`)),
    )
    const eachMessage = async ({
      message: { offset, key, value },
    }: {
      message: { offset: string; key: Buffer | null; value: Buffer | null }
    }) => {
      if (BigInt(offset) < from) return
      if (`${key}` === keys.progress && value) progress = `${value}`
      if (`${key}` !== keys.writer) return
      if (BigInt(offset) === mark.offset) reached()
      else writtenBefore = true
    }
    consumer.run({ autoCommit: false, eachMessage }).then(seek).catch(reject)
  }).finally(() => over.abort())
}

const before = ({ offset, low }: Mark, step: bigint): bigint => (offset - step > low ? offset - step : low)
