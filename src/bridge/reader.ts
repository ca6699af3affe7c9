import { Readable } from 'node:stream'
import type { Database } from '../platform/database.js'
import { createWatch } from './watch.js'

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

export type TopicPartition = { readonly partition: number; readonly nextOffset: number }

export type FollowFrom = {
  readonly partition?: number
  /** A record's position, exclusive; left out: from the beginning. What a client sends as Last-Event-ID. */
  readonly after?: bigint
  readonly signal: AbortSignal
}

export type Topic = {
  readonly records: (from: RecordsFrom) => Promise<readonly TopicRecord[]>
  /** Empty where the topic doesn't exist (yet). */
  readonly partitions: () => Promise<readonly TopicPartition[]>
  /** What there is, then what comes, until the signal aborts. Reads no further than it is asked for: a slow reader costs a page of memory. */
  readonly follow: (from: FollowFrom) => AsyncGenerator<TopicRecord>
  /** The same as Server-Sent Events, with a comment every 15 s that keeps the connection. Destroying the stream ends it. */
  readonly events: (from: Omit<FollowFrom, 'signal'>) => Readable
  readonly close: () => Promise<void>
}

type Row = {
  partition: number
  offset: number
  key: string
  headers: TopicRecord['headers']
  value: unknown
  time: Date
  position: string
}

const page = 100
const heartbeat = 15_000

/** Reads a topic that is kept in Postgres. */
export const createTopic = (database: Pick<Database, 'pool' | 'url'>, name = 'orders'): Topic => {
  const watch = createWatch(database)

  const records: Topic['records'] = async ({ partition, offset = 0, after = -1n, limit = page }) => {
    const order = partition === undefined ? 'position' : '"offset"'
    const { rows } = await database.pool.query<Row>(
      `select partition, "offset", key, headers, value, time, position::text from bridge.record
       where topic = $1 and "offset" >= $2 and position > $3 and ($4::int is null or partition = $4)
       order by ${order} limit $5`,
      [name, offset, `${after}`, partition ?? null, limit],
    )
    return rows.map((row) => ({ topic: name, ...row, time: row.time.toISOString() }))
  }

  const partitions: Topic['partitions'] = async () => {
    const { rows } = await database.pool.query<{ partition: number; next_offset: number }>(
      'select partition, next_offset from bridge.partition where topic = $1 order by partition',
      [name],
    )
    return rows.map(({ partition, next_offset }) => ({ partition, nextOffset: next_offset }))
  }

  /** `undefined` where nothing came for so many milliseconds. */
  async function* paced({ partition, after = -1n, signal }: FollowFrom, idle: number): AsyncGenerator<TopicRecord | undefined> {
    const watching = watch.begin()
    let cursor = after
    try {
      while (!signal.aborted) {
        const seen = watching.count()
        const found = await records({ ...(partition !== undefined && { partition }), after: cursor })
        for (const record of found) {
          if (signal.aborted) return
          yield record
          cursor = BigInt(record.position)
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

  return { records, partitions, follow, events, close: watch.close }
}

const eventOf = (record: TopicRecord): string =>
  `id: ${record.position}\nevent: ${record.headers.ce_type}\ndata: ${JSON.stringify(record)}\n\n`
