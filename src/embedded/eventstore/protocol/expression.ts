import { RE2JS } from 're2js'
import { messageOf } from '../../../platform/errors.js'

/** Whether an expression is found in a text. */
export type Expression = (text: string) => boolean

/** The steps that a compiled expression may have. What a name costs is its length times at most this. */
const maxSteps = 1_000

/**
 * A filter's expression comes from outside and is matched against every event, so the engine is RE2's: its time is linear in the name,
 * whatever the expression. Filters are written in .NET's syntax; what is only written otherwise there is written anew, and a look-ahead at
 * the very beginning is matched by itself. Throws `SyntaxError` for what is no expression, and for what needs another engine.
 */
export const parseExpression = (regex: string): Expression => {
  const { inverted, ahead, rest } = splitLookahead(regex)
  const expression = compile(regex, rest)
  if (ahead === undefined) return (text) => expression.test(text)
  const first = compile(regex, `^(?:${ahead})`)
  return (text) => first.test(text) !== inverted && expression.test(text)
}

const compile = (whole: string, part: string): RE2JS => {
  const refused = (why: string): SyntaxError =>
    new SyntaxError(`"${whole}" is none that the node takes (RE2's syntax, without back-references and look-arounds): ${why}`)
  let compiled: RE2JS
  try {
    compiled = RE2JS.compile(fromDotNet(part))
  } catch (error) {
    throw refused(messageOf(error))
  }
  if (compiled.programSize() > maxSteps) throw refused(`it has ${compiled.programSize()} steps, of at most ${maxSteps}`)
  return compiled
}

type Split = { readonly inverted: boolean; readonly ahead: string | undefined; readonly rest: string }

/** `^(?!a)b` is found where `^b` is and `^a` is not, unless `b` has alternatives of its own at its top. */
const splitLookahead = (regex: string): Split => {
  const whole: Split = { inverted: false, ahead: undefined, rest: regex }
  const match = /^\^\(\?([!=])/.exec(regex)
  if (!match) return whole
  const end = closing(regex, match[0].length)
  if (end === undefined || hasAlternatives(regex, end + 1)) return whole
  return { inverted: match[1] === '!', ahead: regex.slice(match[0].length, end), rest: `^${regex.slice(end + 1)}` }
}

/** Each character of an expression that is neither escaped nor in a class, with how many groups are open before it. */
function* structure(
  regex: string,
  from: number,
): Iterable<{ readonly at: number; readonly character: string; readonly depth: number }> {
  let depth = 0
  let inClass = false
  for (let at = from; at < regex.length; at++) {
    const character = regex[at]!
    if (character === '\\') at++
    else if (inClass) inClass = character !== ']'
    else if (character === '[') inClass = true
    else {
      yield { at, character, depth }
      if (character === '(') depth++
      if (character === ')') depth--
    }
  }
}

const closing = (regex: string, from: number): number | undefined => {
  for (const { at, character, depth } of structure(regex, from)) if (character === ')' && depth === 0) return at
  return undefined
}

const hasAlternatives = (regex: string, from: number): boolean => {
  for (const { character, depth } of structure(regex, from)) if (character === '|' && depth === 0) return true
  return false
}

/** RE2 has no `\Z`, and takes no escape of what needs none but is a letter's neighbour in .NET (a blank, `#`). */
const fromDotNet = (regex: string): string =>
  regex.replace(/\\[\s\S]/g, (escaped) =>
    escaped === '\\Z' ? '\\z' : /^\\[\s#&~'"`@%,:;<=>!/-]$/.test(escaped) ? plain(escaped) : escaped,
  )

/** As a code point, which means the same within a class and without. */
const plain = (escaped: string): string => `\\x{${escaped.codePointAt(1)!.toString(16)}}`
