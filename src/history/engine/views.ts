import { catalogue } from '../../domain/catalogue.js'
import { readParquet, storedColumns } from './column-files.js'
import { commonColumns, type EventTable, eventTables, typeOf } from './columns.js'
import { quotedName, quotedText } from './duckdb.js'
import { listFromJson, type ReadModel, readModels, rowColumns, shownColumns } from './read-models.js'

/** What can be queried: a view with its columns, and what they mean. */
export type View = {
  readonly name: string
  readonly means: string
  readonly columns: readonly { readonly name: string; readonly type: string; readonly means: string }[]
}

/** The views that a schema has, generated from what the domain says of its events and the read models of their rows. */
export const views = (): readonly View[] => [
  { name: 'events', means: 'everything that ever happened, one row an event', columns: eventsColumns },
  ...eventTables(false).map(({ name, means, columns }) => ({ name, means, columns })),
  ...readModels.map((model) => ({
    name: model.name,
    means: model.means,
    columns: shownColumns(model, false).map(([name, { type, means }]) => ({ name, type, means })),
  })),
]

const meansOf = (name: string): string =>
  commonColumns.find((column) => column.name === name)?.means ??
  {
    category: 'the first part of the stream: user, login, product, cart, order or disclosure',
    type: 'what happened, such as OrderPlaced',
  }[name] ??
  "the event's own fields, as JSON: (data->>'productId') is one of them, in brackets"

const eventsColumns: View['columns'] = storedColumns.map(([name, type]) => ({ name, type, means: meansOf(name) }))

/** The table of what the files leave out of the events' data, where personal data was asked for. */
export const personalTable = 'personal_data'

/** SQL that makes the views of the events over the files; `personal`: with what the table of personal data has of them. */
export const eventViews = (paths: readonly string[], personal: boolean): readonly string[] => {
  const nothing = storedColumns.map(([name, type]) => `null::${type} as ${quotedName(name)}`).join(', ')
  const from = paths.length > 0 ? `select * from ${readParquet(paths)}` : `select ${nothing} where false`
  const events = personal
    ? `select e.* replace (case when p.data is null then e.data else json_merge_patch(e.data, p.data) end as data)
        from (${from}) e left join ${personalTable} p on p.position = e.position`
    : from
  return [`create or replace view events as ${events}`, ...eventTables(personal).map(eventView)]
}

/** SQL that makes the table of personal data, from lines of JSON; without a file, empty. */
export const personalData = (path: string | undefined): string => {
  const lines =
    path && `read_json(${quotedText(path)}, format = 'newline_delimited', columns = {position: 'BIGINT', data: 'JSON'})`
  return `create or replace table ${personalTable} as ${lines ? `from ${lines}` : 'select null::bigint as position, null::json as data where false'}`
}

/** The fields of an event are read from its JSON in one go. */
const eventView = ({ type, name, columns }: EventTable): string => {
  const { fields } = catalogue.get(type)!
  const own = columns.filter(({ field }) => field !== undefined)
  const structure = JSON.stringify(
    Object.fromEntries(own.map(({ field, of }) => [field!, of ? 'JSON' : typeOf(fields[field!]!)])),
  )
  const selected = columns.map((column) => {
    const value = column.field === undefined ? quotedName(column.name) : `d.${quotedName(column.field)}`
    return `${column.of ? listFromJson(value, column.of) : value} as ${quotedName(column.name)}`
  })
  return `create or replace view ${name} as select ${selected.join(', ')}
    from (select *, from_json(data, ${quotedText(structure)}) as d from events where type = ${quotedText(type)})`
}

/** SQL of an empty table for a read model that nobody has asked for yet. */
export const emptyTable = (model: ReadModel, personal: boolean): string => {
  const columns = shownColumns(model, personal).map(([name, { type }]) => `${quotedName(name)} ${type}`)
  return `create or replace table ${model.name} (${columns.join(', ')})`
}

/** The columns of the Postgres table that are copied, and SQL that makes a table of the copy. */
export const copiedTable = (
  model: ReadModel,
  path: string,
  personal: boolean,
): { readonly columns: readonly string[]; readonly sql: string } => {
  const own = shownColumns(model, personal).filter(([name]) => name !== model.id && !(name in rowColumns))
  const types = [
    ...own.map(([name, { type, of }]) => `${quotedName(name)}: ${quotedText(of ? 'JSON' : type)}`),
    ...['stream_id', 'revision', 'position'].map((name) => `${name}: ${name === 'stream_id' ? "'VARCHAR'" : "'BIGINT'"}`),
  ]
  const selected = [
    `substr(stream_id, instr(stream_id, '-') + 1) as ${model.id}`,
    ...own.map(([name, { of }]) => `${of ? listFromJson(quotedName(name), of) : quotedName(name)} as ${quotedName(name)}`),
    'stream_id as stream',
    'revision',
    'position',
  ]
  const read = `read_csv(${quotedText(path)}, header = false, auto_detect = false, delim = ',', quote = '"', escape = '"', nullstr = '',
    allow_quoted_nulls = false, max_line_size = 1000000, columns = {${types.join(', ')}})`
  return {
    columns: [...own.map(([name]) => name), 'stream_id', 'revision', 'position'],
    sql: `create or replace table ${model.name} as select ${selected.join(', ')} from ${read}`,
  }
}
