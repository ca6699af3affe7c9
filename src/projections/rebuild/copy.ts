import { once } from 'node:events'
import { finished } from 'node:stream/promises'
import type pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import { jsonText, Unstorable } from '../../platform/sqlstate.js'
import type { Folded } from '../engine/fold.js'
import type { Table } from '../engine/tables.js'

/** Writes rows that the table doesn't have, by far the quickest way. Throws what the database throws on a row that it refuses. */
export const copyRows = async (client: pg.ClientBase, table: Table, rows: readonly Folded[]): Promise<void> => {
  const names = ['stream_id', ...table.columns, 'revision', 'position'].map((name) => `"${name}"`).join(', ')
  const stream = client.query(copyFrom(`copy ${table.name} (${names}) from stdin`))
  const ended = finished(stream)
  try {
    for (const chunk of encoded(table, rows)) {
      if (!stream.write(chunk)) await Promise.race([once(stream, 'drain'), ended])
    }
    stream.end()
  } catch (error) {
    stream.destroy(error as Error)
    await Promise.allSettled([ended])
    throw error
  }
  await ended
}

const chunkSize = 65_536

function* encoded({ columns, json }: Table, rows: readonly Folded[]): Iterable<string> {
  let chunk = ''
  for (const { streamId, row, revision, position } of rows) {
    chunk += escaped(streamId)
    for (const column of columns) chunk += `\t${field(row![column], json.has(column))}`
    chunk += `\t${revision}\t${position}\n`
    if (chunk.length < chunkSize) continue
    yield chunk
    chunk = ''
  }
  if (chunk) yield chunk
}

/** As the value would arrive in JSON, which is how it is written elsewhere: the same rows, also of events that nobody expected. */
const field = (value: unknown, json: boolean): string => {
  if (value === null || value === undefined) return '\\N'
  if (typeof value === 'string' && !json) return escaped(value)
  if (typeof value === 'number' && !Number.isFinite(value)) return '\\N'
  return typeof value === 'object' || json ? escaped(jsonText(value)) : String(value)
}

const special = /[\\\t\n\r\p{Surrogate}]/u
const escapes: { readonly [character: string]: string } = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' }

const escaped = (text: string): string =>
  special.test(text)
    ? text.replaceAll(/[\\\t\n\r\p{Surrogate}]/gu, (character) => {
        const written = escapes[character]
        // As the database refuses it in JSON: Node would write another character instead.
        if (!written) throw new Unstorable('a string with half a surrogate pair', '22P02')
        return written
      })
    : text
