import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { InvalidArgumentError } from 'commander'
import type { ResultFormat } from '../../../history/engine/export-target.js'
import { statementsOf } from '../../../history/engine/statement.js'
import { views } from '../../../history/engine/views.js'
import { writeResult } from '../../../history/result.js'
import { openSql, QueryEnded, type Sql } from '../../../history/sql.js'
import { isFull } from '../../../platform/files.js'
import type { Instance } from '../../instance.js'
import { createProgress } from '../../progress.js'
import { prompt } from './prompt.js'
import { historyOf } from './source.js'

export type SqlFlags = { readonly format: ResultFormat; readonly out?: string }

/** Every view, its columns and what they mean. */
export const explainSchema = (): void => {
  for (const { name, means, columns } of views()) {
    const width = Math.max(...columns.map((column) => column.name.length))
    const lines = columns.map((column) => `  ${column.name.padEnd(width)}  ${column.type.toLowerCase()}: ${column.means}`)
    process.stdout.write(`${name}: ${means}\n${lines.join('\n')}\n\n`)
  }
}

export const sql = async (instance: Instance, statement: string | undefined, { format, out }: SqlFlags): Promise<void> => {
  if (format === 'parquet' && out === undefined) {
    throw new InvalidArgumentError('Parquet is not written to the terminal: name a file with --out')
  }
  const file = out === undefined ? undefined : resolve(out)
  const partial = file && `${file}.partial`
  const session = await openSession(instance, partial)
  try {
    if (statement === undefined && !process.stdin.isTTY)
      return await runAll(session, await readAll(process.stdin), format, instance.signal)
    if (statement === undefined)
      return await prompt({
        folder: historyOf(instance).folder,
        explainSchema,
        run: (text, signal) => print(session, text, format, signal),
      })
    if (!file || !partial) return await print(session, statement, format, instance.signal)
    await write(session, statement, format, partial, instance.signal)
    await rename(partial, file)
  } catch (error) {
    if (isFull(error)) throw new Error('the disk is full: nothing was written; make room on it, and ask again', { cause: error })
    if (!(error instanceof QueryEnded && error.reason === 'cancelled')) throw error
    process.stderr.write(`${error.message}\n`)
    process.exitCode = 130
  } finally {
    if (partial) await rm(partial, { force: true })
    await session.close()
  }
}

/** Longer than this, and somebody wants to know what is going on. */
const silentFor = 1_000

const openSession = async (instance: Instance, output: string | undefined): Promise<Sql> => {
  const { config, store, database } = instance
  const end = Number((await store.last())?.position ?? 1n)
  const progress = createProgress(false)
  const began = performance.now()
  const session = await openSql({
    source: historyOf(instance),
    database,
    limits: { memory: config.historyMemory, threads: config.historyThreads },
    timeout: config.historyTimeout,
    output,
    onProgress: ({ position, events }) => {
      if (performance.now() - began > silentFor)
        progress.show({ phase: 'reading', events, done: Math.min(1, Number(position) / end) })
    },
  })
  const refresh: Sql['refresh'] = (text, signal) => session.refresh(text, signal).finally(progress.end)
  return { ...session, refresh }
}

const print = async (session: Sql, statement: string, format: ResultFormat, signal: AbortSignal): Promise<void> => {
  // A reader that has seen enough (`| head`) closes the pipe.
  const onError = (error: NodeJS.ErrnoException): never => process.exit(error.code === 'EPIPE' ? 0 : 1)
  process.stdout.once('error', onError)
  await ask(session, statement, format, signal, async (text) => {
    if (!process.stdout.write(text)) await once(process.stdout, 'drain')
  })
  process.stdout.off('error', onError)
}

const write = async (session: Sql, statement: string, format: ResultFormat, path: string, signal: AbortSignal): Promise<void> => {
  if (format === 'parquet') {
    await session.refresh(statement, signal)
    return session.toParquet(statement, path, signal)
  }
  const file = createWriteStream(path)
  await ask(session, statement, format, signal, async (text) => {
    if (!file.write(text)) await once(file, 'drain')
  })
  file.end()
  await once(file, 'finish')
}

const ask = async (
  session: Sql,
  statement: string,
  format: ResultFormat,
  signal: AbortSignal,
  take: (text: string) => Promise<void>,
): Promise<void> => {
  if (format === 'parquet') throw new InvalidArgumentError('Parquet goes into a file: name one with --out')
  await session.refresh(statement, signal)
  const asker = await session.connect()
  try {
    await writeResult(await asker.query(statement, signal), format, take)
  } finally {
    asker.close()
  }
}

/** What another program sends: one statement after another. */
const runAll = async (session: Sql, text: string, format: ResultFormat, signal: AbortSignal): Promise<void> => {
  for (const statement of statementsOf(text)) await print(session, statement, format, signal)
}

const readAll = async (input: AsyncIterable<Buffer | string>): Promise<string> => {
  let text = ''
  for await (const chunk of input) text += chunk
  return text
}
