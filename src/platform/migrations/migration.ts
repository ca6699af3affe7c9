import type { Knex } from 'knex'

/** A step of the tables' history, run once, in a transaction. */
export type Migration = {
  readonly name: string
  readonly up: (knex: Knex) => Promise<void>
  readonly down: (knex: Knex) => Promise<void>
}
