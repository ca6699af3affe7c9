import { closeShared } from './closing.js'
import { stopTestPostgres } from './postgres.js'

/** What runs once, around all test files; `.mocharc.json` requires it. */
export const mochaHooks = {
  async afterAll() {
    await closeShared()
    await stopTestPostgres()
  },
}
