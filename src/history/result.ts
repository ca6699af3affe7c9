import { DuckDBDecimalValue, type DuckDBValue } from '@duckdb/node-api'
import type { ResultFormat } from './engine/export-target.js'
import { asJson, asText } from './engine/values.js'
import type { Rows } from './sql.js'

type Write = (text: string) => Promise<void>

/** A table is shown whole or not at all: its widths are those of its widest values. */
const mostRows = 10_000

/** Writes a result as text; only a table keeps its rows in memory, and ends after so many. */
export const writeResult = async (
  { columns, rows }: Rows,
  format: Exclude<ResultFormat, 'parquet'>,
  write: Write,
): Promise<void> => {
  const names = columns.map(({ name }) => name)
  if (format === 'json') return writeJson(names, rows(), write)
  if (format === 'table') return writeTable(names, rows(), write)
  await write(csvLine(names))
  for await (const some of rows()) await write(some.map((row) => csvLine(row.map(asText))).join(''))
}

/** An array, an element a line. */
const writeJson = async (names: readonly string[], rows: ReturnType<Rows['rows']>, write: Write): Promise<void> => {
  let before = '['
  for await (const some of rows) {
    const objects = some.map((row) => JSON.stringify(Object.fromEntries(row.map((value, i) => [names[i]!, asJson(value)]))))
    await write(`${before}\n${objects.join(',\n')}`)
    before = ','
  }
  await write(before === '[' ? '[]\n' : '\n]\n')
}

const csvLine = (values: readonly (string | undefined)[]): string =>
  `${values
    .map((text) => {
      if (text === undefined) return ''
      return text === '' || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
    })
    .join(',')}\n`

const writeTable = async (names: readonly string[], rows: ReturnType<Rows['rows']>, write: Write): Promise<void> => {
  const kept: (readonly DuckDBValue[])[] = []
  let more = false
  for await (const some of rows) {
    kept.push(...some.slice(0, mostRows - kept.length))
    more = kept.length >= mostRows
    if (more) break
  }
  const cells = kept.map((row) => row.map((value) => (asText(value) ?? '').replaceAll(/[\r\n]+/g, ' ')))
  const isNumber = names.map((_, i) => kept.some((row) => row[i] !== null) && kept.every((row) => isNumeric(row[i]!)))
  const widths = names.map((name, i) => cells.reduce((width, row) => Math.max(width, row[i]!.length), name.length))
  const line = (row: readonly string[]): string =>
    row
      .map((text, i) => (isNumber[i] ? text.padStart(widths[i]!) : text.padEnd(widths[i]!)))
      .join(' | ')
      .trimEnd()
  const counted = `(${kept.length} ${kept.length === 1 ? 'row' : 'rows'}${more ? ', and more: --format csv has all' : ''})`
  await write([line(names), widths.map((width) => '-'.repeat(width)).join('-+-'), ...cells.map(line), counted, ''].join('\n'))
}

const isNumeric = (value: DuckDBValue): boolean =>
  value === null || typeof value === 'number' || typeof value === 'bigint' || value instanceof DuckDBDecimalValue
