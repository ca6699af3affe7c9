import { type DuckDBPreparedStatement, DuckDBTypeId, type DuckDBValue } from '@duckdb/node-api'
import { firstWord, statementsOf } from '../engine/statement.js'
import type { Asker, Rows, Sql } from '../sql.js'
import { forCatalogue } from './catalogue.js'
import { type CursorStatement, cursorStatement } from './cursor-statement.js'
import { errorMessage, WireError } from './errors.js'
import { int16, int32, type Message, message, type Reader, text } from './frames.js'
import { type Local, localStatement } from './local.js'
import { decodeParameter, duckTypeOfOid, encode, type WireType, wireType } from './types.js'

type Column = { readonly name: string; readonly type: WireType }

type Statement = {
  readonly sql: string
  /** None of a local or an empty statement. */
  readonly prepared: DuckDBPreparedStatement | undefined
  readonly local: Local | undefined
  readonly cursor?: CursorStatement
  readonly oids: readonly number[]
  readonly columns: readonly Column[]
}

type Portal = {
  readonly statement: Statement
  readonly parameters: readonly (string | undefined)[]
  readonly formats: readonly number[]
  rows?: AsyncGenerator<readonly DuckDBValue[], void>
  /** A cursor's own connection, on which nothing else runs while it is open. */
  own?: Asker
  ending?: AbortController
  sent: number
}

export type SessionOptions = {
  readonly sql: Sql
  readonly asker: Asker
  /** Resolves when there is room for more. */
  readonly send: (bytes: Buffer) => Promise<void>
  /** Throws where the user may not ask any more. */
  readonly assertAllowed: () => Promise<void>
}

/** What is sent at once. */
const together = 64 * 1_024
const mostCursors = 8

/** One client's conversation, after it has logged in: simple and extended queries. */
export const createSession = ({ sql, asker, send, assertAllowed }: SessionOptions) => {
  const statements = new Map<string, Statement>()
  const portals = new Map<string, Portal>()
  let transaction: 'I' | 'T' | 'E' = 'I'
  /** After an error in extended queries, everything up to the next Sync is passed over. */
  let skipping = false
  let running: AbortController | undefined
  let waiting: Buffer[] = []
  let size = 0

  const put = async (bytes: Buffer): Promise<void> => {
    waiting.push(bytes)
    size += bytes.length
    if (size > together) await flush()
  }
  const flush = async (): Promise<void> => {
    const bytes = Buffer.concat(waiting)
    waiting = []
    size = 0
    if (bytes.length > 0) await send(bytes)
  }
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
    if (transaction === 'E' && local?.transaction !== 'end' && local?.tag !== 'ROLLBACK') {
      throw new WireError('25P02', 'the transaction is aborted: ROLLBACK ends it')
    }
    if (local) return { sql: query, prepared: undefined, local, oids, columns: local.row ? [columnOf(local.row[0])] : [] }
    const cursor = cursorStatement(query)
    if (cursor) return parseCursor(cursor, query, oids)
    if (firstWord(query) === '') return { sql: query, prepared: undefined, local: undefined, oids, columns: [] }
    return understood(query, oids, asker)
  }

  /** What is for DuckDB. */
  const understood = async (query: string, oids: readonly number[], on: Asker): Promise<Statement> => {
    await assertAllowed()
    const asked = forCatalogue(query)
    await sql.refresh(asked)
    let prepared = await on.prepare(asked)
    const typed = withTypes(asked, prepared, oids)
    if (typed !== asked) {
      prepared.destroySync()
      prepared = await on.prepare(typed)
    }
    return { sql: typed, prepared, local: undefined, oids, columns: await columnsOf(prepared, typed, on) }
  }

  /** The types of a cursor's parameters are those of its query, on a connection of its own. */
  const parseCursor = async (cursor: CursorStatement, query: string, oids: readonly number[]): Promise<Statement> => {
    const none = { sql: query, prepared: undefined, local: undefined, oids, columns: [], cursor }
    if (cursor.does === 'fetch') return { ...none, columns: named(portals, cursor.name, 'cursor', '34000').statement.columns }
    if (cursor.does !== 'declare') return none
    if (transaction !== 'T') throw new WireError('25P01', 'a cursor lives in a transaction: BEGIN first')
    const { prepared, sql: typed } = await understood(cursor.query, oids, asker)
    return { ...none, prepared, sql: typed }
  }

  const runCursor = async (cursor: CursorStatement, portal: Portal): Promise<void> => {
    if (cursor.does === 'declare') return declare(cursor, portal)
    if (cursor.does === 'close') {
      if (cursor.name === undefined) dropPortals()
      else {
        named(portals, cursor.name, 'cursor', '34000')
        dropPortal(cursor.name)
      }
      return put(message('C', text('CLOSE CURSOR')))
    }
    const open = named(portals, cursor.name, 'cursor', '34000')
    if (!open.rows) throw new WireError('34000', `there is no cursor ${JSON.stringify(cursor.name)}`)
    running = open.ending
    let count = 0
    for (; count < cursor.count; count++) {
      const next = await open.rows.next()
      if (next.done) break
      if (cursor.does === 'fetch') await put(dataRow(next.value, open.statement.columns, portal.formats))
    }
    await put(message('C', text(`${cursor.does.toUpperCase()} ${count}`)))
  }

  const declare = async (
    { name, query }: CursorStatement & { does: 'declare' },
    { statement, parameters }: Portal,
  ): Promise<void> => {
    if (portals.has(name)) throw new WireError('42P03', `there is a cursor ${JSON.stringify(name)} already`)
    if (transaction !== 'T') throw new WireError('25P01', 'a cursor lives in a transaction: BEGIN first')
    if ([...portals.values()].filter(({ own: one }) => one).length >= mostCursors) {
      throw new WireError('53400', `there are ${mostCursors} cursors already: CLOSE one first`)
    }
    const own = await sql.connect()
    try {
      const inner = await understood(query, statement.oids, own)
      const cursor: Portal = { statement: inner, parameters, formats: [], sent: 0, own, ending: new AbortController() }
      await bindAll(cursor)
      running = cursor.ending
      cursor.rows = singly(await own.run(inner.prepared!, running!.signal))
      portals.set(name, cursor)
    } catch (error) {
      own.close()
      throw error
    }
    await put(message('C', text('DECLARE CURSOR')))
  }

  const dropPortal = (name: string): void => {
    const portal = portals.get(name)
    portals.delete(name)
    if (!portal?.own) return
    portal.ending?.abort()
    portal.statement.prepared?.destroySync()
    portal.own.close()
  }
  const dropPortals = (): void => {
    for (const name of [...portals.keys()]) dropPortal(name)
  }

  const bindAll = async ({ statement: { prepared, oids }, parameters }: Portal): Promise<void> => {
    if (!prepared) return
    if (prepared.parameterCount !== parameters.length) {
      throw new WireError(
        '08P01',
        `the statement takes ${prepared.parameterCount} parameters, and ${parameters.length} are given`,
      )
    }
    for (const [i, value] of parameters.entries()) {
      if (value === undefined) {
        prepared.bindNull(i + 1)
        continue
      }
      const type = parameterType(prepared, i, oids)
      if (type === 'VARCHAR') prepared.bindVarchar(i + 1, value)
      else prepared.bindValue(i + 1, await asker.cast(type.endsWith('[]') ? value.replace(/^\{(.*)\}$/s, '[$1]') : value, type))
    }
  }

  /** Sends rows of a portal, at most so many (0: all). Answers whether there are no more. */
  const execute = async (portal: Portal, most: number): Promise<boolean> => {
    const { statement, formats } = portal
    if (!portal.rows) {
      await bindAll(portal)
      running = new AbortController()
      portal.rows = singly(await asker.run(statement.prepared!, running.signal))
    }
    for (let count = 0; most === 0 || count < most; count++) {
      const next = await portal.rows.next()
      if (next.done) return true
      portal.sent++
      await put(dataRow(next.value, statement.columns, formats))
    }
    return false
  }

  const runPortal = async (portal: Portal, most: number): Promise<void> => {
    const { statement } = portal
    const { local } = statement
    if (local) {
      if (local.transaction) transaction = local.transaction === 'begin' ? 'T' : 'I'
      if (local.transaction === 'end') dropPortals()
      else if (local.tag === 'ROLLBACK' && transaction === 'E') transaction = 'T'
      if (local.row) await put(message('D', int16(1), ...cell(Buffer.from(local.row[1]))))
      return put(message('C', text(local.tag)))
    }
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
    if (kind === 'P') dropPortal(name)
    else {
      statements.get(name)?.prepared?.destroySync()
      statements.delete(name)
    }
  }

  const named = <One>(map: Map<string, One>, name: string, what: string, state: string): One => {
    const found = map.get(name)
    if (!found) throw new WireError(state, `there is no ${what} ${JSON.stringify(name)}`)
    return found
  }

  const describe = async (kind: string, name: string): Promise<void> => {
    const portal = kind === 'P' ? named(portals, name, 'portal', '34000') : undefined
    const statement = portal?.statement ?? named(statements, name, 'prepared statement', '26000')
    const { prepared, columns, oids } = statement
    if (!portal) {
      const count = prepared?.parameterCount ?? 0
      const types = Array.from({ length: count }, (_, i) => int32(oids[i] || oidOfParameter(prepared!, i)))
      await put(message('t', int16(count), ...types))
    }
    await put(columns.length > 0 ? rowDescription(columns, portal?.formats ?? []) : message('n'))
  }

  const bind = (body: Reader): void => {
    const [portal, name] = [body.text(), body.text()]
    const statement = named(statements, name, 'prepared statement', '26000')
    const formats = int16s(body)
    const parameters = Array.from({ length: body.int16() }, (_, i) => {
      const length = body.int32()
      if (length < 0) return undefined
      const binary = (formats.length === 1 ? formats[0] : formats[i]) === 1
      return decodeParameter(
        body.bytes(length),
        statement.oids[i] || (binary ? oidOfParameter(statement.prepared!, i) : 0),
        binary,
      )
    })
    dropPortal(portal)
    portals.set(portal, { statement, parameters, formats: int16s(body), sent: 0 })
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
        return runPortal(named(portals, body.text(), 'portal', '34000'), body.int32())
      case 'C':
        close(String.fromCharCode(body.bytes(1)[0]!), body.text())
        return put(message('3'))
      default:
        throw new WireError('08P01', `a message ${JSON.stringify(letter)} is not understood here`)
    }
  }

  return {
    /** Ends the query under way, if there is one. */
    cancel: (): void => running?.abort(),
    /** Closes what is open. */
    close: dropPortals,
    start: ready,
    handle: async ({ letter, body }: Message): Promise<void> => {
      if (letter === 'Q') {
        skipping = false
        return simple(body.text())
      }
      if (letter === 'S') {
        skipping = false
        if (transaction === 'I') dropPortals()
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

const columnOf = (name: string): Column => ({ name, type: { oid: 25, size: -1 } })

async function* singly({ rows }: Rows): AsyncGenerator<readonly DuckDBValue[], void> {
  for await (const some of rows()) yield* some
}

const unknown: ReadonlySet<DuckDBTypeId> = new Set([DuckDBTypeId.INVALID, DuckDBTypeId.ANY, DuckDBTypeId.SQLNULL])

/** A function of the catalogue, and a count, give their columns their own names in Postgres. */
const columnName = (name: string): string => /^pgc\."?(\w+)"?\(/.exec(name)?.[1] ?? (name === 'count_star()' ? 'count' : name)

/** Where a parameter keeps DuckDB from telling what is answered, it tells of the same statement with nulls. */
const columnsOf = async (prepared: DuckDBPreparedStatement, sql: string, asker: Asker): Promise<readonly Column[]> => {
  const isTold = Array.from({ length: prepared.parameterCount }, (_, i) => prepared.parameterTypeId(i + 1)).every(
    (type) => type !== DuckDBTypeId.INVALID,
  )
  const told = isTold ? prepared : await asker.prepare(sql.replaceAll(/\$\d+/g, 'null'))
  const columns = Array.from({ length: told.columnCount }, (_, i) => ({
    name: columnName(told.columnName(i)),
    type: unknown.has(told.columnTypeId(i)) ? wireType(DuckDBTypeId.VARCHAR) : wireType(told.columnType(i)),
  }))
  if (!isTold) told.destroySync()
  return columns
}

/** DuckDB can't tell what a statement answers while it doesn't know what a parameter is: it is told, as the client said, or as text. */
const withTypes = (sql: string, prepared: DuckDBPreparedStatement, oids: readonly number[]): string => {
  const missing = Array.from({ length: prepared.parameterCount }, (_, i) => i).filter((i) =>
    unknown.has(prepared.parameterTypeId(i + 1)),
  )
  if (missing.length === 0) return sql
  return missing.reduce((text, i) => {
    const parameter = new RegExp(`(any\\s*\\(\\s*)?\\$${i + 1}(?!\\d)(?!\\s*::)`, 'gi')
    return text.replaceAll(
      parameter,
      (_, any: string | undefined) => `${any ?? ''}$${i + 1}::${any ? 'VARCHAR[]' : duckTypeOfOid(oids[i] ?? 0)}`,
    )
  }, sql)
}

/** What the statement takes there, else what the client says that it sends. */
const parameterType = (prepared: DuckDBPreparedStatement, i: number, oids: readonly number[]): string =>
  unknown.has(prepared.parameterTypeId(i + 1)) ? duckTypeOfOid(oids[i] ?? 0) : `${prepared.parameterType(i + 1)}`

const oidOfParameter = (prepared: DuckDBPreparedStatement, i: number): number =>
  unknown.has(prepared.parameterTypeId(i + 1)) ? 25 : wireType(prepared.parameterTypeId(i + 1)).oid

const int16s = (body: Reader): readonly number[] => Array.from({ length: body.int16() }, body.int16)

const formatOf = (formats: readonly number[], i: number): number => (formats.length === 1 ? formats[0]! : (formats[i] ?? 0))

const rowDescription = (columns: readonly Column[], formats: readonly number[]): Buffer =>
  message(
    'T',
    int16(columns.length),
    ...columns.flatMap(({ name, type }, i) => [
      text(name),
      int32(0),
      int16(0),
      int32(type.oid),
      int16(type.size),
      int32(-1),
      int16(formatOf(formats, i)),
    ]),
  )

const cell = (bytes: Buffer | undefined) => (bytes ? [int32(bytes.length), bytes] : [int32(-1)])

const dataRow = (row: readonly DuckDBValue[], columns: readonly Column[], formats: readonly number[]): Buffer =>
  message('D', int16(row.length), ...row.flatMap((value, i) => cell(encode(value, columns[i]!.type, formatOf(formats, i) === 1))))

const tagOf = ({ sql }: Statement, rows: number): string => (firstWord(sql) === 'explain' ? 'EXPLAIN' : `SELECT ${rows}`)
