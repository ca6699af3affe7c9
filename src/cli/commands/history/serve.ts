import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { createCommands } from '../../../commands/index.js'
import { Rejected } from '../../../domain/decider.js'
import { normaliseEmail } from '../../../domain/email.js'
import { openSql } from '../../../history/sql.js'
import { catalogueSchema } from '../../../history/wire/catalogue/schema.js'
import { WireError } from '../../../history/wire/errors.js'
import { serveWire, type Wire, type WireOptions } from '../../../history/wire/server.js'
import { Refusal } from '../../../http/pipeline/errors.js'
import { createLimits } from '../../../http/pipeline/rate-limits.js'
import { createLog } from '../../../platform/log.js'
import type { Instance } from '../../instance.js'
import { historyOf } from './source.js'

export type ServeFlags = { readonly port?: number; readonly host?: string }

/** Where the history is served unless something else is said; Postgres itself has the port before it. */
export const standardPort = 5_433

/** Serves the history to the tools that speak PostgreSQL's protocol, until a signal comes or the process that started this one has gone. */
export const serve = async (instance: Instance, flags: ServeFlags): Promise<void> => {
  const { config, signal } = instance
  // Unlike other commands, this one goes on: what it does is told as by the shop.
  const log = createLog(config.logLevel, { format: config.logFormat })
  const port = flags.port ?? config.historyPort ?? standardPort
  const wire = await openHistory({ ...instance, log }, { port, host: flags.host ?? config.historyHost })
  const { address } = wire
  const url = `postgres://${isIP(address.host) === 6 ? `[${address.host}]` : address.host}:${address.port}/history`
  log.info(
    { part: 'history', address: url },
    `the history is open at ${url}, for analysts and staff: the user is the e-mail address`,
  )
  try {
    await new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true })
      process.once('disconnect', resolve)
      if (signal.aborted) resolve()
    })
  } finally {
    await wire.close()
  }
}

type Where = { readonly port: number; readonly host: string }

export const openHistory = async (instance: Omit<Instance, 'signal'>, { port, host }: Where): Promise<Wire> => {
  const { config, database, log } = instance
  const tls = await readTls(config)
  if (!tls && !isLoopback(host)) {
    throw new Error(
      `passwords would travel in the open to ${host}: set HISTORY_TLS_CERT and HISTORY_TLS_KEY, or serve on 127.0.0.1`,
    )
  }
  const sql = await openSql({
    source: historyOf(instance),
    database,
    limits: { memory: config.historyMemory, threads: config.historyThreads },
    timeout: config.historyTimeout,
    setup: catalogueSchema(),
  })
  try {
    const onError = (error: unknown) => log.warn({ err: error }, 'a connection to the history broke')
    const wire = await serveWire({ sql, host, port, tls, logIn: logInOf(instance), onError })
    const close = async () => {
      await wire.close()
      await sql.close()
    }
    return { ...wire, close }
  } catch (error) {
    await sql.close()
    throw error
  }
}

const isLoopback = (host: string): boolean => host === 'localhost' || host === '::1' || /^127\./.test(host)

const readTls = async ({ historyTlsCert: cert, historyTlsKey: key }: Instance['config']): Promise<WireOptions['tls']> => {
  if (!cert && !key) return undefined
  if (!cert || !key) throw new Error('HISTORY_TLS_CERT and HISTORY_TLS_KEY belong together: set both')
  return { cert: await readFile(cert), key: await readFile(key) }
}

const roles: ReadonlySet<string> = new Set(['analyst', 'staff'])

const logInOf = ({ store, secrets, config, database }: Omit<Instance, 'signal'>): WireOptions['logIn'] => {
  const { users } = createCommands(store, { ...config, ...secrets })
  const limits = createLimits(config)
  return async (user, password, from) => {
    const email = normaliseEmail(user)
    const context = {
      actor: 'anonymous',
      correlationId: randomUUID(),
      deadline: performance.now() + config.commandDeadline,
    } as const
    try {
      const { value } = await limits.guess(email, from, () => users.logIn(context, { email, password }))
      if (!roles.has(value.role)) return undefined
      const isAllowed = async () => {
        const { rows } = await database.pool.query('select role, epoch from tillroll.users where stream_id = $1', [
          `user-${value.userId}`,
        ])
        // A read model may be behind the log-in, which was read from the store.
        return (
          rows[0] !== undefined && (rows[0].epoch < value.epoch || (rows[0].epoch === value.epoch && roles.has(rows[0].role)))
        )
      }
      return { isAllowed }
    } catch (error) {
      if (error instanceof Rejected) return undefined
      if (error instanceof Refusal) throw new WireError('28000', error.message)
      throw error
    }
  }
}
