import { projectionNamed } from '../../../history/blame.js'
import type { RowChange } from '../../../history/diff.js'
import { loadFile } from '../../../history/engine/analyst-file.js'
import type { Place } from '../../../history/engine/range.js'
import { changedFoldOf, type WhatIf, whatIf } from '../../../history/what-if.js'
import type { AnyProjection } from '../../../projections/projection.js'
import type { Instance } from '../../instance.js'
import { table } from '../../table.js'
import { historyOf, remarkOn } from './source.js'
import { jsonText, shortValue } from './words.js'

type Flags = {
  readonly projection: string
  readonly with: string
  readonly asOf?: Place
  readonly limit: number
  readonly withPersonalData?: true
  readonly format: 'json' | 'table'
}

type Asked = { readonly projection: AnyProjection; readonly fold: ReturnType<typeof changedFoldOf> }

/** What can be found wrong before the shop is asked. Throws `UnknownName` and `UnusableFile`. */
export const prepareWhatIf = async (flags: Pick<Flags, 'projection' | 'with'>): Promise<Asked> => {
  const projection = projectionNamed(flags.projection)
  return { projection, fold: changedFoldOf(await loadFile(flags.with), projection) }
}

export const showWhatIf = async (instance: Instance, { projection, fold }: Asked, flags: Flags): Promise<void> => {
  const { asOf, limit, withPersonalData: personal = false, format } = flags
  const source = historyOf(instance)
  await remarkOn(source, { to: asOf }, '--as-of')
  const found = await whatIf(source, projection, fold, { asOf, personal, signal: instance.signal })
  process.stdout.write(format === 'json' ? `${jsonText(found)}\n` : whatIfWords(found, limit))
}

const mostParked = 5

/** For people: how many, in which columns, and the first of the rows. */
export const whatIfWords = (found: WhatIf, limit: number): string => {
  const { projection, rows, rowsThen, same, made, changed, gone, columns, differences, parked } = found
  const counted = Object.entries(columns)
  return [
    `${projection}: ${rows} rows as they are, ${rowsThen} as they would be: ${made} made, ${changed} changed, ${gone} gone, ${same} the same\n`,
    ...parked.slice(0, mostParked).map(({ stream, error }) => `  ${stream} would be parked: ${error}\n`),
    ...(parked.length > mostParked ? [`  and ${parked.length - mostParked} more would be parked\n`] : []),
    ...(counted.length > 0 ? ['\n', table(['column', 'rows changed'], counted), '\n'] : []),
    ...(differences.length > 0
      ? ['\n', table(['id', 'column', 'is', 'would be'], differences.slice(0, limit).flatMap(linesOf)), '\n']
      : []),
    ...(differences.length > limit ? [`and ${differences.length - limit} more: --limit shows more, --format json all\n`] : []),
  ].join('')
}

const linesOf = ({ id, change, columns }: RowChange): readonly (readonly string[])[] =>
  columns.map(({ column, before, after }) => [
    id,
    column,
    change === 'made' ? '' : shortValue(before),
    change === 'gone' ? '' : shortValue(after),
  ])
