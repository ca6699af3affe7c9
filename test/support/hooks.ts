import { stopTestPostgres } from './postgres.js'

/** What runs once, around all test files; `.mocharc.json` requires it. */
export const mochaHooks = {
  async afterAll() {
    await stopTestPostgres()
  },
}
