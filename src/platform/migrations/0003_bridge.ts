import type { Knex } from 'knex'
import type { Migration } from './migration.js'

/**
 * What the bridge keeps; a schema of its own, for it is no read model and is never rebuilt.
 *
 * `topic`: every generation of the topic, in Kafka or here, with the number of partitions that it began with, and what its writer last
 * said of himself. `record`, `partition` (the next free offset) and `progress` (empty before the first record): the topics that are
 * kept here, in place of a broker.
 */
const up = async (knex: Knex): Promise<void> => {
  await knex.raw('create schema if not exists bridge')
  await knex.schema.withSchema('bridge').createTable('topic', (table) => {
    table.text('sink').notNullable()
    table.text('name').notNullable()
    table.integer('partitions').notNullable()
    table.text('state').notNullable()
    table.jsonb('replay')
    table.bigInteger('live_from')
    table.timestamp('created_at', { useTz: true }).notNullable().defaultTo(knex.fn.now())
    table.jsonb('report')
    table.timestamp('reported_at', { useTz: true })
    table.primary(['sink', 'name'])
  })
  await knex.schema.withSchema('bridge').createTable('progress', (table) => {
    table.text('topic').primary()
    table.text('store_id')
    table.bigInteger('commit_position')
    table.bigInteger('prepare_position')
    table.text('event_id')
    table.bigInteger('epoch').notNullable()
    table.timestamp('moved_at', { useTz: true }).notNullable()
  })
  await knex.schema.withSchema('bridge').createTable('partition', (table) => {
    table.text('topic').notNullable()
    table.integer('partition').notNullable()
    table.bigInteger('next_offset').notNullable().defaultTo(0)
    table.primary(['topic', 'partition'])
  })
  await knex.schema.withSchema('bridge').createTable('record', (table) => {
    table.text('topic').notNullable()
    table.integer('partition').notNullable()
    table.bigInteger('offset').notNullable()
    table.text('key').notNullable()
    table.jsonb('headers').notNullable()
    // Not jsonb: the text stays as it was written.
    table.json('value').notNullable()
    table.timestamp('time', { useTz: true }).notNullable()
    table.bigInteger('position').notNullable()
    table.primary(['topic', 'partition', 'offset'])
    // Also the last guard: no event is twice in a topic.
    table.unique(['topic', 'position'])
  })
}

const down = async (knex: Knex): Promise<void> => {
  await knex.raw('drop schema bridge cascade')
}

export const bridge: Migration = { name: '0003_bridge', up, down }
