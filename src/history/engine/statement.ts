import { type DuckDBConnection, type DuckDBPreparedStatement, StatementType } from '@duckdb/node-api'

/** The statement may not be run here; the message says why. */
export class StatementRefused extends Error {
  override readonly name = 'StatementRefused'
}

type Token = { readonly kind: 'word' | 'other'; readonly text: string }

// Strings, quoted names, dollar quotes and comments are passed over whole.
const token =
  /[eE]?'(?:[^']|'')*'|"(?:[^"]|"")*"|\$([A-Za-z_]*)\$[\s\S]*?\$\1\$|--[^\n]*|\/\*[\s\S]*?\*\/|([A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)|\d[\w.]*|\s+|[\s\S]/g

/** The words, texts, names, comments and single characters of a statement, which make it up again. */
export const tokensOf = (sql: string): readonly Token[] =>
  [...sql.matchAll(token)].map(([text, , word]) => ({ kind: word === undefined ? 'other' : 'word', text }))

const isBlank = ({ text }: Token): boolean => /^\s+$|^--|^\/\*/.test(text)

/**
 * `at` is a name here, and a keyword to DuckDB, which wants it quoted. It stays a keyword in AT TIME ZONE and before a parenthesis
 * (AT (VERSION => ...)).
 */
export const withQuotedAt = (sql: string): string => {
  const tokens = tokensOf(sql)
  return tokens
    .map(({ kind, text }, i) => {
      if (kind !== 'word' || text.toLowerCase() !== 'at') return text
      const [next, after] = tokens.slice(i + 1).filter((one) => !isBlank(one))
      const isKeyword = next?.text === '(' || (next?.text.toLowerCase() === 'time' && after?.text.toLowerCase() === 'zone')
      return isKeyword ? text : `"${text}"`
    })
    .join('')
}

/** The statements of a text, which are parted by semicolons. */
export const statementsOf = (sql: string): readonly string[] => {
  const statements = ['']
  for (const { text } of tokensOf(sql)) {
    if (text === ';') statements.push('')
    else statements[statements.length - 1] += text
  }
  return statements.filter((one) => firstWord(one) !== '')
}

/** All that may be a name in it, in lower case: more than DuckDB tells, which finds no table in a join with a view. */
export const namesIn = (sql: string): ReadonlySet<string> =>
  new Set(tokensOf(sql).map(({ text }) => (text.startsWith('"') ? text.slice(1, -1) : text).toLowerCase()))

/** The first word, in lower case: what kind of statement somebody meant. */
export const firstWord = (sql: string): string =>
  tokensOf(sql)
    .find((one) => !isBlank(one))
    ?.text.toLowerCase() ?? ''

/** What an EXPLAIN explains, which EXPLAIN ANALYZE runs. */
const explained = (sql: string): string => {
  const tokens = tokensOf(sql).filter((one) => !isBlank(one) || one.text.includes('\n') || one.text === ' ')
  const rest = tokens
    .map(({ text }) => text)
    .join('')
    .replace(/^\s*explain\b/i, '')
  return rest.replace(/^\s*\([^)]*\)/, '').replace(/^\s*analyze\b/i, '')
}

/** What is refused by its first word, before DuckDB looks whether what it names is there. */
const refused: { readonly [word: string]: string } = {
  ...Object.fromEntries(
    'insert update delete merge truncate drop create alter comment'.split(' ').map((word) => [word, 'writes']),
  ),
  ...Object.fromEntries('copy export import'.split(' ').map((word) => [word, 'reads or writes files'])),
  attach: 'opens another database',
  install: 'loads an extension',
  load: 'loads an extension',
  set: 'changes settings',
  reset: 'changes settings',
}

const doesWhat: { readonly [type: number]: string } = {
  [StatementType.INSERT]: 'writes',
  [StatementType.UPDATE]: 'writes',
  [StatementType.DELETE]: 'writes',
  [StatementType.CREATE]: 'writes',
  [StatementType.ALTER]: 'writes',
  [StatementType.DROP]: 'writes',
  [StatementType.COPY]: 'writes or reads files',
  [StatementType.EXPORT]: 'writes files',
  [StatementType.ATTACH]: 'opens another database',
  [StatementType.LOAD]: 'loads an extension',
  [StatementType.SET]: 'changes settings',
}

/** DuckDB has no words for a text in which it finds no statement at all, such as `·`. */
const refusedWithoutWords = (error: Error): never => {
  if (error.message !== 'Error in native callback') throw error
  throw new StatementRefused('this is no statement of SQL', { cause: error })
}

/**
 * The statement, ready to run, where it only reads: what it is says DuckDB itself, not its text. Throws `StatementRefused`, and what
 * DuckDB says of a statement that it can't understand.
 */
export const prepareReading = async (connection: DuckDBConnection, sql: string): Promise<DuckDBPreparedStatement> => {
  const text = withQuotedAt(sql)
  if (firstWord(text) === '') throw new StatementRefused('there is no statement')
  // DuckDB would read up to there.
  if (text.includes('\0')) throw new StatementRefused('a statement has no NUL in it')
  const word = firstWord(text)
  const reason = Object.hasOwn(refused, word) ? refused[word] : undefined
  if (reason) throw new StatementRefused(`the history is only read, and ${word.toUpperCase()} ${reason}`)
  const statements = await connection.extractStatements(text).catch(refusedWithoutWords)
  if (statements.count === 0) throw new StatementRefused('there is no statement')
  if (statements.count > 1) {
    throw new StatementRefused(
      firstWord(text) === 'pivot' ? 'a PIVOT must name its values: pivot ... on ... in (...)' : 'send one statement at a time',
    )
  }
  const prepared = await statements.prepare(0)
  const type = prepared.statementType
  if (type === StatementType.SELECT) return prepared
  if (type === StatementType.EXPLAIN) {
    ;(await prepareReading(connection, explained(text))).destroySync()
    return prepared
  }
  prepared.destroySync()
  throw new StatementRefused(`the history is only read: this statement ${doesWhat[type] ?? 'does something else'}`)
}
