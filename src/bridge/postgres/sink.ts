import type pg from 'pg'
import type { Database } from '../../platform/database.js'
import { checkEpoch } from '../../platform/lease.js'
import type { Generations } from '../engine/generations.js'
import { partitionOf } from '../engine/partition.js'
import { BridgeStopped, type Sink, type SinkSession, TopicFenced, type TopicProgress } from '../engine/sink.js'
import type { PublicRecord } from '../public-record.js'

/** The channel on which a topic's new records are told; the payload is the topic's name. */
export const channel = 'tillroll_topic'

export type TopicSinkOptions = {
  readonly database: Database
  readonly generations: Generations
  readonly topic: string
  /** Whose epoch every transaction checks. */
  readonly lease: { readonly name: string; readonly ttl: number }
}

/** The topic in Postgres: partitions, offsets, keys and headers as a broker would keep them. The generation must have begun. */
export const createTopicSink = ({ database, generations, topic, lease }: TopicSinkOptions): Sink => {
  const inTransaction = async <T>(epoch: number, work: (client: pg.PoolClient) => Promise<T>): Promise<T> => {
    const client = await database.pool.connect()
    let broken: Error | undefined
    // The server may end a transaction that says nothing for too long, also between two statements.
    const lost = (error: Error) => {
      broken = error
    }
    client.on('error', lost)
    try {
      await client.query('begin')
      await checkEpoch(client, lease.name, epoch, lease.ttl)
      const result = await work(client)
      await client.query('commit')
      return result
    } catch (error) {
      // Closing the connection undoes the transaction, and asks nothing of a server that may be away.
      broken = error instanceof Error ? error : new Error(String(error))
      throw error
    } finally {
      client.off('error', lost)
      client.release(broken)
    }
  }

  const open: Sink['open'] = async (epoch) => {
    const generation = await generations.find(topic)
    if (!generation) throw new BridgeStopped(`the topic ${topic} was never begun`)
    let progress = await inTransaction(epoch, (client) => lockProgress(client, topic))
    const write: SinkSession['write'] = async (records, next) => {
      await inTransaction(epoch, async (client) => {
        await moveProgress(client, topic, epoch, progress, next)
        if (records.length > 0) await insert(client, topic, generation.partitions, records)
      })
      progress = next
    }
    return {
      get progress() {
        return progress
      },
      write,
      close: async () => undefined,
    }
  }

  return { kind: 'postgres', topic, batchBytes: 4_000_000, open }
}

type StoredProgress = { store_id: string | null; commit: string; prepare: string; event_id: string }

/** Waits for a transaction of our own whose answer was lost: it may still be at work. */
const lockProgress = async (client: pg.PoolClient, topic: string): Promise<TopicProgress | undefined> => {
  const { rows } = await client.query<StoredProgress>(
    `select store_id, commit_position::text as commit, prepare_position::text as prepare, event_id
     from bridge.progress where topic = $1 for update`,
    [topic],
  )
  const [row] = rows
  if (!row) throw new BridgeStopped(`the progress of the topic ${topic} is gone`)
  if (row.store_id === null) return undefined
  return { storeId: row.store_id, at: { commit: BigInt(row.commit), prepare: BigInt(row.prepare), eventId: row.event_id } }
}

/** Only from where this session knows it to be. */
const moveProgress = async (
  client: pg.PoolClient,
  topic: string,
  epoch: number,
  from: TopicProgress | undefined,
  { storeId, at }: TopicProgress,
): Promise<void> => {
  const { rowCount } = await client.query({
    name: 'move progress',
    text: `update bridge.progress
     set store_id = $2, commit_position = $3, prepare_position = $4, event_id = $5, epoch = $6, moved_at = clock_timestamp()
     where topic = $1 and commit_position is not distinct from $7::bigint and epoch <= $6`,
    values: [topic, storeId, `${at.commit}`, `${at.prepare}`, at.eventId, epoch, from ? `${from.at.commit}` : null],
  })
  if (rowCount !== 1) throw new TopicFenced(`the topic ${topic} is not at ${from?.at.commit ?? 'its beginning'} any more`)
}

const insert = async (
  client: pg.PoolClient,
  topic: string,
  partitions: number,
  records: readonly PublicRecord[],
): Promise<void> => {
  const counts = new Map<number, number>()
  const rows = records.map(({ key, headers, value, time, position }) => {
    const partition = partitionOf(key, partitions)
    const ordinal = counts.get(partition) ?? 0
    counts.set(partition, ordinal + 1)
    return [partition, ordinal, key, JSON.stringify(headers), value, time.toISOString(), `${position}`] as const
  })
  const column = (at: number) => rows.map((row) => row[at])
  await client.query({
    name: 'write records',
    text: `with moved as (
       update bridge.partition p set next_offset = p.next_offset + c.records
       from unnest($2::int[], $3::int[]) as c (partition, records)
       where p.topic = $1 and p.partition = c.partition
       returning p.partition, p.next_offset - c.records as base),
     written as (
       insert into bridge.record (topic, partition, "offset", key, headers, value, time, position)
       select $1, i.partition, m.base + i.ordinal, i.key, i.headers::jsonb, i.value::json, i.time, i.position
       from unnest($4::int[], $5::int[], $6::text[], $7::text[], $8::text[], $9::timestamptz[], $10::bigint[])
         as i (partition, ordinal, key, headers, value, time, position)
       join moved m on m.partition = i.partition)
     select pg_notify('${channel}', $1)`,
    values: [
      topic,
      [...counts.keys()],
      [...counts.values()],
      column(0),
      column(1),
      column(2),
      column(3),
      column(4),
      column(5),
      column(6),
    ],
  })
}
