import pg from 'pg'
import { sleep } from '../../platform/async.js'
import type { Database } from '../../platform/database.js'
import type { Listen } from '../engine/notifier.js'
import type { TopicLog, TopicRecord } from '../topic.js'
import { channel } from './sink.js'

type Row = {
  partition: number
  offset: number
  key: string
  headers: TopicRecord['headers']
  value: unknown
  time: Date
  position: string
}

/** Reads a topic that is kept in Postgres. */
export const postgresLog = ({ pool, url }: Pick<Database, 'pool' | 'url'>, topic: string): TopicLog => {
  const open: TopicLog['open'] = ({ partition, offset = 0, after: first = -1n }) => {
    // Not the column of the answer, which is text.
    const order = partition === undefined ? 'record.position' : '"offset"'
    let after = first
    const next = async (limit: number): Promise<readonly TopicRecord[]> => {
      const { rows } = await pool.query<Row>(
        `select partition, "offset", key, headers, value, time, position::text from bridge.record
         where topic = $1 and "offset" >= $2 and position > $3 and ($4::int is null or partition = $4)
         order by ${order} limit $5`,
        [topic, offset, `${after}`, partition ?? null, limit],
      )
      const last = rows.at(-1)
      if (last) after = BigInt(last.position)
      return rows.map((row) => ({ topic, ...row, time: row.time.toISOString() }))
    }
    return { next }
  }
  return { open, listen: listenAt(url), close: async () => undefined }
}

/** One connection for all who wait. */
const listenAt =
  (url: string): Listen =>
  async (signal, tell) => {
    const client = new pg.Client({ connectionString: url, keepAlive: true, application_name: 'tillroll topic' })
    const over = new AbortController()
    const end = () => over.abort()
    signal.addEventListener('abort', end, { once: true })
    client.on('notification', tell)
    client.on('error', end)
    client.on('end', end)
    const listening = client.connect().then(async () => {
      await client.query(`listen ${channel}`)
      tell()
      await sleep(2 ** 31 - 1, over.signal)
    })
    // What went wrong is of no interest: the caller looks by himself, and tries again.
    await Promise.allSettled([listening])
    signal.removeEventListener('abort', end)
    await Promise.allSettled([client.end()])
  }
