import { catalogue } from '../../domain/catalogue.js'
import type { EventDescription, Field } from '../../domain/description.js'
import { isShown } from './event.js'

/** A column of an event type's table: where its value is, of which type, and what it means. */
export type Column = {
  readonly name: string
  /** DuckDB's type of it. */
  readonly type: string
  readonly means: string
  /** The field of `data` that it holds; none: it is of the event itself. */
  readonly field?: string
  readonly of?: Field['of']
}

/** `order_placed` of `OrderPlaced`, `customer_id` of `customerId`. */
export const snakeCase = (name: string): string => name.replaceAll(/(?<=[a-z0-9])[A-Z]/g, (letter) => `_${letter}`).toLowerCase()

/** What every event has, whatever its type. */
export const commonColumns: readonly Column[] = [
  {
    name: 'position',
    type: 'BIGINT',
    means: 'the place in the whole history: of two events, the later one has the greater position',
  },
  { name: 'stream', type: 'VARCHAR', means: 'what the event is about, such as order-<id>' },
  { name: 'revision', type: 'BIGINT', means: 'counts the events of the stream, from 0' },
  { name: 'at', type: 'TIMESTAMPTZ', means: 'when it happened' },
  { name: 'actor', type: 'VARCHAR', means: 'the id of the user who did it, or anonymous, or system' },
  { name: 'correlation', type: 'VARCHAR', means: 'the same for everything that one request caused' },
]

const types: { readonly [kind in Exclude<Field['kind'], 'list'>]: string } = {
  id: 'VARCHAR',
  text: 'VARCHAR',
  integer: 'BIGINT',
  cents: 'BIGINT',
}

/** DuckDB's type of a field: a list is one of structs, with names in snake case. */
export const typeOf = ({ kind, of = {} }: Field): string => {
  if (kind !== 'list') return types[kind]
  const fields = Object.entries(of).map(([name, field]) => `${snakeCase(name)} ${typeOf(field)}`)
  return `STRUCT(${fields.join(', ')})[]`
}

const columnsOfFields = ({ fields }: EventDescription, personal: boolean): readonly Column[] =>
  Object.entries(fields)
    .filter(([, field]) => personal || !field.personal)
    .map(([name, field]) => ({
      name: snakeCase(name),
      type: typeOf(field),
      means: field.means,
      field: name,
      ...(field.of && { of: field.of }),
    }))

/** An event type as a table. */
export type EventTable = {
  readonly type: string
  readonly name: string
  readonly means: string
  readonly columns: readonly Column[]
}

/** Every event type that may be shown, in the order of their names; with the columns of personal data, or without. */
export const eventTables = (personal: boolean): readonly EventTable[] =>
  [...catalogue]
    .filter(([type]) => isShown(type, ''))
    .map(([type, described]) => ({
      type,
      name: snakeCase(type),
      means: described.means,
      columns: [...commonColumns, ...columnsOfFields(described, personal)],
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
