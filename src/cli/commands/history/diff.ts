import { projectionNamed } from '../../../history/blame.js'
import { diff, type ProjectionDiff, type RequestChanges } from '../../../history/diff.js'
import type { Place } from '../../../history/engine/range.js'
import { placeAsJson } from '../../../history/engine/range.js'
import type { Instance } from '../../instance.js'
import { historyOf, remarkOn } from './source.js'
import { jsonText, shortValue } from './words.js'

type Flags = {
  readonly from: Place
  readonly to?: Place
  readonly projection?: string
  readonly withPersonalData?: true
  readonly json?: true
}

/** Throws `UnknownName` for the projection, and where the moments are the wrong way round. */
export const showDiff = async (instance: Instance, flags: Flags): Promise<void> => {
  const {
    from,
    to = { time: new Date().toISOString() },
    projection: name,
    withPersonalData: personal = false,
    json = false,
  } = flags
  const projection = name === undefined ? undefined : projectionNamed(name)
  const source = historyOf(instance)
  await remarkOn(source, { from, to: flags.to })
  const found = await diff(source, from, to, { projection, personal, signal: instance.signal })
  if (json) {
    process.stdout.write(`${jsonText({ from: placeAsJson(from), to: placeAsJson(to), projections: found })}\n`)
    return
  }
  process.stdout.write(found.map(diffWords).join('\n'))
}

/** For people. */
export const diffWords = ({ projection, made, changed, gone, requests, parked }: ProjectionDiff): string =>
  [
    `${projection}: ${made} made, ${changed} changed, ${gone} gone\n`,
    ...requests.map(requestWords),
    ...parked.map(({ stream, error }) => `  ${stream} is parked, so its row stands still: ${error}\n`),
  ].join('')

const requestWords = ({ at, actor, correlation, position, events, rows }: RequestChanges): string => {
  const head = `  ${at}  ${events.join(', ')}  by ${actor ?? 'unknown'}  position ${position}, request ${correlation ?? 'unknown'}\n`
  const lines = rows.map(({ id, change, columns }) =>
    change === 'gone'
      ? `    ${id} is gone\n`
      : [
          `    ${id}${change === 'made' ? ' is new' : ''}\n`,
          ...columns.map(({ column, before, after }) =>
            change === 'made'
              ? `      ${column}: ${shortValue(after)}\n`
              : `      ${column}: ${shortValue(before)} -> ${shortValue(after)}\n`,
          ),
        ].join(''),
  )
  return `${head}${lines.join('')}`
}
