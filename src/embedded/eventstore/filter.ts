import { type StoredEvent, streamOf, typeOf } from './message.js'

/** Which events of `$all` somebody wants. */
export type Filter = (event: StoredEvent) => boolean

export type FilterOptions = {
  readonly on: 'stream' | 'type'
  /** Found anywhere in the name; if it is empty, the prefixes count. */
  readonly regex: string
  readonly prefixes: readonly string[]
}

/** What the client's `excludeSystemEvents` says; it can be answered by one byte. */
const noSystemEvents = '^[^$].*'
const dollar = 0x24

/** Throws `SyntaxError` where the expression is none. */
export const makeFilter = ({ on, regex, prefixes }: FilterOptions): Filter => {
  if (regex === noSystemEvents) {
    if (on === 'type') return (event) => event.bytes[event.typeAt] !== dollar
    return (event) => event.bytes[event.streamAt] !== dollar
  }
  const name = on === 'type' ? typeOf : streamOf
  if (regex !== '') {
    const expression = new RegExp(regex, 'u')
    return (event) => expression.test(name(event))
  }
  return (event) => {
    const text = name(event)
    return prefixes.some((prefix) => text.startsWith(prefix))
  }
}
