import { InvalidArgumentError } from 'commander'
import { connect } from '../../connect.js'
import { identityStream } from '../../eventstore/identity.js'
import type { App } from '../../main.js'
import { orAborted, sleep } from '../../platform/async.js'
import { type Config, readConfig } from '../../platform/config.js'
import { FolderInUse } from '../../platform/folder-lock.js'
import { checkPort } from '../../platform/listen.js'
import { createLog, type Log } from '../../platform/log.js'
import { type ProcessRole, servesHttp } from '../../platform/process-role.js'
import { NotReady } from '../../queries/engine/read.js'
import type { Pool } from '../../workers/pool.js'
import { Interrupted, untilSignalled } from '../signals.js'

type Options = { readonly role: ProcessRole; readonly demo?: true; readonly startOver?: boolean }

type Running = { readonly log: Log; readonly signal: AbortSignal; readonly demo: true | undefined }

export const serve = async ({ role, demo, startOver = false }: Options): Promise<void> => {
  if (startOver && role !== 'all' && role !== 'projections') {
    throw new InvalidArgumentError('--start-over is for the roles that keep the read models: all and projections')
  }
  const config = readConfig()
  if (config.kafkaBrokers) (await import('../../bridge/kafka/settings.js')).readKafkaSettings(config.kafkaBrokers)
  const log = createLog(config.logLevel, { format: config.logFormat })
  const { signal } = untilSignalled()
  if (servesHttp(role)) await checkPort(config.host, config.port)
  const pool = await forkedFor(role, config, log)
  try {
    // The embedded parts start while the app is loaded, which takes about as long.
    const [connections, { startApp }] = await Promise.all([
      connect(config, { join: role !== 'all', log, signal }).catch(explained),
      import('../../main.js'),
    ])
    const starting = startApp(config, { connections, role, log, startOver, httpElsewhere: pool !== undefined })
    const app = await orAborted(starting, signal, grace)
    const ending = new AbortController()
    const history = servesHttp(role) ? await serveHistory(app, log, ending.signal) : undefined
    try {
      await run(app, pool, { log, signal, demo })
    } finally {
      ending.abort()
      await history?.stopped
      await pool?.stop()
      await app.stop()
      log.info('stopped')
    }
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error
    log.info('stopped before the shop was up')
  } finally {
    await pool?.stop()
  }
}

/** Milliseconds that a start which is under way has to end, so that what it began can be stopped in order. */
const grace = 1_500

/** Processes of their own for HTTP, where the role serves it and there are cores for more than one process. */
const forkedFor = async (role: ProcessRole, config: Config, log: Log): Promise<Pool | undefined> => {
  const { httpWorkers } = config
  if (!servesHttp(role) || httpWorkers === 0) return undefined
  const { forkWorkers, workersFor } = await import('../../workers/pool.js')
  const count = httpWorkers ?? workersFor()
  // One that has nothing to do beside HTTP need not hand that on.
  return role === 'api' && count === 1 ? undefined : forkWorkers(count, config, log)
}

/** The history, to the tools of analysts, where a port for it is set. */
const serveHistory = async ({ config, connections: { store, database } }: App, log: Log, signal: AbortSignal) => {
  if (config.historyPort === undefined) return undefined
  const { keepHistoryServed } = await import('../history-process.js')
  return keepHistoryServed({ eventstoreUrl: store.url!, databaseUrl: database.url }, config.historyPort, log, signal)
}

/** Serves until a signal comes; throws what makes it impossible to go on. */
const run = async (app: App, pool: Pool | undefined, { log, signal, demo }: Running): Promise<void> => {
  let broken: (error: unknown) => void = () => undefined
  const failed = Promise.race([app.failed, new Promise<unknown>((resolve) => (broken = resolve))])
  const failure = await runUntil(signal, failed, async () => {
    const { store, database } = app.connections
    const stores = { eventstoreUrl: store.url!, databaseUrl: database.url }
    const address = pool
      ? await pool.serve(app.config, stores, { registry: app.registry, bridges: app.bridges, fail: broken })
      : app.address
    if (address) log.info({ part: 'HTTP', address }, `HTTP is up at ${address}`)
    if (demo) await fill(app, log)
    if (address) await hintAtStaff(app, log, signal)
    if (address) welcome(address, log)
  })
  log.info(failure ? 'stopping, for a part has failed' : 'stopping: a second signal would not wait for the requests under way')
  if (failure) throw failure.error
}

const explained = (error: unknown): never => {
  if (!(error instanceof FolderInUse)) throw error
  const ways = 'stop that, choose another folder with TILLROLL_DATA, or join it with --role api, projections or bridge'
  throw new Error(`${error.message}: ${ways}`, { cause: error })
}

/** Until a signal comes or something fails, the preparations included. */
const runUntil = (
  signal: AbortSignal,
  failed: Promise<unknown>,
  prepare: () => Promise<void>,
): Promise<{ readonly error: unknown } | undefined> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve(undefined)
    signal.addEventListener('abort', () => resolve(undefined), { once: true })
    void failed.then((error) => resolve({ error }))
    prepare().catch((error: unknown) => resolve({ error }))
  })

const fill = async ({ connections: { store, secrets }, config }: App, log: Log): Promise<void> => {
  const last = await store.last()
  const isEmpty = last?.streamId === identityStream && last.revision === 0
  if (!isEmpty) return log.info('the shop is not empty: no demo is put into it')
  log.info('the shop is being filled for the demo with six weeks of business, which takes some seconds')
  const { fillDemo } = await import('./demo.js')
  const summary = await fillDemo(store, { ...config, ...secrets })
  const { products, customers, orders, staff, customer } = summary
  log.info(
    { ...summary },
    `the shop is filled: ${products} products, ${customers} customers, ${orders} orders. Log in as ${staff.email} (staff) or ${customer.email} (a customer), both with the password ${customer.password}`,
  )
}

/** The last lines of a start: where the shop is, what to try, and where to read on. */
const welcome = (address: string, log: Log): void => {
  log.info({ address }, `the shop is open at ${address}`)
  log.info(`try: curl ${address}/products`)
  log.info(`docs: ${address}/docs lists every route; a walk through the shop is in README.md, the rest in docs/README.md`)
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
