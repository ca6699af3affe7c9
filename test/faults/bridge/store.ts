/** The event store is killed and started again while the bridge follows it. */
import { pause, runFault } from './rounds.js'

await runFault({
  name: 'SIGKILL of the event store',
  bridges: 2,
  lookEvery: 3,
  round: async (rig, random) => {
    await rig.holder()
    await pause(random(100, 600))
    await rig.restartStore()
  },
})
