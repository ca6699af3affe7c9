import { firstWord } from '../engine/statement.js'

/** What a statement does to a connection's transaction: nothing is ever written, so it is only kept account of. */
export type Local = {
  readonly tag: string
  readonly transaction?: 'begin' | 'end'
  /** A setting that is asked for. */
  readonly row?: readonly [name: string, value: string]
}

const tags: { readonly [word: string]: Local } = {
  begin: { tag: 'BEGIN', transaction: 'begin' },
  start: { tag: 'START TRANSACTION', transaction: 'begin' },
  commit: { tag: 'COMMIT', transaction: 'end' },
  end: { tag: 'COMMIT', transaction: 'end' },
  rollback: { tag: 'ROLLBACK', transaction: 'end' },
  abort: { tag: 'ROLLBACK', transaction: 'end' },
  savepoint: { tag: 'SAVEPOINT' },
  release: { tag: 'RELEASE' },
  set: { tag: 'SET' },
  reset: { tag: 'RESET' },
  discard: { tag: 'DISCARD ALL' },
  deallocate: { tag: 'DEALLOCATE' },
  listen: { tag: 'LISTEN' },
  unlisten: { tag: 'UNLISTEN' },
}

/** What the server says of itself, at the start and when it is asked. */
export const settings: { readonly [name: string]: string } = {
  server_version: '15.0',
  server_version_num: '150000',
  server_encoding: 'UTF8',
  client_encoding: 'UTF8',
  datestyle: 'ISO, MDY',
  timezone: 'UTC',
  integer_datetimes: 'on',
  standard_conforming_strings: 'on',
  transaction_isolation: 'repeatable read',
  transaction_read_only: 'on',
  default_transaction_read_only: 'on',
  default_transaction_isolation: 'repeatable read',
  search_path: 'public',
  application_name: '',
  max_identifier_length: '63',
  extra_float_digits: '1',
  bytea_output: 'hex',
  is_superuser: 'off',
  in_hot_standby: 'off',
  lc_collate: 'C',
}

/** Statements that every client sends and that have nothing to do here. `undefined`: it is for DuckDB. */
export const localStatement = (sql: string): Local | undefined => {
  const word = firstWord(sql)
  if (word === 'rollback' && /\bto\b/i.test(sql)) return { tag: 'ROLLBACK' }
  if (word !== 'show') return Object.hasOwn(tags, word) ? tags[word] : undefined
  const asked = sql
    .trim()
    .replace(/^show\s+/i, '')
    .replace(/[;\s"]+$/g, '')
    .replaceAll('"', '')
    .toLowerCase()
  const name = { 'transaction isolation level': 'transaction_isolation', 'time zone': 'timezone' }[asked] ?? asked
  return Object.hasOwn(settings, name) ? { tag: 'SHOW', row: [name, settings[name]!] } : undefined
}
