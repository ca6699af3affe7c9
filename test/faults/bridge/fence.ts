/**
 * Another takes over, and the one before knows nothing of it and writes on: only the topic itself can refuse it. (A lease of half a
 * minute, which its holder looks after every ten seconds, is taken away without a word, and again where he renewed it before another
 * had come.)
 */
import { leaseOf } from '../../../src/bridge/service.js'
import { until } from '../../support/until.js'
import { pause, runFault } from './rounds.js'

let refused = 0

await runFault({
  name: 'a bridge that does not know that its time is over',
  bridges: 1,
  leaseTtl: 30_000,
  lookEvery: 5,
  summary: () => `${refused} were refused`,
  round: async (rig, random) => {
    const holder = await rig.holder()
    await until(() => holder.said().state === 'running')
    await pause(random(0, 250))
    const before = holder.said().errors
    const { rows } = await rig.database.pool.query('select name, epoch from tillroll.lease where name = any($1)', [
      [leaseOf('kafka', rig.topic), leaseOf('postgres', rig.topic)],
    ])
    const { name, epoch } = rows[0]
    rig.startWorker()
    await until(async () => {
      const takenAway = await rig.database.pool.query(
        'update tillroll.lease set expires_at = clock_timestamp() where name = $1 and epoch = $2',
        [name, epoch],
      )
      return takenAway.rowCount === 0
    }, 30_000)
    await until(() => holder.said().state === 'standby', 30_000)
    if (holder.said().errors > before) refused++
    await holder.kill()
  },
})
