import { InvalidArgumentError } from 'commander'
import { parseId } from '../../../domain/ids.js'
import { type BlameOptions, blame, projectionNamed } from '../../../history/blame.js'
import type { Instance } from '../../instance.js'
import { jsonText, shortValue, sourceWords } from './words.js'

type Flags = Pick<BlameOptions, 'column' | 'all'> & { readonly withPersonalData?: true; readonly json?: true }

export const idOf = (word: string): string => {
  const id = parseId(/^\d{1,16}$/.test(word) ? Number(word) : word)
  if (id === undefined) throw new InvalidArgumentError(`${JSON.stringify(word)} is no id: an integer, or 24 hexadecimal digits`)
  return id
}

/** Throws `UnknownName` for the projection or the column, and where there is no such row. */
export const blameRow = async ({ store }: Instance, name: string, word: string, flags: Flags): Promise<void> => {
  const { withPersonalData: personal = false, json = false, ...rest } = flags
  const projection = projectionNamed(name)
  const found = await blame(store, projection, { ...rest, id: idOf(word), personal })
  if (!found) throw new Error(`${name} has no ${word}, and never had`)
  if (json) return void process.stdout.write(`${jsonText(found)}\n`)
  const { columns, parked } = found
  for (const { column, before, after, cause } of columns)
    process.stdout.write(`${column}: ${shortValue(before)} -> ${shortValue(after)}\n    ${sourceWords(cause)}\n`)
  if (columns.length === 0) process.stdout.write('nothing in its stream ever made it a row\n')
  if (parked !== undefined) process.stderr.write(`its stream is parked, so the row stands still: ${parked}\n`)
}
