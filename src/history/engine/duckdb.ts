import { rmdirSync, rmSync } from 'node:fs'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
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

/** What queries may take of the disk, which is the shop's too. */
const mostSpilled = '10GB'

let opened = 0

/** A DuckDB in memory, which puts what does not fit there into a folder of its own in `spill`. Times are in UTC. */
export const openDuck = async ({ memory, threads }: DuckLimits, spill: string): Promise<Duck> => {
  // Two that shared a folder would write over each other's files.
  const folder = join(spill, `${process.pid}-${++opened}`)
  await mkdir(folder, { recursive: true })
  await removeLeft(spill)
  const instance = await DuckDBInstance.create(':memory:', {
    memory_limit: memory,
    threads: `${threads}`,
    temp_directory: folder,
    max_temp_directory_size: mostSpilled,
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
  })
  const connection = await instance.connect()
  await connection.run("set global TimeZone = 'UTC'")
  connection.closeSync()
  const close = (): void => {
    instance.closeSync()
    rmSync(folder, { recursive: true, force: true })
    try {
      rmdirSync(spill)
    } catch {
      // It is another's, too, or gone.
    }
  }
  return { connect: () => instance.connect(), close }
}

/** Removes what processes that were killed have left there. */
const removeLeft = async (spill: string): Promise<void> => {
  for (const name of await readdir(spill)) {
    if (!isRunning(Number.parseInt(name, 10))) await rm(join(spill, name), { recursive: true, force: true })
  }
}

const isRunning = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    // Another user's, or no number at all.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** A text as SQL writes it. */
export const quotedText = (text: string): string => `'${text.replaceAll("'", "''")}'`

/** A name as SQL writes it. */
export const quotedName = (name: string): string => `"${name.replaceAll('"', '""')}"`
