import { type StoredEvent, streamOf, typeOf } from '../storage/event.js'

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
    const expression = expressionOf(regex)
    return (event) => expression.test(name(event))
  }
  return (event) => {
    const text = name(event)
    return prefixes.some((prefix) => text.startsWith(prefix))
  }
}

/** A filter's expression is one of .NET's. Most are JavaScript's too; what is only written otherwise there is written anew. Throws `SyntaxError`. */
const expressionOf = (regex: string): RegExp => {
  try {
    return new RegExp(regex, 'u')
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    const options = /^\(\?([ims]+)\)/.exec(regex)
    return new RegExp(fromDotNet(options ? regex.slice(options[0].length) : regex), `u${[...new Set(options?.[1])].join('')}`)
  }
}

const anchors: Readonly<Record<string, string>> = { A: '(?<![\\s\\S])', Z: '(?![\\s\\S])', z: '(?![\\s\\S])' }

/** Escapes that need none (`\-`, as Python's `re.escape` makes them), anchors of the whole text, and braces and brackets that stand for themselves. */
const fromDotNet = (regex: string): string => {
  let inClass = false
  return regex.replace(/\\[\s\S]|\{\d+(?:,\d*)?\}|[[\]{}]/gu, (part) => {
    if (part.startsWith('\\')) return escaped(part, inClass)
    if (part === '[' && !inClass) {
      inClass = true
      return part
    }
    if (part === ']' && inClass) {
      inClass = false
      return part
    }
    return part.length > 1 && !inClass ? part : part.replace(/[[\]{}]/g, '\\$&')
  })
}

const escaped = (part: string, inClass: boolean): string => {
  const character = part.slice(1)
  if (!inClass && anchors[character]) return anchors[character]
  const needed = /[\w^$\\.*+?()[\]{}|/]/.test(character) || (inClass && character === '-')
  return needed ? part : character
}
