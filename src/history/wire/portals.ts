import type { DuckDBValue } from '@duckdb/node-api'
import type { Asker, Sql } from '../sql.js'
import { WireError } from './errors.js'
import { bindAll } from './parameters.js'
import { singly } from './rows.js'
import type { Statement } from './statement.js'

/** A statement with its parameters, to be run, or under way. A cursor is one with a name that statements give it. */
export type Portal = {
  readonly statement: Statement
  readonly parameters: readonly (string | undefined)[]
  readonly formats: readonly number[]
  rows?: AsyncGenerator<readonly DuckDBValue[], void>
  /** Ends what is under way. */
  ending?: AbortController
  /** Gives back its own connection: DuckDB drops the rest of an answer when anything else runs on the same one. */
  release?: () => void
  /** Whether it outlives its transaction, and whether that has been committed. */
  held?: 'uncommitted' | 'committed'
  sent: number
}

/** Each has a connection of its own, and what its query holds of the memory. */
const mostOpen = 8

/** What one client has open. */
export const createPortals = (sql: Sql, asker: Asker) => {
  const portals = new Map<string, Portal>()

  const start = async (portal: Portal, on: Asker, signal: AbortSignal): Promise<void> => {
    const { statement, parameters } = portal
    const ending = new AbortController()
    portal.ending = ending
    if (signal.aborted) ending.abort()
    signal.addEventListener('abort', () => ending.abort(), { once: true })
    const ready = await on.ready(statement.sql)
    try {
      await bindAll(ready.statement, parameters, statement.oids, asker)
      portal.rows = singly(await on.run(ready, ending.signal))
    } finally {
      ready.statement.destroySync()
    }
  }

  const end = (portal: Portal): void => {
    portal.ending?.abort()
    portal.release?.()
    delete portal.release
  }

  const drop = (name: string): void => {
    const portal = portals.get(name)
    portals.delete(name)
    if (portal) end(portal)
  }

  return {
    has: (name: string): boolean => portals.has(name),
    /** Throws `WireError`. */
    named: (name: string, what: 'portal' | 'cursor'): Portal => {
      const found = portals.get(name)
      if (!found) throw new WireError('34000', `there is no ${what} ${JSON.stringify(name)}`)
      return found
    },
    put: (name: string, portal: Portal): void => {
      drop(name)
      portals.set(name, portal)
    },
    /** Runs it, to be taken at once. Throws what a query throws. */
    start: (portal: Portal, signal: AbortSignal): Promise<void> => start(portal, asker, signal),
    /** Runs it on a connection of its own, to be taken bit by bit, while other statements run. Throws what a query throws. */
    open: async (portal: Portal, signal: AbortSignal): Promise<void> => {
      if ([...portals.values()].filter(({ release }) => release).length >= mostOpen)
        throw new WireError('53400', `there are ${mostOpen} cursors already: CLOSE one first`)
      const own = await sql.connect()
      portal.release = own.close
      try {
        await start(portal, own, signal)
      } catch (error) {
        end(portal)
        throw error
      }
    },
    /** Gives back what it holds. */
    end,
    drop,
    dropAll: (): void => {
      for (const name of [...portals.keys()]) drop(name)
    },
    /** What does not outlive a transaction goes. */
    endTransaction: (committed: boolean): void => {
      for (const [name, portal] of [...portals]) {
        if (committed && portal.held) portal.held = 'committed'
        else if (portal.held !== 'committed') drop(name)
      }
    },
  }
}
