import { setTimeout as sleep } from 'node:timers/promises'
import { InvalidArgumentError } from 'commander'
import { connect } from '../../connect.js'
import { identityStream } from '../../eventstore/identity.js'
import type { App } from '../../main.js'
import { readConfig } from '../../platform/config.js'
import { Held } from '../../platform/folder-lock.js'
import { checkPort } from '../../platform/listen.js'
import { createLog, type Log } from '../../platform/log.js'
import { type Role, servesHttp } from '../../platform/process-role.js'
import { NotReady } from '../../queries/engine/read.js'
import { untilSignalled } from '../signals.js'

type Options = { readonly role: Role; readonly demo?: true; readonly startOver?: boolean }

export const serve = async ({ role, demo, startOver = false }: Options): Promise<void> => {
  if (startOver && role !== 'all' && role !== 'projections') {
    throw new InvalidArgumentError('--start-over is for the roles that keep the read models: all and projections')
  }
  const config = readConfig()
  const log = createLog(config.logLevel)
  const { signal } = untilSignalled()
  if (servesHttp(role)) await checkPort(config.host, config.port)
  // The embedded parts start while the app is loaded, which takes about as long.
  const [connections, { startApp }] = await Promise.all([
    connect(config, { join: role !== 'all', log }).catch(explained),
    import('../../main.js'),
  ])
  const app = await startApp(config, { connections, role, log, startOver })
  const failure = await runUntil(signal, app, async () => {
    if (demo) await fill(app, log)
    if (app.address) await hintAtStaff(app, log, signal)
  })
  log.info(failure ? 'stopping, for a part has failed' : 'stopping: a second signal would not wait for the requests under way')
  await app.stop()
  log.info('stopped')
  if (failure) throw failure.error
}

const explained = (error: unknown): never => {
  if (!(error instanceof Held)) throw error
  const ways = 'stop that, choose another folder with TILLROLL_DATA, or join it with --role api, projections or bridge'
  throw new Error(`${error.message}: ${ways}`, { cause: error })
}

/** Until a signal comes or something fails, the preparations included. */
const runUntil = (
  signal: AbortSignal,
  app: App,
  prepare: () => Promise<void>,
): Promise<{ readonly error: unknown } | undefined> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve(undefined)
    signal.addEventListener('abort', () => resolve(undefined), { once: true })
    void app.failed.then((error) => resolve({ error }))
    prepare().catch((error: unknown) => resolve({ error }))
  })

const fill = async ({ connections: { store, secrets }, config }: App, log: Log): Promise<void> => {
  const isEmpty = (await store.last())?.streamId === identityStream
  const { fillDemo } = await import('./demo.js')
  const summary = await fillDemo(store, { ...config, ...secrets }, isEmpty)
  log.info({ ...summary }, summary ? 'the shop is filled for the demo' : 'the shop is not empty: no demo was put into it')
}

/** Nobody could add a product otherwise, and nobody would know why. */
const hintAtStaff = async ({ queries }: App, log: Log, signal: AbortSignal): Promise<void> => {
  for (const began = performance.now(); performance.now() - began < 5_000 && !signal.aborted; await sleep(100)) {
    // On a first run the read models are not there yet.
    const answer = await queries.staffExists().catch(unlessNotReady)
    if (answer?.value) return
    if (answer) return log.info('nobody is staff yet: register, then run: npx tillroll users grant <e-mail> staff')
  }
}

const unlessNotReady = (error: unknown): undefined => {
  if (!(error instanceof NotReady)) throw error
}
