import { tokensOf } from '../../engine/statement.js'
import { functions } from './functions.js'
import { catalogueTables, informationTables } from './schema.js'
import { schema } from './table.js'

const schemas: ReadonlySet<string> = new Set(['pg_catalog', 'information_schema', 'public'])
const known: ReadonlySet<string> = new Set(Object.keys(functions))
const keywordFunctions: ReadonlySet<string> = new Set(['current_user', 'session_user', 'current_catalog'])
const asText: ReadonlySet<string> = new Set(
  'name regtype regproc regprocedure regnamespace regrole cstring int2vector oidvector regclass'.split(' '),
)

const hint =
  /pg_|version|regclass|information_schema|current_|session_user|\bpublic\b|\bto_reg|quote_ident|format|_description|privilege|set_config|json_build|array_|parse_ident|::\s*name\b|::\s*text\s*\[/i

/** How Grafana asks for the schemas of the search path, in a way of joining that DuckDB has no equal of. */
const searchPath =
  /select\s+case\s+when\s+trim\(s\[i\]\)\s*=\s*'"\$user"'\s+then\s+user\s+else\s+trim\(s\[i\]\)\s+end\s+from\s+generate_series\([\s\S]*?\)\s*as\s+i\s*,\s*string_to_array\(current_setting\('search_path'\),\s*','\)\s+s\b/gi

/** A statement as DuckDB understands it, with the names of Postgres's catalogue turned to the one that is made here. */
export const forCatalogue = (sql: string): string => {
  if (!hint.test(sql)) return sql
  const tokens = tokensOf(sql.replaceAll(searchPath, "select 'public'")).map(({ text }) => text)
  const out = createOutput()
  const ofCatalogue = /\bpg_|information_schema/i.test(sql)
  for (let i = 0; i < tokens.length; ) i = turn(tokens, i, out, ofCatalogue)
  return out.text()
}

const isBlank = (text: string): boolean => text.trim() === '' || text.startsWith('--') || text.startsWith('/*')

/** The first token from there on that is none of blanks and comments, and where it is. */
const significant = (tokens: readonly string[], from: number): readonly [text: string, at: number] => {
  let at = from
  while (at < tokens.length && isBlank(tokens[at]!)) at++
  return [tokens[at] ?? '', at]
}

const unquoted = (text: string): string => (text.startsWith('"') ? text.slice(1, -1) : text).toLowerCase()

/** Puts out what stands at a token, and answers where to go on. */
const turn = (tokens: readonly string[], i: number, out: Output, ofCatalogue: boolean): number => {
  const text = tokens[i]!
  if (!/^[A-Za-z_"']/.test(text)) {
    out.put(text)
    return i + 1
  }
  // The database's own name before a schema's says nothing.
  if (unquoted(text) === 'history' && tokens[i + 1] === '.' && schemas.has(unquoted(tokens[i + 2] ?? '')) && out.last() !== '.')
    return i + 2
  const isQualified = tokens[i + 1] === '.' && schemas.has(unquoted(text))
  const at = isQualified ? i + 2 : i
  const name = unquoted(tokens[at] ?? '')
  const [follows, next] = significant(tokens, at + 1)
  const before = out.last()
  if (before === '.') out.put(text)
  else if (isQualified && unquoted(text) === 'public') out.put(`main.${tokens[at] ?? ''}`)
  else if (isQualified && unquoted(text) === 'information_schema' && informationTables.has(name)) out.put(`${schema}.is_${name}`)
  else if (isQualified && unquoted(text) === 'information_schema' && !known.has(name))
    out.put(`information_schema.${tokens[at] ?? ''}`)
  else if (name === 'regclass' && before === 'as' && out.wrapCast(`${schema}.to_regclass`)) return at + 1
  else if (name === 'regclass' && before === '::' && out.wrapOperand(`${schema}.to_regclass`)) return at + 1
  else if ((before === '::' || (before === 'as' && name === 'regclass')) && asText.has(name)) out.put('varchar')
  else if (name === 'operator' && follows === '(') return operator(tokens, next, out)
  else if (name === 'collate' && isDefaultCollation(tokens, next) !== undefined) return isDefaultCollation(tokens, next)!
  else if (ofCatalogue && before === '~' && /^e?'/i.test(text)) out.put(anywhere(text))
  else if (/^'\{.*\}'$/s.test(text) && follows === ':' && isArrayCast(tokens, next)) out.put(`'[${text.slice(2, -2)}]'`)
  else if (follows === '(' && name === 'json_build_object') out.put('json_object')
  else if (follows === '(' && known.has(name) && (name !== 'format' || isPattern(tokens, next))) out.put(`${schema}.${name}`)
  else if (follows !== '(' && keywordFunctions.has(name) && (isQualified || !text.startsWith('"'))) out.put(`${schema}.${name}()`)
  else if (catalogueTables.has(name) && follows !== '.' && follows !== '(' && standsForTable.has(before))
    out.put(`${schema}.${name}`)
  else out.put(tokens[at]!)
  return at + 1
}

/** DuckDB matches the whole text with a pattern, Postgres any part of it: what asks the catalogue relies on that. */
const anywhere = (pattern: string): string => pattern.replace(/'(.*)'/s, "'(?s:.*)(?:$1)(?s:.*)'")

/** After what a name is a table's, and not a column's or an alias's. */
const standsForTable: ReadonlySet<string> = new Set(['from', 'join', ',', '('])

/** `operator(pg_catalog.~)` is `~`. */
const operator = (tokens: readonly string[], open: number, out: Output): number => {
  const close = tokens.indexOf(')', open)
  const inside = tokens.slice(open + 1, close < 0 ? tokens.length : close).filter((text) => !isBlank(text))
  for (const text of [' ', ...(inside[1] === '.' ? inside.slice(2) : inside), ' ']) out.put(text)
  return close < 0 ? tokens.length : close + 1
}

/** Where `pg_catalog.default` ends, which is how DuckDB compares anyway. `undefined`: it is another. */
const isDefaultCollation = (tokens: readonly string[], at: number): number | undefined => {
  const last = unquoted(tokens[at] ?? '') === 'pg_catalog' && tokens[at + 1] === '.' ? at + 2 : at
  return unquoted(tokens[last] ?? '') === 'default' ? last + 1 : undefined
}

const isArrayCast = (tokens: readonly string[], colon: number): boolean => {
  const [, word] = significant(tokens, colon + 2)
  const type = tokens[word + 1] === '.' ? word + 2 : word
  return tokens[colon + 1] === ':' && significant(tokens, type + 1)[0] === '['
}

/** Whether it is Postgres's `format`: DuckDB's own has braces where that has percent signs. */
const isPattern = (tokens: readonly string[], open: number): boolean => /^'[^']*%[sIL]/.test(significant(tokens, open + 1)[0])

type Output = ReturnType<typeof createOutput>

const createOutput = () => {
  const parts: string[] = []
  /** Where in `parts` the tokens are that are none of blanks. */
  const places: number[] = []
  /** Of each open parenthesis its place among those. */
  const open: number[] = []
  let closed = -1

  const at = (back: number): string => parts[places.at(-back) ?? -1] ?? ''
  return {
    put: (text: string): void => {
      if (text === ')') closed = open.pop() ?? -1
      if (text === '(') open.push(places.length)
      if (!isBlank(text)) places.push(parts.length)
      parts.push(text)
    },
    /** The last token that is none of blanks, in lower case; of `::` both. */
    last: (): string => (at(1) === ':' && at(2) === ':' ? '::' : at(1).toLowerCase()),
    /** Makes of `cast(x as` a call of the function on x. Answers false where it isn't one. */
    wrapCast: (name: string): boolean => {
      const cast = places[(open.at(-1) ?? 0) - 1]
      if (cast === undefined || parts[cast]!.toLowerCase() !== 'cast') return false
      parts[cast] = name
      parts[places.pop()!] = ' '
      return true
    },
    /** Makes of `x::` a call of the function on x, where x is a text, a parameter, or stands in parentheses. Answers false where it isn't. */
    wrapOperand: (name: string): boolean => {
      const last = at(3)
      const begin = last === ')' ? closed : last.startsWith("'") ? places.length - 3 : at(4) === '$' ? places.length - 4 : -1
      if (begin < 0) return false
      // The name of a call stands right before its parenthesis.
      const before = places[begin]! - 1
      const from = last === ')' && /^[\w.]+$/.test(parts[before] ?? '') ? before : places[begin]!
      parts[from] = `${name}(${parts[from]}`
      parts[places.pop()!] = ''
      parts[places.at(-1)!] = ')'
      return true
    },
    text: (): string => parts.join(''),
  }
}
