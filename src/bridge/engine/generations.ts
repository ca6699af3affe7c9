import type { Database } from '../../platform/database.js'
import { BridgeStopped, type Sink } from './sink.js'

/**
 * A topic of its own for every time that the history was published from its beginning: `orders`, `orders.v2` ... `replaying`: being
 * filled; `complete`: filled, and nobody goes on; `live`: the bridge goes on; `ended`: it has been told to stop.
 */
export type TopicGeneration = {
  readonly sink: Sink['kind']
  readonly name: string
  /** As many as it began with: with another number, an order's records would go on in another partition. */
  readonly partitions: number
  readonly state: 'replaying' | 'complete' | 'live' | 'ended'
  readonly replay: { readonly from?: string; readonly target?: string } | null
  /** The commit position from which on its records were written as they happened. */
  readonly liveFrom: bigint | undefined
  /** What its writer last said. */
  readonly report: Report | null
  readonly reportedAt: Date | null
}

export type Report = {
  readonly state: string
  readonly holder: string
  readonly position: string | null
  readonly head: string | null
  readonly lagMs: number | null
  readonly records: number
  readonly lastError: { readonly message: string; readonly at: string } | null
}

type Row = {
  sink: Sink['kind']
  name: string
  partitions: number
  state: TopicGeneration['state']
  replay: TopicGeneration['replay']
  live_from: string | null
  report: Report | null
  reported_at: Date | null
}

const columns = 'sink, name, partitions, state, replay, live_from::text, report, reported_at'

const generationOf = ({ live_from, reported_at, ...row }: Row): TopicGeneration => ({
  ...row,
  liveFrom: live_from === null ? undefined : BigInt(live_from),
  reportedAt: reported_at,
})

export type Generations = ReturnType<typeof createGenerations>

/** The list of generations, in Postgres for either sink. */
export const createGenerations = ({ pool }: Pick<Database, 'pool'>, sink: Sink['kind']) => {
  const find = async (name: string): Promise<TopicGeneration | undefined> => {
    const { rows } = await pool.query<Row>(`select ${columns} from bridge.topic where sink = $1 and name = $2`, [sink, name])
    return rows[0] && generationOf(rows[0])
  }

  /** The topic as it began, which is now where there was none. */
  const begin = async (
    name: string,
    partitions: number,
    state: 'live' | 'replaying' = 'live',
    replay: TopicGeneration['replay'] = null,
  ): Promise<TopicGeneration> => {
    await pool.query(
      `with begun as (
         insert into bridge.topic (sink, name, partitions, state, replay) values ($1, $2, $3, $4, $5)
         on conflict do nothing returning *),
       kept as (
         insert into bridge.partition (topic, partition)
         select name, generate_series(0, partitions - 1) from begun where sink = 'postgres')
       insert into bridge.progress (topic, epoch, moved_at)
       select name, 0, clock_timestamp() from begun where sink = 'postgres'`,
      [sink, name, partitions, state, replay && JSON.stringify(replay)],
    )
    return (await find(name))!
  }

  const list = async (): Promise<readonly TopicGeneration[]> => {
    const { rows } = await pool.query<Row>(`select ${columns} from bridge.topic where sink = $1 order by created_at, name`, [
      sink,
    ])
    return rows.map(generationOf)
  }

  /** Throws `BridgeStopped` where the generation isn't in one of the states that it may be moved from. */
  const move = async (
    name: string,
    from: readonly TopicGeneration['state'][],
    to: TopicGeneration['state'],
    liveFrom?: bigint,
  ): Promise<void> => {
    const { rowCount } = await pool.query(
      `update bridge.topic set state = $4, live_from = coalesce($5, live_from) where sink = $1 and name = $2 and state = any($3)`,
      [sink, name, from, to, liveFrom?.toString() ?? null],
    )
    if (rowCount !== 1) throw new BridgeStopped(`${name} can't become ${to}: it is ${(await find(name))?.state ?? 'not there'}`)
  }

  const report = async (name: string, said: Report): Promise<void> => {
    await pool.query(`update bridge.topic set report = $3, reported_at = clock_timestamp() where sink = $1 and name = $2`, [
      sink,
      name,
      JSON.stringify(said),
    ])
  }

  return { sink, find, begin, list, move, report }
}
