import { InvalidArgumentError } from 'commander'
import { loadFile } from '../../../history/engine/analyst-file.js'
import type { HistoryFilter } from '../../../history/engine/filter.js'
import { justAfter } from '../../../history/engine/moment.js'
import { assertZone, type Every } from '../../../history/engine/periods.js'
import type { Place } from '../../../history/engine/range.js'
import { foldOf, replay } from '../../../history/replay.js'
import { writeWhole } from '../../../platform/files.js'
import { barsOf, chartOf, svgOf } from '../../chart.js'
import type { Instance } from '../../instance.js'
import { table } from '../../table.js'
import { historyOf, remarkOn } from './source.js'
import { plain, shortValue } from './words.js'

type Flags = Omit<HistoryFilter, 'types'> & {
  readonly type?: readonly string[]
  readonly asOf?: Place
  readonly every?: Every
  readonly tz?: string
  readonly plot?: string | true
  readonly format: 'json' | 'table'
}

type Row = { readonly [column: string]: unknown }

/** What can be found wrong before the shop is asked. Throws `UnusableFile` and `UnknownName`. */
export const prepareReplay = async (path: string, { asOf, to, tz, plot }: Pick<Flags, 'asOf' | 'to' | 'tz' | 'plot'>) => {
  if (asOf && to) throw new InvalidArgumentError('give --to or --as-of, not both')
  if (typeof plot === 'string' && !/\.(svg|png)$/i.test(plot))
    throw new InvalidArgumentError(
      `${plot} is no file for a chart: give it a name that ends in .svg or .png, or none for the terminal`,
    )
  if (tz !== undefined) assertZone(tz)
  return foldOf(await loadFile(path))
}

export const replayFile = async (
  instance: Instance,
  fold: Awaited<ReturnType<typeof prepareReplay>>,
  flags: Flags,
): Promise<void> => {
  const { type: types, asOf, every, tz: zone, plot, format, ...rest } = flags
  const { from, to } = rest
  const filter: HistoryFilter = { ...rest, types, to: asOf ? justAfter(asOf) : to }
  const source = historyOf(instance)
  await remarkOn(source, { from, to: asOf ?? to }, asOf ? '--as-of' : '--to')
  const found: { period?: string; value: unknown }[] = []
  const onLate = (events: number): void => {
    process.stderr.write(`${events} events came later than their ${every}: they are in the one in which they came\n`)
  }
  for await (const { period, value } of replay(source, fold, { filter, every, zone, signal: instance.signal, onLate })) {
    found.push({ ...(period && { period: period.label }), value: plain(value) })
  }
  const rows = found.flatMap(({ period, value }) => rowsOf(value).map((row) => (period === undefined ? row : { period, ...row })))
  if (plot !== undefined) await draw(rows, plot, { title: fold.file.name, every })
  if (plot !== true) process.stdout.write(format === 'json' ? jsonOf(every ? rows : found[0]!.value) : tableOf(rows))
}

const draw = async (
  rows: readonly Row[],
  plot: string | true,
  { title, every }: { readonly title: string; readonly every: Every | undefined },
): Promise<void> => {
  const chart = chartOf(title, rows, every && 'period')
  if (plot === true) return void process.stdout.write(barsOf(chart))
  const svg = svgOf(chart, every ? 'lines' : 'bars')
  await writeWhole(plot, /png$/i.test(plot) ? (await import('../../png.js')).pngOf(svg) : svg, 0o644)
  process.stderr.write(`the chart is in ${plot}\n`)
}

/** A list is a row each, anything else one row; what has no columns is a value. */
export const rowsOf = (value: unknown): readonly Row[] => {
  if (Array.isArray(value)) return value.map(rowOf)
  return value === undefined ? [] : [rowOf(value)]
}

const rowOf = (value: unknown): Row =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Row) : { value }

/** A list, an element a line. */
const jsonOf = (value: unknown): string =>
  Array.isArray(value) && value.length > 0
    ? `[\n${value.map((one) => JSON.stringify(one)).join(',\n')}\n]\n`
    : `${JSON.stringify(value ?? null)}\n`

export const tableOf = (rows: readonly Row[]): string => {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))]
  if (columns.length === 0) return 'nothing came of it\n'
  const cell = (value: unknown): string | number => {
    if (typeof value === 'number' || typeof value === 'string') return value
    return value === undefined || value === null ? '' : shortValue(value)
  }
  return `${table(
    columns,
    rows.map((row) => columns.map((column) => cell(row[column]))),
  )}\n`
}
