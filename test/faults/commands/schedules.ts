/**
 * The commands of several processes over one store, in an order that chance decides call by call: answers get lost, appends land after they
 * were given up, processes sleep and die in the middle of anything, deadlines pass, recovery comes at any moment. After every append the
 * invariants are looked at. Time is virtual and nothing leaves the process, so that a second holds hundreds of runs and a seed is the
 * same run again; with ROUNDS=1 its whole course is told. SEED, ROUNDS, SECONDS.
 */
import { runRounds } from '../eventstore/rounds.js'
import { playEmails } from './emails.js'
import { playShop } from './shop.js'
import { createWorld, type World } from './world.js'

const answers = new Map<string, number>()
let rounds = 0

const play = async (seed: number, schedule: (world: World) => Promise<void>): Promise<readonly string[]> => {
  const world = createWorld(seed, answers)
  await schedule(world).catch((error: Error) => world.wrong(error.stack ?? error.message))
  if (world.wrongs.length > 0 && process.env.ROUNDS === '1') console.log(world.trace.join('\n'))
  return world.wrongs
}

await runRounds('schedules', async (seed) => {
  rounds++
  return [...(await play(seed, playShop)), ...(await play(seed, playEmails))]
})

/** Schedules in which nothing happens prove nothing. */
const missing = ['done', 'StockShort', 'EmailTaken', 'Unfinished'].filter((reason) => !answers.has(reason))
if (rounds >= 200 && missing.length > 0) throw new Error(`${rounds} rounds without a single ${missing.join(', ')}`)
