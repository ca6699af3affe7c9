import { Readable } from 'node:stream'
import { Unavailable } from '../platform/errors.js'
import { createNotifier, type Listen } from './engine/notifier.js'

/** A record as it is read: `position` is its place over all partitions, by which a reader of the whole topic goes on. */
export type TopicRecord = {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly key: string
  readonly headers: { readonly [name: string]: string }
  readonly value: unknown
  readonly time: string
  readonly position: string
}

/** Without a partition: of all of them, in the order in which it happened. `after` is a `position`, exclusive. */
export type RecordsFrom = {
  readonly partition?: number
  /** Inclusive, of each partition. Default 0. */
  readonly offset?: number
  readonly after?: bigint
  /** Default 100. */
  readonly limit?: number
}

export type FollowFrom = {
  readonly partition?: number
  /** A record's position, exclusive; left out: from the beginning. What a client sends as Last-Event-ID. */
  readonly after?: bigint
  readonly signal: AbortSignal
}

/** One reader's way through a topic. */
export type Pages = {
  /** What comes next, at most so many; none: there is nothing more now. Where it throws, nothing was passed over. */
  readonly next: (limit: number) => Promise<readonly TopicRecord[]>
}

/** A topic as it is read, whatever keeps it. One that doesn't exist (yet) is empty. */
export type TopicLog = {
  /** Nothing is read yet. */
  readonly open: (from: Omit<RecordsFrom, 'limit'>) => Pages
  readonly listen: Listen
  readonly close: () => Promise<void>
}

/** The topic can't be read at the moment. */
export class TopicUnavailable extends Unavailable {
  override readonly name = 'TopicUnavailable'
  override readonly outside = 'the topic can not be read now; try again in a moment'
}

export type Topic = {
  readonly records: (from: RecordsFrom) => Promise<readonly TopicRecord[]>
  /** What there is, then what comes, until the signal aborts; while the topic is away it waits. Reads no further than it is asked for: a slow reader costs a page of memory. */
  readonly follow: (from: FollowFrom) => AsyncGenerator<TopicRecord>
  /** The same as Server-Sent Events, with a comment every 15 s that keeps the connection. Destroying the stream ends it. */
  readonly events: (from: Omit<FollowFrom, 'signal'>) => Readable
  readonly close: () => Promise<void>
}

const page = 100
const heartbeat = 15_000
const lookAgain = 1_000

/** Reads a topic, page by page or live. */
export const createTopic = (log: TopicLog): Topic => {
  const notifier = createNotifier(log.listen)

  const records: Topic['records'] = async ({ limit = page, ...from }) => log.open(from).next(limit)

  /** `undefined` where nothing came for so many milliseconds, or the topic is away. */
  async function* paced({ signal, ...from }: FollowFrom, idle: number): AsyncGenerator<TopicRecord | undefined> {
    const watching = notifier.begin()
    const pages = log.open(from)
    try {
      while (!signal.aborted) {
        const seen = watching.count()
        const found = await nextOf(pages)
        if (!found) {
          // So that nobody takes the connection for dead, and the reader need not come back.
          yield undefined
          await watching.changed(seen, lookAgain, signal)
          continue
        }
        for (const record of found) {
          if (signal.aborted) return
          yield record
        }
        if (found.length === 0 && !(await watching.changed(seen, idle, signal)) && !signal.aborted) yield undefined
      }
    } finally {
      watching.end()
    }
  }

  async function* follow(from: FollowFrom): AsyncGenerator<TopicRecord> {
    for await (const record of paced(from, heartbeat)) if (record) yield record
  }

  async function* written(from: FollowFrom): AsyncGenerator<string> {
    // At once, so that the client knows that it is connected.
    yield ':\n\n'
    for await (const record of paced(from, heartbeat)) yield record ? eventOf(record) : ':\n\n'
  }

  const events: Topic['events'] = (from) => {
    const ended = new AbortController()
    const lines = written({ ...from, signal: ended.signal })
    return new Readable({
      highWaterMark: 16_384,
      read() {
        lines.next().then(
          ({ done, value }) => this.push(done ? null : value),
          (error: Error) => this.destroy(error),
        )
      },
      // Readable.from would wait for the next record before it lets go.
      destroy(error, done) {
        ended.abort()
        lines.return(undefined).then(() => done(error), done)
      },
    })
  }

  const close = async (): Promise<void> => {
    await notifier.close()
    await log.close()
  }
  return { records, follow, events, close }
}

/** Nothing where the topic is away. */
const nextOf = async (pages: Pages): Promise<readonly TopicRecord[] | undefined> => {
  try {
    return await pages.next(page)
  } catch (error) {
    if (error instanceof TopicUnavailable) return undefined
    throw error
  }
}

const eventOf = (record: TopicRecord): string =>
  `id: ${record.position}\nevent: ${record.headers.ce_type}\ndata: ${JSON.stringify(record)}\n\n`
