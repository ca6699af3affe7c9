/**
 * What a stream's metadata makes unreachable: `$tb` (truncate before), `$maxCount`, `$maxAge`. Reads of the stream, and of nothing
 * else, are limited by it. A soft delete is a `$tb` of 2^63−1, which is inexact in JavaScript: numbers are looked at as text.
 */
export type Bounds = {
  readonly deleted: boolean
  readonly truncateBefore: number
  readonly maxCount: number | undefined
  /** Seconds. */
  readonly maxAge: number | undefined
}

/** Of a stream without metadata. */
export const unbounded: Bounds = { deleted: false, truncateBefore: 0, maxCount: undefined, maxAge: undefined }
/** Every metadata stream is read as if it had this. */
export const metadataBounds: Bounds = { ...unbounded, maxCount: 1 }

const everything = '9223372036854775807'
/** What a soft delete writes into the metadata stream. */
export const deletedMetadata = Buffer.from(`{"$tb":${everything}}`)

export const metadataPrefix = '$$'
export const isMetadataStream = (name: string): boolean => name.startsWith(metadataPrefix)
/** The stream that holds a stream's metadata. */
export const metadataStreamOf = (name: string): string => `${metadataPrefix}${name}`

/** The bounds in a metadata event's data. What can't be understood counts as none. */
export const parseBounds = (data: Uint8Array): Bounds => {
  const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('utf8')
  const parsed = parseObject(text)
  if (!parsed) return unbounded
  const members = topLevel(text)
  const before = numberOf(members, '$tb')
  const count = numberOf(members, '$maxCount')
  const age = numberOf(members, '$maxAge')
  const understood = [before, count, age].every((value) => value !== 'other')
  if (!understood || count === '0' || age === '0') return unbounded
  return {
    deleted: before === everything,
    truncateBefore: before === undefined ? 0 : Math.min(Number(before), Number.MAX_SAFE_INTEGER),
    maxCount: count === undefined ? undefined : Number(count),
    maxAge: age === undefined ? undefined : Number(age),
  }
}

/** The same metadata with another `$tb`, to the letter. What can't be understood is left out. */
export const withTruncateBefore = (data: Uint8Array, revision: number): Buffer => {
  const text = Buffer.from(data).toString('utf8')
  if (!parseObject(text)) return Buffer.from(`{"$tb":${revision}}`)
  const members = topLevel(text)
  const member = members.get('$tb')
  if (member) return Buffer.from(`${text.slice(0, member.at)}${revision}${text.slice(member.end)}`)
  return Buffer.from(`{"$tb":${revision}${members.size > 0 ? ',' : ''}${text.slice(text.indexOf('{') + 1)}`)
}

/** Whether a metadata event's data can be understood. */
export const isMetadata = (data: Uint8Array): boolean => parseObject(Buffer.from(data).toString('utf8'))

const parseObject = (text: string): boolean => {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
  } catch (error) {
    if (error instanceof SyntaxError) return false
    throw error
  }
}

type Member = { readonly text: string; readonly at: number; readonly end: number }

const numberOf = (members: ReadonlyMap<string, Member>, name: string): string | 'other' | undefined => {
  const text = members.get(name)?.text
  if (text === undefined || text === 'null') return undefined
  const inRange = /^(0|[1-9][0-9]{0,18})$/.test(text) && BigInt(text) <= BigInt(everything)
  return inRange ? text : 'other'
}

/** The members of a JSON object that is known to be well-formed, as they are written; of equal names the last. */
const topLevel = (text: string): ReadonlyMap<string, Member> => {
  const members = new Map<string, Member>()
  let at = skipSpace(text, text.indexOf('{') + 1)
  while (text[at] === '"') {
    const nameEnd = skipValue(text, at)
    const name = JSON.parse(text.slice(at, nameEnd)) as string
    const valueAt = skipSpace(text, skipSpace(text, nameEnd) + 1)
    const end = skipValue(text, valueAt)
    members.set(name, { text: text.slice(valueAt, end), at: valueAt, end })
    at = skipSpace(text, end)
    if (text[at] === ',') at = skipSpace(text, at + 1)
  }
  return members
}

const skipSpace = (text: string, from: number): number => {
  let at = from
  while (' \t\n\r'.includes(text[at] ?? 'x')) at++
  return at
}

const skipString = (text: string, from: number): number => {
  let at = from + 1
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at + 1
}

const skipValue = (text: string, from: number): number => {
  if (text[from] === '"') return skipString(text, from)
  let at = from
  let depth = 0
  while (at < text.length) {
    const character = text[at]!
    if (character === '"') {
      at = skipString(text, at)
      continue
    }
    if (depth === 0 && ',}] \t\n\r'.includes(character)) return at
    if ('{['.includes(character)) depth++
    if ('}]'.includes(character) && --depth === 0) return at + 1
    at++
  }
  return at
}

/** The first revision that a read of the stream may see, age aside. */
export const firstVisible = (bounds: Bounds, last: number): number =>
  Math.max(bounds.truncateBefore, bounds.maxCount === undefined ? 0 : last - bounds.maxCount + 1)
