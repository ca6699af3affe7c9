import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from '../../src/connect.js'
import { normaliseEmail } from '../../src/domain/email.js'
import type { Role } from '../../src/domain/user.js'
import type { Store } from '../../src/eventstore/store.js'
import { type App, startApp } from '../../src/main.js'
import { readConfig } from '../../src/platform/config.js'
import { createLog } from '../../src/platform/log.js'
import type { ProcessRole } from '../../src/platform/process-role.js'
import { startEventStore } from './eventstore.js'
import { createDatabase } from './postgres.js'

export type TestApp = App & {
  /** `http://127.0.0.1:port`. */
  readonly url: string
  readonly store: Store
  readonly grant: (email: string, role: Role) => Promise<void>
  /** Another process's worth of the app on the same stores and secrets, in this process. Stop it before this one. */
  readonly another: (role?: ProcessRole, env?: NodeJS.ProcessEnv) => Promise<TestApp>
}

// Waits in tenths of what they are in a shop; nothing that a test doesn't ask for slows it down.
const settings = {
  PORT: '0',
  LOG_LEVEL: process.env.LOG_LEVEL ?? 'silent',
  BCRYPT_COST: '4',
  RATE_LIMIT: '0',
  LOGIN_RATE_LIMIT: '0',
  COMMAND_DEADLINE: '2000',
  RECOVERY_DELAY: '4000',
  TOPIC_PARTITIONS: '4',
}

/** The whole app in this process, on stores of its own. `env`: settings beyond ours. `stop` ends the stores too. */
export const startTestApp = async (env: NodeJS.ProcessEnv = {}, role: ProcessRole = 'all'): Promise<TestApp> => {
  const data = await mkdtemp(join(tmpdir(), 'tillroll-app-'))
  const [eventstore, database] = await Promise.all([startEventStore(), createDatabase()])
  const stores = { TILLROLL_DATA: data, EVENTSTORE_URL: eventstore.url, DATABASE_URL: database.url }
  return startAppOn({ ...stores, ...env }, { role }, async () => {
    await eventstore.stop()
    await database.drop()
    await rm(data, { recursive: true })
  })
}

/** The same on the stores that `env` names. `end` is called when it has stopped. */
export const startAppOn = async (
  env: NodeJS.ProcessEnv,
  { role = 'all', ...options }: { readonly role?: ProcessRole; readonly startOver?: boolean } = {},
  end: () => Promise<void> = async () => undefined,
): Promise<TestApp> => {
  const config = readConfig({ ...settings, ...env })
  const log = createLog(config.logLevel)
  const app = await startApp(config, { ...options, connections: await connect(config, { join: false, log }), role, log })
  const grant: TestApp['grant'] = async (email, to) => {
    const context = { actor: 'system', correlationId: randomUUID(), deadline: performance.now() + 5_000 } as const
    await app.commands.users.grantRole(context, { email: normaliseEmail(email), role: to })
  }
  return {
    ...app,
    url: app.address ?? '',
    store: app.connections.store,
    grant,
    another: (other = 'api', more = {}) => startAppOn({ ...env, ...more }, { role: other }),
    stop: async () => {
      await app.stop()
      await end()
    },
  }
}
