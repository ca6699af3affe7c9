import {
  type DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  type DuckDBType,
  DuckDBTypeId,
  type DuckDBValue,
} from '@duckdb/node-api'
import { asText } from '../engine/values.js'

/** What Postgres calls a type: its number, and the bytes of a value, −1 where they differ. */
export type WireType = { readonly oid: number; readonly size: number }

const texts: WireType = { oid: 25, size: -1 }
const numeric: WireType = { oid: 1700, size: -1 }

const byId: { readonly [id: number]: WireType } = {
  [DuckDBTypeId.BOOLEAN]: { oid: 16, size: 1 },
  [DuckDBTypeId.TINYINT]: { oid: 21, size: 2 },
  [DuckDBTypeId.SMALLINT]: { oid: 21, size: 2 },
  [DuckDBTypeId.UTINYINT]: { oid: 21, size: 2 },
  [DuckDBTypeId.INTEGER]: { oid: 23, size: 4 },
  [DuckDBTypeId.USMALLINT]: { oid: 23, size: 4 },
  [DuckDBTypeId.BIGINT]: { oid: 20, size: 8 },
  [DuckDBTypeId.UINTEGER]: { oid: 20, size: 8 },
  [DuckDBTypeId.HUGEINT]: numeric,
  [DuckDBTypeId.UHUGEINT]: numeric,
  [DuckDBTypeId.UBIGINT]: numeric,
  [DuckDBTypeId.DECIMAL]: numeric,
  [DuckDBTypeId.FLOAT]: { oid: 700, size: 4 },
  [DuckDBTypeId.DOUBLE]: { oid: 701, size: 8 },
  [DuckDBTypeId.DATE]: { oid: 1082, size: 4 },
  [DuckDBTypeId.TIMESTAMP]: { oid: 1114, size: 8 },
  [DuckDBTypeId.TIMESTAMP_TZ]: { oid: 1184, size: 8 },
  [DuckDBTypeId.LIST]: { oid: 114, size: -1 },
  [DuckDBTypeId.STRUCT]: { oid: 114, size: -1 },
  [DuckDBTypeId.MAP]: { oid: 114, size: -1 },
}

/** A list or a struct is JSON; what Postgres has no type for is text. */
export const wireType = (type: DuckDBType | DuckDBTypeId): WireType =>
  byId[typeof type === 'number' ? type : type.typeId] ?? texts

/** DuckDB's name of a type that a client names by its number. */
export const duckTypeOfOid = (oid: number): string => duckTypes[oid] ?? 'VARCHAR'

const duckTypes: { readonly [oid: number]: string } = {
  16: 'BOOLEAN',
  20: 'BIGINT',
  21: 'SMALLINT',
  23: 'INTEGER',
  26: 'BIGINT',
  700: 'FLOAT',
  701: 'DOUBLE',
  1082: 'DATE',
  1114: 'TIMESTAMP',
  1184: 'TIMESTAMPTZ',
  1700: 'DECIMAL(38, 10)',
}

/** A value as Postgres writes it, as text or in its binary form; `undefined` for null. */
export const encode = (value: DuckDBValue, { oid }: WireType, binary: boolean): Buffer | undefined => {
  if (value === null) return undefined
  if (binary) return binaryOf(value, oid)
  if (typeof value === 'boolean') return Buffer.from(value ? 't' : 'f')
  // Postgres's own way of writing a time, which every driver reads.
  if (value instanceof DuckDBTimestampTZValue || value instanceof DuckDBTimestampValue) return Buffer.from(value.toString())
  return Buffer.from(asText(value) ?? '')
}

/** Microseconds from 1970 to 2000, where Postgres begins to count. */
export const since2000 = 946_684_800_000_000n

const binaryOf = (value: DuckDBValue, oid: number): Buffer => {
  switch (oid) {
    case 16:
      return Buffer.from([value ? 1 : 0])
    case 21:
      return written(2, (bytes) => bytes.writeInt16BE(Number(value)))
    case 23:
      return written(4, (bytes) => bytes.writeInt32BE(Number(value)))
    case 20:
      return written(8, (bytes) => bytes.writeBigInt64BE(BigInt(value as bigint)))
    case 700:
      return written(4, (bytes) => bytes.writeFloatBE(Number(value)))
    case 701:
      return written(8, (bytes) => bytes.writeDoubleBE(Number(value)))
    case 1082:
      return written(4, (bytes) => bytes.writeInt32BE((value as DuckDBDateValue).days - 10_957))
    case 1114:
    case 1184:
      return written(8, (bytes) => bytes.writeBigInt64BE((value as DuckDBTimestampTZValue).micros - since2000))
    case 1700:
      return numericOf(value instanceof DuckDBDecimalValue ? value.toString() : String(value))
    default:
      return Buffer.from(asText(value) ?? '')
  }
}

const written = (size: number, write: (bytes: Buffer) => void): Buffer => {
  const bytes = Buffer.alloc(size)
  write(bytes)
  return bytes
}

/** A numeric's digits in groups of four, as Postgres sends them. */
const numericOf = (text: string): Buffer => {
  const negative = text.startsWith('-')
  const [whole = '', fraction = ''] = text.replace('-', '').split('.')
  const head = whole.padStart(Math.ceil(whole.length / 4) * 4, '0')
  const groups = (head + fraction.padEnd(Math.ceil(fraction.length / 4) * 4, '0')).match(/.{4}/g)?.map(Number) ?? []
  let weight = head.length / 4 - 1
  while (groups.length > 0 && groups[0] === 0) {
    groups.shift()
    weight--
  }
  while (groups.at(-1) === 0) groups.pop()
  return written(8 + 2 * groups.length, (bytes) => {
    bytes.writeInt16BE(groups.length, 0)
    bytes.writeInt16BE(groups.length === 0 ? 0 : weight, 2)
    bytes.writeUInt16BE(negative ? 0x4000 : 0, 4)
    bytes.writeInt16BE(fraction.length, 6)
    for (const [i, group] of groups.entries()) bytes.writeInt16BE(group, 8 + 2 * i)
  })
}
