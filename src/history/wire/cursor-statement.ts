import { WireError } from './errors.js'
import type { Column } from './rows.js'

/** What a statement does with a cursor; `count`: rows, infinity for all that are left. */
export type CursorStatement =
  | {
      readonly does: 'declare'
      readonly name: string
      readonly query: string
      /** Whether it outlives its transaction. */
      readonly hold: boolean
      /** What it answers, once that is known. */
      readonly columns?: readonly Column[]
    }
  | { readonly does: 'fetch' | 'move'; readonly name: string; readonly count: number }
  /** Without a name: all of them. */
  | { readonly does: 'close'; readonly name: string | undefined }

const named = String.raw`("(?:[^"]|"")+"|[a-z_][\w$]*)`
const declare = new RegExp(
  String.raw`^\s*declare\s+${named}\s+((?:(?:binary|insensitive|asensitive|no\s+scroll|scroll)\s+)*)cursor\s+(?:(with|without)\s+hold\s+)?for\s+([\s\S]+)$`,
  'i',
)
const fetch = new RegExp(
  String.raw`^\s*(fetch|move)\s+(?:(next|forward(?:\s+(?:all|\d+))?|all|\d+)\s+)?(?:(?:from|in)\s+)?${named}\s*$`,
  'i',
)
const close = new RegExp(String.raw`^\s*close\s+${named}\s*$`, 'i')

const nameOf = (text: string): string => (text.startsWith('"') ? text.slice(1, -1).replaceAll('""', '"') : text.toLowerCase())

/** `undefined`: it is about no cursor. Throws `WireError` for what cursors don't do here. */
export const cursorStatement = (sql: string): CursorStatement | undefined => {
  const text = sql.replace(/[\s;]+$/, '')
  const [, declared, manner = '', hold, query] = declare.exec(text) ?? []
  if (declared !== undefined) {
    if (/(?<!no\s+)\bscroll\b/i.test(manner)) throw unsupported('goes forward only: leave SCROLL out')
    if (/\bbinary\b/i.test(manner)) throw unsupported('gives what its client asks for: leave BINARY out')
    return { does: 'declare', name: nameOf(declared), query: query!, hold: hold?.toLowerCase() === 'with' }
  }
  const [, verb, many = 'next', fetched] = fetch.exec(text) ?? []
  if (fetched !== undefined) return { does: verb!.toLowerCase() as 'fetch' | 'move', name: nameOf(fetched), count: countOf(many) }
  if (/^\s*(fetch|move)\b/i.test(text)) throw unsupported('goes forward only: FETCH FORWARD <number> FROM <cursor>')
  const closed = close.exec(text)?.[1]
  if (closed === undefined) return undefined
  return { does: 'close', name: closed.toLowerCase() === 'all' ? undefined : nameOf(closed) }
}

const countOf = (many: string): number => {
  const word = many.toLowerCase().replace(/^forward\s*/, '')
  if (word === 'all') return Number.POSITIVE_INFINITY
  return word === 'next' || word === '' ? 1 : Number(word)
}

const unsupported = (how: string): WireError => new WireError('0A000', `a cursor ${how}`)
