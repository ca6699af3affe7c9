import type pg from 'pg'
import { transaction } from '../engine/batch.js'
import type { Table } from '../engine/tables.js'

/** A row that two generations don't have alike; `undefined` where one of them has none. */
export type Difference = {
  readonly streamId: string
  readonly live: Record<string, unknown> | undefined
  readonly built: Record<string, unknown> | undefined
  /** The columns that differ, where both have a row. */
  readonly columns: readonly string[]
}

export type Comparison = { readonly rows: number; readonly differing: number; readonly differences: readonly Difference[] }

/** All rows of two generations that are fed alike, in one snapshot; of the differences, the first `show`. */
export const compare = async (client: pg.ClientBase, live: Table, built: Table, show = 20): Promise<Comparison> =>
  transaction(client, async () => {
    await client.query('set transaction isolation level repeatable read, read only')
    const { rows: counts } = await client.query<{ count: number }>(`select count(*)::int8 as count from ${built.name}`)
    const { rows } = await client.query<{ stream_id: string; live: Row | null; built: Row | null; differing: number }>(
      `select stream_id, to_jsonb(a) as live, to_jsonb(b) as built, count(*) over () as differing
       from ${live.name} a full join ${built.name} b using (stream_id) where a is distinct from b order by stream_id limit ${show}`,
    )
    return {
      rows: Number(counts[0]!.count),
      differing: rows[0]?.differing ?? 0,
      differences: rows.map(({ stream_id, live, built }) => ({
        streamId: stream_id,
        live: live ?? undefined,
        built: built ?? undefined,
        columns: live && built ? Object.keys(built).filter((name) => !same(live[name], built[name])) : [],
      })),
    }
  })

type Row = Record<string, unknown>

// Both were spelt by the same database, keys in its order.
const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)
