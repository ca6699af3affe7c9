import { quotedText } from './engine/duckdb.js'
import type { HistoryFilter } from './engine/filter.js'
import { checkFilter } from './engine/filter.js'
import type { Place } from './engine/range.js'

export type Period = 'hour' | 'day'

/**
 * How many events of which type there were in each period (UTC), as a statement for the history's SQL: columns `period`, `type` and `events`.
 * Throws `UnknownName`.
 */
export const statsSql = (filter: HistoryFilter, by: Period): string => {
  checkFilter(filter)
  const { types, stream, actor, correlation, from, to } = filter
  const conditions = [
    types && `type in (${types.map(quotedText).join(', ')})`,
    stream !== undefined && `starts_with(stream, ${quotedText(stream)})`,
    actor !== undefined && `actor = ${quotedText(actor)}`,
    correlation !== undefined && `correlation = ${quotedText(correlation)}`,
    from && bound(from, '>='),
    to && bound(to, '<'),
  ].filter((one) => typeof one === 'string')
  const where = conditions.length > 0 ? `where ${conditions.join(' and ')}` : ''
  return `select strftime(date_trunc('${by}', "at" at time zone 'UTC'), '%Y-%m-%dT%H:%M:%SZ') as period, type, count(*) as events
    from events ${where} group by all order by all`
}

const bound = (place: Place, operator: string): string =>
  'position' in place ? `position ${operator} ${place.position}` : `"at" ${operator} timestamptz ${quotedText(place.time)}`
