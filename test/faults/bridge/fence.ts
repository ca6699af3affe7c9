/**
 * Another takes over, and the one before knows nothing of it and writes on: only the topic itself can refuse it. (A lease of half a
 * minute, which its holder looks after every ten seconds, is taken away without a word.)
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
    await rig.database.pool.query('update tillroll.lease set expires_at = clock_timestamp() where name = any($1)', [
      [leaseOf('kafka', rig.topic), leaseOf('postgres', rig.topic)],
    ])
    rig.startWorker()
    await until(() => holder.said().state === 'standby', 30_000)
    if (holder.said().errors > before) refused++
    await holder.kill()
  },
})
