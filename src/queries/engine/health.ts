import type { Feed } from '../../eventstore/feed.js'
import type { Database } from '../../platform/database.js'
import { readCheckpoint } from '../../projections/engine/checkpoint.js'
import { fedOf } from '../../projections/engine/generations.js'
import type { AnyProjection } from '../../projections/projection.js'
import type { Freshness } from './freshness.js'

export type ProjectionHealth = {
  readonly ready: boolean
  /** Whether they have shown once all that the store held when this process came to know its end. */
  readonly caughtUp: boolean
  /** Milliseconds for which events have waited without any progress; 0: none waits. */
  readonly waiting: number
  /** Projections that have no live table of this release's shape. */
  readonly building: readonly string[]
  /** Streams in quarantine. They alone are not brought up to date, so the shop stays ready. */
  readonly parked: number
}

export type HealthOptions = {
  readonly database: Pick<Database, 'pool'>
  readonly feed: Pick<Feed, 'head'>
  readonly freshness: Pick<Freshness, 'position'>
  readonly projections: readonly AnyProjection[]
  /** Milliseconds without progress after which waiting events count as a stall. */
  readonly stalledAfter?: number
  readonly lookEvery?: number
  /** Milliseconds, from anywhere on. */
  readonly clock?: () => number
}

/** Watches whether the read models follow the history. `health` throws where the database doesn't answer. */
export const createProjectionHealth = ({
  database,
  feed,
  freshness,
  projections,
  stalledAfter = 10_000,
  lookEvery = 200,
  clock = () => performance.now(),
}: HealthOptions) => {
  let position = freshness.position()
  let waitingSince: number | undefined
  // What was acknowledged before a crash must be readable before anybody is sent here.
  let endAtStart: bigint | undefined
  let caughtUp = false

  const look = (): void => {
    const now = freshness.position()
    const head = feed.head()?.commit
    endAtStart ??= head
    caughtUp ||= endAtStart !== undefined && now >= endAtStart
    const behind = (head ?? -1n) > now
    if (!behind) waitingSince = undefined
    else if (now !== position) waitingSince = clock()
    else waitingSince ??= clock()
    position = now
  }
  const timer = setInterval(look, lookEvery).unref()

  const health = async (): Promise<ProjectionHealth> => {
    look()
    const waiting = waitingSince === undefined ? 0 : Math.round(clock() - waitingSince)
    const checkpoint = await readCheckpoint(database.pool)
    const building = projections
      .filter((projection) => !checkpoint || fedOf(checkpoint, projection).live?.version !== projection.version)
      .map(({ name }) => name)
    const { rows } = await database.pool.query<{ parked: number }>('select count(*)::int as parked from tillroll.quarantine')
    const ready = caughtUp && waiting < stalledAfter && building.length === 0
    return { ready, caughtUp, waiting, building, parked: rows[0]!.parked }
  }

  return { health, close: () => clearInterval(timer) }
}
