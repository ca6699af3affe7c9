import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream, rmSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { connectStore } from '../../eventstore/client.js'
import { connectDatabase } from '../../platform/database.js'
import { writeResult } from '../result.js'
import { openSql, type Sql, type SqlOptions } from '../sql.js'
import { notAnswered } from './errors.js'
import { type Answering, answering, NotAnswered, type Question, question } from './question.js'

/** Questions that are answered at the same time, which share the memory and the threads. */
const atOnce = 4

/**
 * The process in which `client.ts` has its questions answered: DuckDB may take its memory and its cores here, and be ended with it, and the
 * shop is not slowed. It listens on a socket in a folder that is its user's alone, and ends with the process that started it.
 */
const serve = async ({ socket, eventstoreUrl, databaseUrl, storeId, folder, ...rest }: Answering): Promise<void> => {
  const store = connectStore(eventstoreUrl)
  const database = connectDatabase(databaseUrl, { connections: 2, applicationName: 'tillroll history', onWarning: warn })
  const options: SqlOptions = { source: { store, storeId, folder }, database, ...rest }
  const shared = await openSql(options)
  let asked = 0
  const server = createServer(async (request, response) => {
    asked++
    try {
      await answer(options, shared, asked > atOnce, request, response)
    } catch (error) {
      tell(response, error)
    } finally {
      asked--
    }
  })
  server.requestTimeout = 0
  server.listen(socket)
  await once(server, 'listening')
}

/** What nobody who asked can do anything about: the process that started this one has a log. */
const warn = (message: string): void => void process.send?.({ warning: message })

const answer = async (
  options: SqlOptions,
  shared: Sql,
  tooMany: boolean,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> => {
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  let body = ''
  for await (const chunk of request.setEncoding('utf8')) body += chunk
  if (tooMany) throw new NotAnswered(503, `${atOnce} questions are being answered already; try again in a moment`)
  const asked = question.parse(JSON.parse(body))
  const sql = asked.personal ? await openSql({ ...options, personal: true }) : shared
  try {
    await sql.refresh(asked.sql, gone.signal)
    await (asked.format === 'parquet' ? sendParquet : sendText)(sql, asked, response, gone.signal)
  } finally {
    if (asked.personal) await sql.close()
  }
}

const sendText = async (
  sql: Sql,
  { sql: statement, format }: Question,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> => {
  const asker = await sql.connect()
  try {
    const rows = await asker.query(statement, signal)
    response.writeHead(200)
    await writeResult(rows, format === 'json' ? 'json' : 'csv', async (text) => {
      if (!response.write(text)) await once(response, 'drain', { signal })
    })
    response.end()
  } finally {
    asker.close()
  }
}

/** Through a file, for DuckDB writes no other Parquet; a part of one is worth nothing. */
const sendParquet = async (
  sql: Sql,
  { sql: statement }: Question,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> => {
  const path = join(sql.scratch, `${randomUUID()}.parquet`)
  try {
    await sql.toParquet(statement, path, signal)
    response.writeHead(200)
    await pipeline(createReadStream(path), response)
  } finally {
    await rm(path, { force: true })
  }
}

/** An answer that has begun can't say any more what went wrong: it breaks off, so that nobody takes it for whole. */
const tell = (response: ServerResponse, error: unknown): void => {
  if (response.destroyed) return
  const { status, message } = notAnswered(error)
  if (status === 500) warn((error as Error).stack ?? String(error))
  if (response.headersSent) response.destroy()
  else response.writeHead(status).end(message)
}

process.once('message', (message) => {
  const settings = answering.parse(message)
  process.once('disconnect', () => {
    rmSync(dirname(settings.socket), { recursive: true, force: true })
    process.exit(0)
  })
  serve(settings).then(
    () => process.send!('ready'),
    (error: Error) => process.send!(error.message, () => process.exit(1)),
  )
})
