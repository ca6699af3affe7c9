import { closeShared } from './closing.js'
import { startTestPostgres } from './postgres.js'
import { build } from './spawn-shop.js'

let stopPostgres: () => Promise<void>

/** Around the whole run, in the process that starts the others; `.mocharc.json` requires this file. */
export const mochaGlobalSetup = async () => {
  build()
  stopPostgres = await startTestPostgres()
}

export const mochaGlobalTeardown = () => stopPostgres()

/** In each process, after what it was given: all files, or one of those that run at once. */
export const mochaHooks = { afterAll: closeShared }
