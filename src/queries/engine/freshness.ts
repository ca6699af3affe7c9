import pg from 'pg'
import type { Logger } from 'pino'
import { createRising } from '../../platform/waiters.js'
import { channel } from '../../projections/engine/checkpoint.js'

/** Knows up to where the read models are folded, in whichever process that happens. */
export type Freshness = {
  /** Whether the read models reach the commit position within so many milliseconds. */
  readonly waitFor: (position: bigint, milliseconds: number) => Promise<boolean>
  /** The commit position that they are known to have reached; −1: none. */
  readonly position: () => bigint
  /** For a runner in this process: tells without the way through the database. */
  readonly note: (position: bigint) => void
  readonly close: () => Promise<void>
}

export type FreshnessOptions = {
  readonly database: { readonly url: string; readonly pool: pg.Pool }
  readonly log: Pick<Logger, 'warn'>
  /** Milliseconds between two looks at the checkpoint while somebody waits: notices get lost with their connection. */
  readonly pollEvery?: number
}

/** Listens on one connection, and looks by itself while somebody waits. */
export const createFreshness = ({ database, log, pollEvery = 100 }: FreshnessOptions): Freshness => {
  const known = createRising<bigint>(-1n)
  let closed = false
  let listener: pg.Client | undefined
  let retry: NodeJS.Timeout | undefined
  let polling: NodeJS.Timeout | undefined

  const look = async (): Promise<void> => {
    const { rows } = await database.pool.query<{ commit: string }>(
      `select coalesce(commit_position, -1)::text as commit from tillroll.checkpoint where name = 'projections'`,
    )
    if (rows[0]) known.raise(BigInt(rows[0].commit))
  }

  const poll = (): void => {
    polling ??= setTimeout(async () => {
      // A database that is away makes the waiting end in its own time.
      const [looked] = await Promise.allSettled([look()])
      if (looked.status === 'rejected') log.warn({ err: looked.reason }, 'the checkpoint could not be read')
      polling = undefined
      if (known.isAwaited() && !closed) poll()
    }, pollEvery)
  }

  const listen = async (): Promise<void> => {
    const client = new pg.Client({
      connectionString: database.url,
      application_name: 'tillroll freshness',
      keepAlive: true,
      connectionTimeoutMillis: 5_000,
    })
    listener = client
    let broken = false
    const again = (error: Error) => {
      if (broken || closed) return
      broken = true
      log.warn({ err: error }, 'listening for the read models broke off; trying again')
      retry = setTimeout(listen, 500)
      void Promise.allSettled([client.end()])
    }
    client.on('error', again)
    client.on('end', () => again(new Error('the connection was closed')))
    client.on('notification', ({ payload }) => known.raise(BigInt(payload ?? -1)))
    try {
      await client.connect()
      await client.query(`listen ${channel}`)
      await look()
    } catch (error) {
      again(error as Error)
    }
  }
  void listen()

  return {
    note: known.raise,
    position: known.current,
    waitFor: (position, milliseconds) => {
      if (position > known.current()) poll()
      return known.reaches(position, { milliseconds })
    },
    close: async () => {
      closed = true
      clearTimeout(retry)
      clearTimeout(polling)
      await listener?.end()
    },
  }
}
