/** Another takes over while the one before is stopped (SIGSTOP); when it wakes it must write nothing any more, and stand by. */
import { until } from '../../support/until.js'
import { pause, runFault } from './rounds.js'

await runFault({
  name: 'a bridge that sleeps through its lease',
  bridges: 2,
  lookEvery: 5,
  round: async (rig, random) => {
    const holder = await rig.holder()
    await pause(random(0, 250))
    process.kill(holder.pid, 'SIGSTOP')
    const other = [...rig.workers].find((worker) => worker !== holder)!
    await until(() => other.said().state === 'running', 30_000)
    await pause(random(0, 200))
    process.kill(holder.pid, 'SIGCONT')
    await until(() => holder.said().state === 'standby', 30_000)
  },
})
