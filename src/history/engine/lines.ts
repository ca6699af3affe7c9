import type { EventTable } from './columns.js'
import type { HistoryEvent } from './event.js'

/** An event as a line of JSON, whatever its type. */
export const historyLine = ({
  id,
  position,
  stream,
  revision,
  type,
  at,
  actor,
  correlation,
  data,
  text = JSON.stringify(data),
}: HistoryEvent): string =>
  `{"position":${position},"stream":${JSON.stringify(stream)},"revision":${revision},"type":${JSON.stringify(type)},"at":${JSON.stringify(at)},` +
  `"actor":${textOrNull(actor)},"correlation":${textOrNull(correlation)},"id":"${id}","data":${text}}\n`

const textOrNull = (text: string | undefined): string => (text === undefined ? 'null' : JSON.stringify(text))

/** An event as a line of JSON, with what the files of columns hold of it. */
export const columnarLine = ({
  position,
  stream,
  category,
  revision,
  type,
  at,
  actor,
  correlation,
  data,
  text = JSON.stringify(data),
}: HistoryEvent): string =>
  `{"position":${position},"stream":${JSON.stringify(stream)},"category":${JSON.stringify(category)},"revision":${revision},` +
  `"type":${JSON.stringify(type)},"at":${JSON.stringify(at)},"actor":${textOrNull(actor)},"correlation":${textOrNull(correlation)},` +
  `"data":${text}}\n`

/** The event as a line of JSON with a value for each column of its type. */
export const flatLine = ({ columns }: EventTable, event: HistoryEvent): string => {
  const values = columns.map((column) => `"${column.name}":${JSON.stringify(cellOf(column, event)) ?? 'null'}`)
  return `{${values.join(',')}}\n`
}

export const csvHeader = ({ columns }: EventTable): string => `${columns.map(({ name }) => name).join(',')}\n`

/** The event as a line of CSV (RFC 4180); what has no value is empty, a list is JSON. */
export const csvLine = ({ columns }: EventTable, event: HistoryEvent): string =>
  `${columns.map((column) => csvValue(cellOf(column, event))).join(',')}\n`

const csvValue = (value: unknown): string => {
  if (value === undefined || value === null) return ''
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  // An empty text is not the same as none.
  return text === '' || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

const cellOf = ({ name, field }: EventTable['columns'][number], event: HistoryEvent): unknown => {
  if (field !== undefined) return event.data[field]
  if (name === 'position') return Number(event.position)
  return event[name as 'stream' | 'revision' | 'at' | 'actor' | 'correlation']
}
