import { firstWord, statementsOf } from '../engine/statement.js'
import type { Asker, Sql } from '../sql.js'
import { type CursorStatement, cursorStatement } from './cursor-statement.js'
import { errorMessage, WireError } from './errors.js'
import { int16, int32, type Message, message, type Reader, text } from './frames.js'
import { type Local, localStatement } from './local.js'
import { createOutbox } from './outbox.js'
import { decodeParameter, oidOfParameter } from './parameters.js'
import { createPortals, type Portal } from './portals.js'
import { dataRow, rowDescription, textColumn } from './rows.js'
import { type Statement, tagOf, understand } from './statement.js'

export type SessionOptions = {
  readonly sql: Sql
  readonly asker: Asker
  /** Resolves when there is room for more. */
  readonly send: (bytes: Buffer) => Promise<void>
  /** Throws where the user may not ask any more. */
  readonly assertAllowed: () => Promise<void>
}

/** One client's conversation, after it has logged in: simple and extended queries. */
export const createSession = ({ sql, asker, send, assertAllowed }: SessionOptions) => {
  const { put, flush } = createOutbox(send)
  const statements = new Map<string, Statement>()
  const portals = createPortals(sql, asker)
  let transaction: 'I' | 'T' | 'E' = 'I'
  /** After an error in extended queries, everything up to the next Sync is passed over. */
  let skipping = false
  /** What is under way, which a request to cancel ends. */
  let running: Portal | undefined
  let current = new AbortController()

  const ready = async (): Promise<void> => {
    await put(message('Z', Buffer.from(transaction)))
    await flush()
  }
  const fail = async (error: unknown): Promise<void> => {
    if (transaction === 'T') transaction = 'E'
    await put(errorMessage(error))
  }

  const parse = async (query: string, oids: readonly number[]): Promise<Statement> => {
    const local = localStatement(query)
    if (transaction === 'E' && local?.transaction === undefined && local?.tag !== 'ROLLBACK') {
      throw new WireError('25P02', 'the transaction is aborted: ROLLBACK ends it')
    }
    const none = { sql: query, prepared: undefined, oids, columns: [] }
    if (local) return { ...none, local, columns: local.row ? [textColumn(local.row[0])] : [] }
    const cursor = cursorStatement(query)
    if (cursor) return parseCursor(cursor, none)
    if (firstWord(query) === '') return none
    await assertAllowed()
    return understand(sql, query, oids, asker, current.signal)
  }

  const parseCursor = async (cursor: CursorStatement, none: Statement): Promise<Statement> => {
    if (cursor.does === 'fetch') return { ...none, cursor, columns: portals.named(cursor.name, 'cursor').statement.columns }
    if (cursor.does !== 'declare') return { ...none, cursor }
    await assertAllowed()
    const { prepared, sql: typed, columns } = await understand(sql, cursor.query, none.oids, asker, current.signal)
    return { ...none, sql: typed, prepared, cursor: { ...cursor, columns } }
  }

  const runCursor = async (cursor: CursorStatement, portal: Portal): Promise<void> => {
    if (cursor.does === 'declare') return declare(cursor, portal)
    if (cursor.does === 'close') {
      if (cursor.name === undefined) portals.dropAll()
      else {
        portals.named(cursor.name, 'cursor')
        portals.drop(cursor.name)
      }
      return put(message('C', text('CLOSE CURSOR')))
    }
    await assertAllowed()
    const open = portals.named(cursor.name, 'cursor')
    if (!open.rows) throw new WireError('34000', `there is no cursor ${JSON.stringify(cursor.name)}`)
    running = open
    let count = 0
    for (; count < cursor.count; count++) {
      const next = await open.rows.next()
      if (next.done) break
      if (cursor.does === 'fetch') await put(dataRow(next.value, open.statement.columns, portal.formats))
    }
    await put(message('C', text(`${cursor.does.toUpperCase()} ${count}`)))
  }

  const declare = async (
    { name, hold, columns = [] }: CursorStatement & { does: 'declare' },
    { statement, parameters }: Portal,
  ): Promise<void> => {
    if (portals.has(name)) throw new WireError('42P03', `there is a cursor ${JSON.stringify(name)} already`)
    if (transaction === 'I' && !hold) throw new WireError('25P01', 'a cursor lives in a transaction: BEGIN first, or WITH HOLD')
    const cursor: Portal = { statement: { ...statement, columns }, parameters, formats: [], sent: 0 }
    if (hold) cursor.held = transaction === 'I' ? 'committed' : 'uncommitted'
    running = cursor
    await portals.open(cursor, current.signal)
    portals.put(name, cursor)
    await put(message('C', text('DECLARE CURSOR')))
  }

  /** Sends rows of a portal, at most so many (0: all). Answers whether there are no more. */
  const execute = async (portal: Portal, most: number): Promise<boolean> => {
    running = portal
    if (!portal.rows) await (most === 0 ? portals.start(portal, current.signal) : portals.open(portal, current.signal))
    for (let count = 0; most === 0 || count < most; count++) {
      const next = await portal.rows!.next()
      if (next.done) {
        portals.end(portal)
        return true
      }
      portal.sent++
      await put(dataRow(next.value, portal.statement.columns, portal.formats))
    }
    return false
  }

  const runLocal = async (local: Local): Promise<void> => {
    if (local.transaction === 'end') portals.endTransaction(local.tag === 'COMMIT' && transaction !== 'E')
    if (local.transaction) transaction = local.transaction === 'begin' ? 'T' : 'I'
    else if (local.tag === 'ROLLBACK' && transaction === 'E') transaction = 'T'
    if (local.row) await put(dataRow([local.row[1]], [textColumn(local.row[0])], []))
    return put(message('C', text(local.tag)))
  }

  const runPortal = async (portal: Portal, most: number): Promise<void> => {
    const { statement } = portal
    if (statement.local) return runLocal(statement.local)
    if (!statement.prepared && !statement.cursor) return put(message('I'))
    if (transaction === 'E') throw new WireError('25P02', 'the transaction is aborted: ROLLBACK ends it')
    if (statement.cursor) return runCursor(statement.cursor, portal)
    const finished = await execute(portal, most)
    await put(finished ? message('C', text(tagOf(statement, portal.sent))) : message('s'))
  }

  const simple = async (query: string): Promise<void> => {
    try {
      const parts = statementsOf(query)
      if (parts.length === 0) await put(message('I'))
      for (const part of parts) {
        const statement = await parse(part, [])
        try {
          if (statement.columns.length > 0) await put(rowDescription(statement.columns, []))
          await runPortal({ statement, parameters: [], formats: [], sent: 0 }, 0)
        } finally {
          statement.prepared?.destroySync()
        }
      }
    } catch (error) {
      await fail(error)
    }
    running = undefined
    await ready()
  }

  const close = (kind: string, name: string): void => {
    if (kind === 'P') portals.drop(name)
    else {
      statements.get(name)?.prepared?.destroySync()
      statements.delete(name)
    }
  }

  const statementNamed = (name: string): Statement => {
    const found = statements.get(name)
    if (!found) throw new WireError('26000', `there is no prepared statement ${JSON.stringify(name)}`)
    return found
  }

  const describe = async (kind: string, name: string): Promise<void> => {
    const portal = kind === 'P' ? portals.named(name, 'portal') : undefined
    const { prepared, columns, oids } = portal?.statement ?? statementNamed(name)
    if (!portal) {
      const count = prepared?.parameterCount ?? 0
      const types = Array.from({ length: count }, (_, i) => int32(oids[i] || oidOfParameter(prepared!, i)))
      await put(message('t', int16(count), ...types))
    }
    await put(columns.length > 0 ? rowDescription(columns, portal?.formats ?? []) : message('n'))
  }

  const bind = (body: Reader): void => {
    const [portal, name] = [body.text(), body.text()]
    const statement = statementNamed(name)
    const formats = int16s(body)
    const parameters = Array.from({ length: body.int16() }, (_, i) => {
      const length = body.int32()
      if (length < 0) return undefined
      const binary = (formats.length === 1 ? formats[0] : formats[i]) === 1
      const oid = statement.oids[i] || (binary && statement.prepared ? oidOfParameter(statement.prepared, i) : 0)
      return decodeParameter(body.bytes(length), oid, binary)
    })
    portals.put(portal, { statement, parameters, formats: int16s(body), sent: 0 })
  }

  const extended = async (letter: string, body: Reader): Promise<void> => {
    switch (letter) {
      case 'P': {
        const [name, query] = [body.text(), body.text()]
        const oids = Array.from({ length: body.int16() }, body.int32)
        close('S', name)
        statements.set(name, await parse(query, oids))
        return put(message('1'))
      }
      case 'B':
        bind(body)
        return put(message('2'))
      case 'D':
        return describe(String.fromCharCode(body.bytes(1)[0]!), body.text())
      case 'E':
        return runPortal(portals.named(body.text(), 'portal'), body.int32())
      case 'C':
        close(String.fromCharCode(body.bytes(1)[0]!), body.text())
        return put(message('3'))
      default:
        throw new WireError('08P01', `a message ${JSON.stringify(letter)} is not understood here`)
    }
  }

  return {
    /** Ends the query under way, if there is one. */
    cancel: (): void => {
      current.abort()
      running?.ending?.abort()
    },
    /** Closes what is open. */
    close: portals.dropAll,
    start: ready,
    handle: async ({ letter, body }: Message): Promise<void> => {
      current = new AbortController()
      if (letter === 'Q') {
        skipping = false
        return simple(body.text())
      }
      if (letter === 'S') {
        skipping = false
        if (transaction === 'I') portals.endTransaction(true)
        return ready()
      }
      if (letter === 'H') return flush()
      if (skipping) return
      try {
        await extended(letter, body)
      } catch (error) {
        skipping = true
        await fail(error)
      }
      running = undefined
    },
  }
}

const int16s = (body: Reader): readonly number[] => Array.from({ length: body.int16() }, body.int16)
