import type { Cause } from '../../../history/engine/changes.js'

const mostCharacters = 120

/** For one line: a column's value, cut where it is long. */
export const shortValue = (value: unknown): string => {
  if (value === undefined) return '(none)'
  const text = jsonText(value)
  return text.length <= mostCharacters ? text : `${text.slice(0, mostCharacters - 1)}…`
}

/** Positions as text: a number would lose digits of them. */
export const jsonText = (value: unknown): string =>
  JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? each.toString() : each))

/** Which event it was, when, by whom and on whose request. */
export const sourceWords = ({ type, revision, position, at, actor, correlation, command }: Cause): string =>
  `${at}  ${type}  by ${actor ?? 'unknown'}  revision ${revision}, position ${position}, request ${correlation ?? 'unknown'}` +
  (command === undefined ? '' : `, command ${command}`)

/** As JSON has it: maps and sets are lists, positions texts. */
export const plain = (value: unknown): unknown => {
  if (typeof value === 'bigint') return value.toString()
  if (value instanceof Map) return [...value].map(([key, one]) => ({ key: plain(key), ...columnsOf(plain(one)) }))
  if (value instanceof Set) return [...value].map(plain)
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null || 'toJSON' in value) return value
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, plain(one)]))
}

const columnsOf = (value: unknown): object =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? value : { value }
