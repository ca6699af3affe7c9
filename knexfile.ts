import { join } from 'node:path'
import knex from 'knex'
import { joinEmbedded } from './src/embedded/index.js'
import { startPostgres } from './src/embedded/postgres/server.js'
import { readConfig } from './src/platform/config.js'
import { migrationSettings } from './src/platform/database.js'
import { holdLock } from './src/platform/folder-lock.js'

/**
 * For the knex command line (`npm run knex -- migrate:list`): DATABASE_URL, else the Postgres of the instance that runs on the data
 * folder, else the embedded one, which ends with the command.
 */
export default async () => {
  const config = readConfig()
  const connection = config.databaseUrl ?? (await embedded(config))
  const client = knex({ client: 'pg', connection })
  // Where knex keeps its own tables, before it looks for them.
  await client.raw('create schema if not exists ??', [migrationSettings.schemaName])
  await client.destroy()
  return { client: 'pg', connection, migrations: migrationSettings }
}

const embedded = async (config: ReturnType<typeof readConfig>): Promise<string> => {
  const joined = await joinEmbedded(config)
  if (joined) return joined.databaseUrl
  await holdLock(config.data)
  return (await startPostgres({ folder: join(config.data, 'postgres') })).url
}
