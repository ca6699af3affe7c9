import { Unavailable } from '../../platform/errors.js'
import { isFull } from '../../platform/files.js'
import { isDatabaseAway } from '../../platform/sqlstate.js'
import { ReadModelMissing } from '../engine/loader.js'
import { StatementRefused } from '../engine/statement.js'
import { QueryEnded } from '../sql.js'
import { message, text } from './frames.js'

/** An error that says its SQLSTATE itself. */
export class WireError extends Error {
  override readonly name = 'WireError'
  readonly sqlstate: string

  constructor(sqlstate: string, said: string) {
    super(said)
    this.sqlstate = sqlstate
  }
}

/** How DuckDB's errors begin, and the SQLSTATE that Postgres would give. */
const states: readonly (readonly [RegExp, string])[] = [
  [/^(Failed to extract statements: )?Parser Error/, '42601'],
  [/^Catalog Error: (Table|View)/, '42P01'],
  [/^Catalog Error: .*[Ff]unction/, '42883'],
  [/^Catalog Error: .*[Ss]chema/, '3F000'],
  [/^Catalog Error: Type/, '42704'],
  [/^Catalog Error/, '42704'],
  [/^Binder Error: .*(not found|does not have a column|not exist)/, '42703'],
  [/^Binder Error: .*[Aa]mbiguous/, '42702'],
  [/^Binder Error: (Cannot compare|No function matches)/, '42883'],
  [/^Binder Error: .*GROUP BY/, '42803'],
  [/^Binder Error/, '42601'],
  [/^Conversion Error/, '22P02'],
  [/^Out of Range Error/, '22003'],
  [/^Invalid Input Error/, '22023'],
  [/^Permission Error/, '42501'],
  [/^Out of Memory Error/, '53200'],
  [/^Not implemented Error/, '0A000'],
]

export const sqlstateOf = (error: unknown): string => {
  if (error instanceof WireError) return error.sqlstate
  if (error instanceof StatementRefused) return '25006'
  if (error instanceof QueryEnded) return '57014'
  if (isFull(error)) return '53100'
  if (error instanceof Unavailable || error instanceof ReadModelMissing || isDatabaseAway(error)) return '57P03'
  const said = (error as Error).message
  return states.find(([beginning]) => beginning.test(said))?.[1] ?? (error instanceof RangeError ? '22023' : 'XX000')
}

/** What the client is told: nothing of the inside. */
const messageOf = (error: unknown): string => {
  if (isFull(error)) return 'the disk is full: what is new in the history can not be read in; try again when there is room on it'
  if (error instanceof Unavailable) return error.outside
  if (isDatabaseAway(error)) return 'the database does not answer; try again in a moment'
  return (error as Error).message
}

export const errorMessage = (error: unknown, severity: 'ERROR' | 'FATAL' = 'ERROR'): Buffer => {
  const fields = [`S${severity}`, `V${severity}`, `C${sqlstateOf(error)}`, `M${messageOf(error)}`]
  return message('E', ...fields.map(text), Buffer.from([0]))
}
