import { transaction } from '../engine/batch.js'
import { type Client, changeCheckpoint } from '../engine/checkpoint.js'
import { dropGeneration } from '../engine/generations.js'
import type { AnyProjection } from '../projection.js'

/**
 * Forgets the read models, so that the next runner builds them from the event store that there is. What else depends on the views that
 * are named after them makes this fail, and nothing is changed.
 */
export const startOver = (client: Client, projections: readonly AnyProjection[]): Promise<void> =>
  transaction(client, async () => {
    await client.query(`select from tillroll.checkpoint where name = 'projections' for update`)
    await changeCheckpoint(client, {})
    for (const projection of projections) {
      await client.query(`drop view if exists tillroll.${projection.name}`)
      const { rows } = await client.query<{ generation: number }>(
        'select generation from tillroll.generation where projection = $1',
        [projection.name],
      )
      for (const { generation } of rows) await dropGeneration(client, projection, generation)
    }
    await client.query(`delete from tillroll.checkpoint where name = 'projections'`)
  })
