import type { Knex } from 'knex'
import type { Migration } from './migration.js'

/**
 * What the projection engine keeps beside the read models, whose tables it makes itself, a new one for each generation.
 *
 * `checkpoint`: up to where every live row is folded, in one row. `generations` holds for each projection the live generation and
 * those that are fed beside it; `changes` counts whatever a reader of this row may have remembered and must learn anew.
 * `generation`: every table there is; one that is not fed stands at its own positions, a part at a time.
 * `quarantine`: streams that are parked.
 */
const up = async (knex: Knex): Promise<void> => {
  // A schema builder runs again what it has run already.
  const schema = () => knex.schema.withSchema('tillroll')
  await schema().createTable('checkpoint', (table) => {
    table.text('name').primary()
    table.text('store_id').notNullable()
    table.bigInteger('commit_position')
    table.bigInteger('prepare_position')
    table.text('event_id')
    table.timestamp('event_created', { useTz: true })
    table.jsonb('generations').notNullable()
    table.bigInteger('changes').notNullable().defaultTo(0)
    table.bigInteger('epoch').notNullable().defaultTo(0)
    table.timestamp('moved_at', { useTz: true }).notNullable().defaultTo(knex.fn.now())
  })
  await schema().createTable('generation', (table) => {
    table.text('projection').notNullable()
    table.integer('generation').notNullable()
    table.integer('version').notNullable()
    table.text('state').notNullable()
    table.boolean('indexed').notNullable().defaultTo(false)
    table.timestamp('created_at', { useTz: true }).notNullable().defaultTo(knex.fn.now())
    table.primary(['projection', 'generation'])
  })
  await schema().createTable('generation_part', (table) => {
    table.text('projection').notNullable()
    table.integer('generation').notNullable()
    table.integer('part').notNullable()
    table.integer('parts').notNullable()
    table.bigInteger('commit_position')
    table.bigInteger('prepare_position')
    table.text('event_id')
    table.bigInteger('events').notNullable().defaultTo(0)
    table.primary(['projection', 'generation', 'part'])
    table
      .foreign(['projection', 'generation'])
      .references(['projection', 'generation'])
      .inTable('tillroll.generation')
      .onDelete('CASCADE')
  })
  await schema().createTable('quarantine', (table) => {
    table.text('projection').notNullable()
    table.integer('generation').notNullable()
    table.text('stream_id').notNullable()
    table.text('error').notNullable()
    table.text('event_id').notNullable()
    table.text('event_type').notNullable()
    table.bigInteger('revision').notNullable()
    table.bigInteger('position').notNullable()
    table.integer('attempts').notNullable().defaultTo(1)
    table.timestamp('first_at', { useTz: true }).notNullable().defaultTo(knex.fn.now())
    table.timestamp('last_at', { useTz: true }).notNullable().defaultTo(knex.fn.now())
    table.primary(['projection', 'generation', 'stream_id'])
  })
}

const down = async (knex: Knex): Promise<void> => {
  // A schema builder runs again what it has run already.
  const schema = () => knex.schema.withSchema('tillroll')
  for (const table of ['quarantine', 'generation_part', 'generation', 'checkpoint']) await schema().dropTableIfExists(table)
}

export const projections: Migration = { name: '0002_projections', up, down }
