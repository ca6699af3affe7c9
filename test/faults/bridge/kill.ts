/** The bridge is killed at random moments, in the middle of whatever it does; another takes over. */
import { pause, runFault } from './rounds.js'

await runFault({
  name: 'SIGKILL of the bridge',
  bridges: 2,
  round: async (rig, random) => {
    const holder = await rig.holder()
    await pause(random(0, 250))
    await holder.kill()
    rig.startWorker()
  },
})
