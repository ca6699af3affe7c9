import type { Migration } from './migration.js'

/** The leases; see `platform/lease.ts`. */
export const platform: Migration = {
  name: '0001_platform',
  up: async (knex) => {
    await knex.schema.withSchema('tillroll').createTable('lease', (table) => {
      table.text('name').primary()
      table.text('holder').notNullable()
      table.bigint('epoch').notNullable()
      table.timestamp('expires_at').notNullable()
    })
  },
  down: async (knex) => {
    await knex.schema.withSchema('tillroll').dropTable('lease')
  },
}
