import type pg from 'pg'
import { sleep } from './async.js'
import type { Database } from './database.js'

/** Somebody else holds the lease, or could by now: the transaction must not be committed. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost'
}

/** The epoch rises with every holder, and is the fence: every transaction of a holder checks it. */
export type Lease = {
  readonly epoch: number
  /** Aborts when the lease is lost or given up. */
  readonly signal: AbortSignal
}

export type LeaseOptions = {
  readonly database: Pick<Database, 'pool'>
  readonly name: string
  /** Who this is, for people to read. */
  readonly holder: string
  /** Milliseconds, by Postgres's clock, for which a holder that is not heard of keeps it. */
  readonly ttl: number
  /** Ends it: the work's signal aborts, and when the work has ended the lease is given back. */
  readonly signal: AbortSignal
  /** The work of a holder. It returns to give the lease up, and throws `LeaseLost` when it noticed that it has none: both stand by again. */
  readonly onAcquired: (lease: Lease) => Promise<void>
  /** A try that failed (Postgres doesn't answer) and is tried again. */
  readonly onError?: (error: unknown) => void
}

/**
 * Stands by for the lease, holds it, does the work, and stands by again, until `signal` aborts. A row with an expiry, for a lock of the
 * database's is kept by a process that is stopped, as long as it is stopped. Throws what the work throws, but for `LeaseLost`.
 */
export const keepLease = async (options: LeaseOptions): Promise<void> => {
  const { ttl, signal, onError = () => undefined } = options
  while (!signal.aborted) {
    const asked = performance.now()
    const answer = await acquire(options).catch((error: unknown) => {
      onError(error)
      return { epoch: undefined, wait: ttl }
    })
    if (answer.epoch !== undefined) await hold(options, answer.epoch, asked + ttl)
    // A little after the end of what another has left; he may give it up earlier.
    const wait = answer.epoch === undefined ? Math.min(answer.wait + 20, ttl / 3) : ttl / 3
    await sleep(wait, signal)
  }
}

/**
 * To be called in every transaction of the holder's, before its first write: nobody takes the lease over before it ends, and it is not
 * there if somebody has. Throws `LeaseLost`.
 */
export const checkEpoch = async (transaction: pg.ClientBase, name: string, epoch: number, ttl = 3_000): Promise<void> => {
  // FOR KEY SHARE blocks a take-over (FOR UPDATE) but no renewal. The idle timeout ends this transaction if its process is suspended.
  const { rows } = await transaction.query(
    `select set_config('idle_in_transaction_session_timeout', $3, true)
     from (select 1 from tillroll.lease where name = $1 and epoch = $2 for key share) as held`,
    [name, epoch, `${ttl}`],
  )
  if (rows.length === 0) throw new LeaseLost(`the lease ${name} is not held at epoch ${epoch} any more`)
}

type Acquired = { readonly epoch: number } | { readonly epoch: undefined; readonly wait: number }

/** The next epoch where the lease is free, else the milliseconds that its holder has left. */
const acquire = async ({ database: { pool }, name, holder, ttl }: LeaseOptions): Promise<Acquired> => {
  await pool.query(
    `insert into tillroll.lease (name, holder, epoch, expires_at) values ($1, '', 0, '-infinity') on conflict do nothing`,
    [name],
  )
  // `for update` waits for the transactions that have checked the epoch, an update of these columns alone wouldn't.
  const taken = await pool.query<{ epoch: number }>(
    `with free as (select name from tillroll.lease where name = $1 and expires_at <= clock_timestamp() for update)
     update tillroll.lease set holder = $2, epoch = epoch + 1, expires_at = clock_timestamp() + $3 * interval '1 ms'
     from free where lease.name = free.name returning epoch`,
    [name, holder, ttl],
  )
  if (taken.rows[0]) return taken.rows[0]
  const left = await pool.query<{ wait: number }>(
    `select greatest(0, extract(epoch from expires_at - clock_timestamp()) * 1000)::float8 as wait from tillroll.lease where name = $1`,
    [name],
  )
  return { epoch: undefined, wait: left.rows[0]?.wait ?? 0 }
}

const hold = async (options: LeaseOptions, epoch: number, until: number): Promise<void> => {
  const over = new AbortController()
  const end = () => over.abort()
  options.signal.addEventListener('abort', end, { once: true })
  if (options.signal.aborted) end()
  const renewing = renew(options, epoch, until, over)
  try {
    // Aborted while it was being acquired: work that listens for the abort would never hear of it.
    if (!over.signal.aborted) await options.onAcquired({ epoch, signal: over.signal })
  } catch (error) {
    if (!(error instanceof LeaseLost)) throw error
  } finally {
    end()
    options.signal.removeEventListener('abort', end)
    await renewing
    await release(options, epoch)
  }
}

/** Every third of the time, until the lease is over; it is over by our own clock too, for Postgres may not answer. */
const renew = async (options: LeaseOptions, epoch: number, until: number, over: AbortController): Promise<void> => {
  const { database, name, ttl, onError = () => undefined } = options
  let heldUntil = until
  while (!over.signal.aborted) {
    const left = heldUntil - performance.now()
    if (left <= 0) return over.abort()
    await sleep(Math.min(ttl / 3, left), over.signal)
    if (over.signal.aborted) return
    const asked = performance.now()
    const answer = database.pool.query(
      `update tillroll.lease set expires_at = clock_timestamp() + $3 * interval '1 ms' where name = $1 and epoch = $2`,
      [name, epoch, ttl],
    )
    const outcome = await Promise.race([
      answer.then(({ rowCount }) => (rowCount === 1 ? 'held' : 'lost')).catch((error: unknown) => onError(error)),
      sleep(Math.max(0, heldUntil - asked), over.signal).then(() => 'silent'),
    ])
    if (outcome === 'held') heldUntil = asked + ttl
    if (outcome === 'lost' || outcome === 'silent') over.abort()
  }
}

/** Gives the lease back at once; where this fails, the next holder waits until it expires. */
const release = async ({ database, name, ttl, onError = () => undefined }: LeaseOptions, epoch: number): Promise<void> => {
  const released = database.pool
    .query(`update tillroll.lease set expires_at = clock_timestamp() where name = $1 and epoch = $2`, [name, epoch])
    .catch(onError)
  await Promise.race([released, sleep(ttl, undefined, { ref: false })])
}
