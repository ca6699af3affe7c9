/**
 * Another takes over, and the one before goes on: it must write nothing any more, and stand by. It was stopped meanwhile (SIGSTOP), and
 * wakes; or it was awake all the time, and its lease was taken without a word.
 */
import { leaseOf } from '../../../src/bridge/service.js'
import { until } from '../../bridge/support/running.js'
import type { Rig, Worker } from './rig.js'
import { pause, type Random, runFault } from './rounds.js'

let woken = 0
let robbed = 0
let refused = 0

const sleeps = async (holder: Worker, other: Worker, random: Random): Promise<void> => {
  process.kill(holder.pid, 'SIGSTOP')
  await until(() => other.said().state === 'running', 30_000)
  await pause(random(0, 200))
  process.kill(holder.pid, 'SIGCONT')
  await until(() => holder.said().state === 'standby', 30_000)
  woken++
}

const loses = async (rig: Rig, holder: Worker, other: Worker): Promise<void> => {
  const before = holder.said().errors
  // Both leases: of the sink that this round is about there is but one.
  const names = [leaseOf('kafka', rig.topic), leaseOf('postgres', rig.topic)]
  await rig.database.pool.query(
    `update tillroll.lease set epoch = epoch + 1, holder = 'thief', expires_at = clock_timestamp() where name = any($1)`,
    [names],
  )
  await until(() => holder.said().state === 'standby' || other.said().state !== 'standby', 30_000)
  robbed++
  await pause(100)
  if (holder.said().errors > before) refused++
}

await runFault({
  name: 'a bridge that goes on after its time',
  bridges: 2,
  lookEvery: 5,
  summary: () =>
    `${woken} slept and woke, ${robbed} lost the lease awake, of whom ${refused} were refused in the middle of a batch`,
  round: async (rig, random) => {
    const holder = await rig.holder()
    await pause(random(0, 250))
    const other = [...rig.workers].find((worker) => worker !== holder)!
    if (random(0, 1) < 0.5) await sleeps(holder, other, random)
    else await loses(rig, holder, other)
  },
})
