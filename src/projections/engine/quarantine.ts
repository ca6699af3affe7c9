import type { Client } from './checkpoint.js'
import type { Failure } from './fold.js'

/** A stream that one generation of a projection has given up on; its row stands as it was before. */
export type Parked = {
  readonly projection: string
  readonly generation: number
  readonly streamId: string
  readonly error: string
  readonly eventId: string
  readonly eventType: string
  readonly revision: number
  readonly position: bigint
  readonly attempts: number
  readonly firstAt: Date
  readonly lastAt: Date
}

export const park = async (
  client: Client,
  projection: string,
  generation: number,
  failures: readonly Failure[],
): Promise<void> => {
  for (const { streamId, event, error } of failures) {
    await client.query(
      `insert into tillroll.quarantine (projection, generation, stream_id, error, event_id, event_type, revision, position)
       values ($1, $2, $3, $4, $5, $6, $7, $8)
       on conflict (projection, generation, stream_id) do update
       set error = excluded.error, event_id = excluded.event_id, event_type = excluded.event_type, revision = excluded.revision,
           position = excluded.position, attempts = tillroll.quarantine.attempts + 1, last_at = now()`,
      // What is refused may be the very characters that this table would refuse too.
      [
        projection,
        generation,
        nameOf(streamId),
        printable(error),
        event.id,
        printable(event.type),
        event.revision,
        event.position.toString(),
      ],
    )
  }
}

/** An index takes no more; no stream of the shop's own is called anything like it. */
const nameOf = (streamId: string): string => printable(streamId).slice(0, 500)

const printable = (text: string): string => Buffer.from(text.replaceAll('\0', '\\0')).toString().slice(0, 2_000)

export const unpark = async (client: Client, projection: string, generation: number, streamId: string): Promise<void> => {
  await client.query('delete from tillroll.quarantine where projection = $1 and generation = $2 and stream_id = $3', [
    projection,
    generation,
    streamId,
  ])
}

/** The streams that are parked, by `key` of their generation. */
export const parkedStreams = async (client: Client): Promise<ReadonlyMap<string, ReadonlySet<string>>> => {
  const { rows } = await client.query<{ projection: string; generation: number; streams: string[] }>(
    'select projection, generation, array_agg(stream_id) as streams from tillroll.quarantine group by 1, 2',
  )
  return new Map(rows.map(({ projection, generation, streams }) => [key(projection, generation), new Set(streams)]))
}

export const key = (projection: string, generation: number): string => `${projection}_${generation}`

/** All that is parked, the live generations' and others', the oldest first. */
export const listParked = async (client: Client): Promise<readonly Parked[]> => {
  const { rows } = await client.query(
    `select projection, generation, stream_id as "streamId", error, event_id as "eventId", event_type as "eventType",
       revision::int as revision, position::text as position, attempts, first_at as "firstAt", last_at as "lastAt"
     from tillroll.quarantine order by first_at, stream_id`,
  )
  return rows.map((row) => ({ ...row, position: BigInt(row.position) }))
}
