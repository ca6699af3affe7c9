import { once } from 'node:events'
import { finished } from 'node:stream/promises'
import type pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import type { Folded } from './fold.js'
import type { Table } from './tables.js'

/** A string that UTF-8 can't hold is refused here as the database refuses it in JSON: Node would write another character instead. */
class Unstorable extends Error {
  override readonly name = 'Unstorable'
  readonly code = '22P02'
}

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

const field = (value: unknown, json: boolean): string => {
  if (value === null || value === undefined) return '\\N'
  if (json) return escaped(JSON.stringify(value))
  return typeof value === 'string' ? escaped(value) : String(value)
}

const special = /[\\\t\n\r\p{Surrogate}]/u
const escapes: { readonly [character: string]: string } = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' }

const escaped = (text: string): string =>
  special.test(text)
    ? text.replaceAll(/[\\\t\n\r\p{Surrogate}]/gu, (character) => {
        const written = escapes[character]
        if (!written) throw new Unstorable('a string with half a surrogate pair')
        return written
      })
    : text
