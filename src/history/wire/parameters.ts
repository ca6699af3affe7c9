import { DuckDBDateValue, type DuckDBPreparedStatement, DuckDBTimestampValue, DuckDBTypeId } from '@duckdb/node-api'
import type { Asker } from '../sql.js'
import { WireError } from './errors.js'
import { duckTypeOfOid, since2000, wireType } from './types.js'

/** What DuckDB says of a type that it can't tell yet. */
const unknown: ReadonlySet<DuckDBTypeId> = new Set([DuckDBTypeId.INVALID, DuckDBTypeId.ANY, DuckDBTypeId.SQLNULL])

export const isUnknown = (type: DuckDBTypeId): boolean => unknown.has(type)

/** DuckDB can't tell what a statement answers while it doesn't know what a parameter is: it is told, as the client said, or as text. */
export const withTypes = (sql: string, prepared: DuckDBPreparedStatement, oids: readonly number[]): string => {
  const missing = Array.from({ length: prepared.parameterCount }, (_, i) => i).filter((i) =>
    isUnknown(prepared.parameterTypeId(i + 1)),
  )
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
  isUnknown(prepared.parameterTypeId(i + 1)) ? duckTypeOfOid(oids[i] ?? 0) : `${prepared.parameterType(i + 1)}`

export const oidOfParameter = (prepared: DuckDBPreparedStatement, i: number): number =>
  isUnknown(prepared.parameterTypeId(i + 1)) ? 25 : wireType(prepared.parameterTypeId(i + 1)).oid

/** Gives the statement its parameters, as texts; `undefined` for null. `asker`: who reads them as what they are. Throws `WireError`, and what DuckDB says. */
export const bindAll = async (
  prepared: DuckDBPreparedStatement,
  parameters: readonly (string | undefined)[],
  oids: readonly number[],
  asker: Pick<Asker, 'cast'>,
): Promise<void> => {
  if (prepared.parameterCount !== parameters.length) {
    throw new WireError('08P01', `the statement takes ${prepared.parameterCount} parameters, and ${parameters.length} are given`)
  }
  for (const [i, value] of parameters.entries()) {
    const type = parameterType(prepared, i, oids)
    if (value === undefined) prepared.bindNull(i + 1)
    else if (type === 'VARCHAR') prepared.bindVarchar(i + 1, value)
    else prepared.bindValue(i + 1, await asker.cast(type.endsWith('[]') ? value.replace(/^\{(.*)\}$/s, '[$1]') : value, type))
  }
}

/** A parameter as text, whichever form it came in; `undefined` for null. Throws `RangeError` for a form that isn't known. */
export const decodeParameter = (bytes: Buffer, oid: number, binary: boolean): string => {
  if (!binary) return bytes.toString('utf8')
  switch (oid) {
    case 16:
      return bytes[0] ? 'true' : 'false'
    case 21:
      return `${bytes.readInt16BE()}`
    case 23:
    case 26:
      return `${bytes.readInt32BE()}`
    case 20:
      return `${bytes.readBigInt64BE()}`
    case 700:
      return `${bytes.readFloatBE()}`
    case 701:
      return `${bytes.readDoubleBE()}`
    case 1082:
      return new DuckDBDateValue(bytes.readInt32BE() + 10_957).toString()
    case 1114:
      return new DuckDBTimestampValue(bytes.readBigInt64BE() + since2000).toString()
    case 1184:
      return `${new DuckDBTimestampValue(bytes.readBigInt64BE() + since2000).toString()}+00`
    case 1700:
      return decimalOf(bytes)
    case 1005:
    case 1007:
    case 1009:
    case 1015:
    case 1016:
    case 1022:
    case 1231:
      return arrayOf(bytes)
    case 0:
    case 25:
    case 1043:
    case 114:
    case 19:
    case 705:
      return bytes.toString('utf8')
    default:
      throw new RangeError(`a parameter of type ${oid} is only understood as text`)
  }
}

/** The text of a numeric: its digits come in groups of four, of which `weight` + 1 stand before the point. Throws `RangeError` for NaN and infinity. */
const decimalOf = (bytes: Buffer): string => {
  const [count, weight, sign, scale] = [bytes.readInt16BE(0), bytes.readInt16BE(2), bytes.readUInt16BE(4), bytes.readInt16BE(6)]
  if (sign !== 0 && sign !== 0x4000) throw new RangeError('a number that is none, or infinite, is not understood')
  const group = (place: number): string => {
    const i = weight - place
    return `${i >= 0 && i < count ? bytes.readInt16BE(8 + 2 * i) : 0}`.padStart(4, '0')
  }
  const whole = Array.from({ length: Math.max(weight + 1, 1) }, (_, i) => group(Math.max(weight, 0) - i)).join('')
  const fraction = Array.from({ length: Math.ceil(scale / 4) }, (_, i) => group(-1 - i))
    .join('')
    .slice(0, scale)
  return `${sign ? '-' : ''}${whole.replace(/^0+(?=\d)/, '')}${scale > 0 ? `.${fraction}` : ''}`
}

/** An array of one dimension as a text of JSON's form, which DuckDB reads as a list. Throws `RangeError` for more dimensions. */
const arrayOf = (bytes: Buffer): string => {
  const dimensions = bytes.readInt32BE(0)
  if (dimensions === 0) return '[]'
  if (dimensions > 1) throw new RangeError('an array of more than one dimension is not understood')
  const oid = bytes.readInt32BE(8)
  const items: string[] = []
  let at = 20
  for (let left = bytes.readInt32BE(12); left > 0; left--) {
    const length = bytes.readInt32BE(at)
    at += 4
    const value = length < 0 ? undefined : decodeParameter(bytes.subarray(at, at + length), oid, true)
    if (length > 0) at += length
    items.push(value === undefined ? 'NULL' : oid === 25 || oid === 1043 ? `'${value.replaceAll("'", "\\'")}'` : value)
  }
  return `[${items.join(', ')}]`
}
