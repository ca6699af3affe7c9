import type { Position, Store } from '../../eventstore/store.js'
import type { Database } from '../../platform/database.js'
import { isMissingTable } from '../../platform/sqlstate.js'
import { projections } from '../../projections/all.js'

/** Commit positions of some events, of whatever streams, in their order: a store is read from events alone, and asked of no other place. */
export type SomePositions = () => Promise<readonly bigint[]>

/** So many are asked of each read model. */
const samples = 1_000

/** Those that the rows of the read models stand at, spread over the whole history. None where there are no read models yet. */
export const positionsOfRows =
  ({ pool }: Pick<Database, 'pool'>): SomePositions =>
  async () => {
    const positions: bigint[] = []
    for (const { name } of projections) {
      const sampled = `select min(position)::text as position from tillroll.${name}
        group by floor(position * ${samples}.0 / (select max(position) + 1 from tillroll.${name}))`
      const { rows } = await pool.query<{ position: string }>(sampled).catch((error: unknown) => {
        if (isMissingTable(error)) return { rows: [] }
        throw error
      })
      for (const { position } of rows) positions.push(BigInt(position))
    }
    return [...new Set(positions)].sort((a, b) => (a < b ? -1 : 1))
  }

/** Milliseconds by which an event may say that it happened later than the store wrote it: the clocks of machines differ. */
const skew = 3_600_000

/**
 * An event beyond the position `after` (left out: any) from which all that happened at the time (milliseconds since 1970) or later is still to come;
 * `undefined` where none is known. Found by halving, for a store writes its own times in order. Throws `StoreUnavailable`.
 */
export const lastBefore = async (
  store: Pick<Store, 'eventAt'>,
  somePositions: SomePositions,
  time: number,
  after = -1n,
): Promise<Position | undefined> => {
  const candidates = (await somePositions()).filter((position) => position > after)
  let found: Position | undefined
  let [low, high] = [0, candidates.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    const position = { commit: candidates[middle]!, prepare: candidates[middle]! }
    const event = await store.eventAt(position)
    if (!event) {
      // It was removed since, or the row is of another state of the store.
      candidates.splice(middle, 1)
      high--
    } else if (event.created.getTime() < time - skew) {
      found = position
      low = middle + 1
    } else high = middle
  }
  return found
}
