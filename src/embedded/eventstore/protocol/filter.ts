import { type StoredEvent, streamOf, typeOf } from '../storage/event.js'
import { parseExpression } from './expression.js'

/** Which events of `$all` somebody wants. */
export type Filter = (event: StoredEvent) => boolean

export type FilterOptions = {
  readonly on: 'stream' | 'type'
  /** Found anywhere in the name; if it is empty, the prefixes count. */
  readonly regex: string
  readonly prefixes: readonly string[]
}

/** What clients' `excludeSystemEvents` says: it is on every subscription's way, and can be answered by one byte. */
const noSystemEvents: readonly string[] = ['^[^$].*', '^[^\\$].*', '^[^$]']
const dollar = 0x24

/** Throws `SyntaxError` where the expression is none, or none that can be matched in linear time. */
export const makeFilter = ({ on, regex, prefixes }: FilterOptions): Filter => {
  if (noSystemEvents.includes(regex)) {
    if (on === 'type') return (event) => event.bytes[event.typeAt] !== dollar
    return (event) => event.bytes[event.streamAt] !== dollar
  }
  const name = on === 'type' ? typeOf : streamOf
  if (regex !== '') {
    const isFound = parseExpression(regex)
    return (event) => isFound(name(event))
  }
  return (event) => {
    const text = name(event)
    return prefixes.some((prefix) => text.startsWith(prefix))
  }
}
