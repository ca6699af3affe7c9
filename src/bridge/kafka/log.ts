import type { Kafka } from 'kafkajs'
import { pauseAfter, sleep } from '../../platform/async.js'
import type { Listen } from '../engine/notifier.js'
import { type TopicLog, TopicUnavailable } from '../topic.js'
import { type Connected, connectTopic } from './fetch.js'
import { isAbsent, isOutOfRange, pagesOf, type Using } from './pages.js'
import { type KafkaSettings, kafkaClient } from './settings.js'

/** Reads a topic that is kept in Kafka: what is committed. Connects when it is first read. `patience`: milliseconds within which a page comes, or an error. */
export const kafkaLog = (settings: KafkaSettings, topic: string, patience = 4_000): TopicLog => {
  const kafka = kafkaClient(settings, { retries: 1 })
  const { using, close } = createConnection(kafka, topic, patience)
  return { open: (from) => pagesOf(using, topic, from), listen: listenTo(kafka, topic), close }
}

/** One for all who read, made anew after an error: whoever met it tries again. Throws `TopicUnavailable`, or what `isAbsent` or `isOutOfRange` is true of. */
const createConnection = (kafka: Kafka, topic: string, patience: number) => {
  let current: Promise<Connected> | undefined
  let over = false
  const open = new Set<Connected>()

  const shut = async (connected: Connected): Promise<void> => {
    await connected.close().catch(() => undefined)
    open.delete(connected)
  }
  const connect = async (): Promise<Connected> => {
    const connected = await connectTopic(kafka, topic)
    open.add(connected)
    if (over) await shut(connected)
    return connected
  }
  const drop = (one: Promise<Connected>): void => {
    if (current !== one) return
    current = undefined
    one.then(shut, () => undefined)
  }

  const using: Using = async (work) => {
    const end = performance.now() + patience
    for (let failures = 0; ; failures++) {
      current ??= connect()
      const mine = current
      try {
        return await within(end - performance.now(), mine.then(work))
      } catch (error) {
        if (isOutOfRange(error)) throw error
        drop(mine)
        if (isAbsent(error)) throw error
        const wait = pauseAfter(failures, { first: 20, most: patience })
        if (performance.now() + wait > end) {
          throw new TopicUnavailable(`${topic} can't be read: ${error instanceof Error ? error.message : error}`, {
            cause: error,
          })
        }
        await sleep(wait)
      }
    }
  }

  /** Doesn't wait for what is still connecting: that takes as long as a broker is silent. */
  const close = async (): Promise<void> => {
    over = true
    await Promise.all([...open].map(shut))
  }
  return { using, close }
}

const within = async <T>(milliseconds: number, work: Promise<T>): Promise<T> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('no answer in time')), Math.max(0, milliseconds))
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Connections of its own: a request that the broker lets wait holds up those behind it. */
const listenTo =
  (kafka: Kafka, topic: string): Listen =>
  async (signal, tell) => {
    const connected = await connectTopic(kafka, topic).catch(() => undefined)
    if (!connected) return
    try {
      const ends = new Map((await connected.extents()).map(({ partition, stable }) => [partition, stable]))
      tell()
      const hearing = connected.byLeader.map(async (own) => {
        while (!signal.aborted) {
          const places = own.map((partition) => ({ partition, offset: ends.get(partition)! }))
          const chunks = await connected.fetch(places, { wait: 500, bytes: 1 })
          const moved = chunks.filter(({ partition, stable }) => stable > ends.get(partition)!)
          for (const { partition, stable } of moved) ends.set(partition, stable)
          if (moved.length > 0) tell()
        }
      })
      await Promise.all(hearing)
    } catch {
      // Whoever waits looks by himself, and is told what is wrong.
    } finally {
      await Promise.allSettled([connected.close()])
    }
  }
