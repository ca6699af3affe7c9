import {
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBListValue,
  DuckDBMapValue,
  DuckDBStructValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  type DuckDBValue,
} from '@duckdb/node-api'

/** A value as JSON has it: a number that JSON's readers would round is a text, so is what JSON has no kind for; times are in RFC 3339. */
export const asJson = (value: DuckDBValue): unknown => {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : `${value}`
  if (value instanceof DuckDBDecimalValue) return decimal(value)
  if (value instanceof DuckDBTimestampTZValue) return isoOf(value.micros)
  if (value instanceof DuckDBTimestampValue) return isoOf(value.micros)?.slice(0, -1) ?? String(value)
  if (value instanceof DuckDBListValue) return value.items.map(asJson)
  if (value instanceof DuckDBStructValue)
    return Object.fromEntries(Object.entries(value.entries).map(([name, one]) => [name, asJson(one)]))
  if (value instanceof DuckDBMapValue)
    return value.entries.map(({ key, value: one }) => ({ key: asJson(key), value: asJson(one) }))
  return String(value)
}

/** A value as a line of CSV, a cell of a table, or a message of Postgres has it; `undefined` for none. */
export const asText = (value: DuckDBValue): string | undefined => {
  if (value === null) return undefined
  if (
    typeof value === 'object' &&
    (value instanceof DuckDBListValue || value instanceof DuckDBStructValue || value instanceof DuckDBMapValue)
  ) {
    return JSON.stringify(asJson(value))
  }
  if (value instanceof DuckDBTimestampTZValue) return isoOf(value.micros) ?? String(value)
  if (value instanceof DuckDBDateValue || value instanceof DuckDBDecimalValue) return value.toString()
  return String(value)
}

const decimal = (value: DuckDBDecimalValue): number | string => {
  const text = value.toString()
  return text.replaceAll(/[-.]|^0+/g, '').length <= 15 ? Number(text) : text
}

const furthest = 8_640_000_000_000_000n

/** Microseconds since 1970, as RFC 3339; `undefined` for what is no time, such as infinity. */
const isoOf = (micros: bigint): string | undefined => {
  const milliseconds = micros / 1_000n
  if (milliseconds > furthest || milliseconds < -furthest) return undefined
  const text = new Date(Number(milliseconds)).toISOString()
  const rest = micros % 1_000n
  return rest === 0n ? text : text.replace('Z', `${(rest < 0n ? rest + 1_000n : rest).toString().padStart(3, '0')}Z`)
}
