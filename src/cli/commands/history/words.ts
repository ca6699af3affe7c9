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
