import { createHash } from 'node:crypto'
import { Refusal } from './errors.js'

/**
 * The tag of one object is `"<revision of its stream>-<hash of the body>"`, that of a list, which has no stream, the hash alone.
 * `text`: the object's JSON.
 */
export const tagOf = (text: string, revision?: number): string => {
  const hash = createHash('sha256').update(text).digest('base64url').slice(0, 22)
  return revision === undefined ? `"${hash}"` : `"${revision}-${hash}"`
}

const tag = /^(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/

/** The tags of a header, as sent. Throws `Refusal` 400 for what is no list of tags. */
const tagsOf = (name: string, value: string): string[] => {
  const tags: string[] = []
  for (let rest = value.trim(); rest !== ''; ) {
    // A list's elements may be empty (RFC 9110, 5.6.1.2).
    if (rest.startsWith(',')) {
      rest = rest.slice(1).trimStart()
      continue
    }
    const [next] = tag.exec(rest) ?? []
    if (next === undefined) throw new Refusal(400, `${name} must be a list of ETags, or *`)
    tags.push(next)
    const after = rest.slice(next.length).trimStart()
    if (after !== '' && !after.startsWith(',')) throw new Refusal(400, `${name} must be a list of ETags, or *`)
    rest = after
  }
  return tags
}

/** Whether the client has this already: If-None-Match compares weakly, all of the tag. */
export const isKnown = (ifNoneMatch: string, current: string): boolean => {
  if (ifNoneMatch === '') return false
  return ifNoneMatch.trim() === '*' || tagsOf('If-None-Match', ifNoneMatch).some((known) => known.replace(/^W\//, '') === current)
}

/**
 * The revisions of which a change asks for one; `undefined` where any will do. A weak tag never matches (RFC 9110, 13.1.1), and neither
 * does one that isn't ours.
 */
export const revisionsAskedFor = (ifMatch: string): readonly number[] | undefined => {
  if (ifMatch === '' || ifMatch.trim() === '*') return undefined
  return tagsOf('If-Match', ifMatch)
    .flatMap((known) => /^"(-?\d{1,15})-/.exec(known)?.[1] ?? [])
    .map(Number)
}
