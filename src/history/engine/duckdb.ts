import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'

/** What queries may take of the machine. */
export type DuckLimits = {
  /** As DuckDB writes it, such as `512MB`; what needs more goes to the disk, into the folder for it. */
  readonly memory: string
  readonly threads: number
}

export type Duck = {
  readonly connect: () => Promise<DuckDBConnection>
  readonly close: () => void
}

/** A DuckDB in memory, which puts what does not fit there into `spill`. Times are in UTC. */
export const openDuck = async ({ memory, threads }: DuckLimits, spill: string): Promise<Duck> => {
  const instance = await DuckDBInstance.create(':memory:', {
    memory_limit: memory,
    threads: `${threads}`,
    temp_directory: spill,
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
  })
  const connection = await instance.connect()
  await connection.run("set global TimeZone = 'UTC'")
  connection.closeSync()
  return { connect: () => instance.connect(), close: () => instance.closeSync() }
}

/** A text as SQL writes it. */
export const quotedText = (text: string): string => `'${text.replaceAll("'", "''")}'`

/** A name as SQL writes it. */
export const quotedName = (name: string): string => `"${name.replaceAll('"', '""')}"`
