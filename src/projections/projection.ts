import type { Knex } from 'knex'
import type { DomainEvent } from '../domain/decider.js'
import type { Id } from '../domain/ids.js'

/**
 * A read model: one row is the fold of one stream. The engine does all the I/O, the same for live, rebuild and "as of", and adds the
 * columns `stream_id`, `revision` and `position`.
 */
export type Projection<Row extends object, Event extends DomainEvent> = {
  /** The table's name; its generations are `<name>_<generation>`. */
  readonly name: string
  /** Raised with every change of the columns or of what the fold answers: rows of another version are built anew. */
  readonly version: number
  /** The streams it folds: `order` for `order-<id>`. */
  readonly category: string
  readonly columns: (table: Knex.CreateTableBuilder) => void
  /** What the lists need; made after a bulk load. `name` is unique within the projection, `on` is what follows the table in `create index`. */
  readonly indexes?: readonly { readonly name: string; readonly on: string }[]
  /**
   * The row after the event; `undefined` for no row. Pure. Throws on what it can't take, which parks the stream. A type that it doesn't
   * know (a newer release's) leaves the row as it is.
   */
  readonly evolve: (row: Row | undefined, event: Event) => Row | undefined
}

/** A projection whose row and events nobody needs to know: what the engine works with. */
export type AnyProjection = Projection<Record<string, unknown>, DomainEvent>

export const projection = <Row extends object, Event extends DomainEvent>(
  definition: Projection<Row, Event>,
): Projection<Row, Event> => definition

/** The engine hands a fold only events of its category and rows that it made itself, so it may forget their types. */
export const anyProjection = <Row extends object, Event extends DomainEvent>(definition: Projection<Row, Event>): AnyProjection =>
  definition as unknown as AnyProjection

/** `order` of `order-<id>`; of a name without a dash, all of it. */
export const categoryOf = (streamId: string): string => {
  const dash = streamId.indexOf('-')
  return dash < 0 ? streamId : streamId.slice(0, dash)
}

/** Whether a stream is of the category, as `categoryOf` says: told without making a string of each stream's. */
export const inCategory = (category: string): ((streamId: string) => boolean) => {
  const prefix = `${category}-`
  return (streamId) => streamId.startsWith(prefix) || streamId === category
}

/** What follows the category: the id, as domain and HTTP know it. */
export const idOfStream = (streamId: string): Id => streamId.slice(streamId.indexOf('-') + 1) as Id
