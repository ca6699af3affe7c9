import { distance } from 'fastest-levenshtein'

/** Nothing has this name; the message says which come near. */
export class UnknownName extends Error {
  override readonly name = 'UnknownName'
}

/** The known names that were probably meant, the nearest first, at most three. */
export const nearNames = (word: string, known: readonly string[]): readonly string[] => {
  const plain = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9]/g, '')
  const asked = plain(word)
  const allowed = Math.max(2, Math.floor(asked.length / 3))
  return known
    .map((name) => ({ name, far: distance(asked, plain(name)), within: asked.length > 2 && plain(name).includes(asked) }))
    .filter(({ far, within }) => far <= allowed || within)
    .sort((a, b) => a.far - b.far)
    .slice(0, 3)
    .map(({ name }) => name)
}

/** `what`: an event type, a column ... */
export const unknownName = (what: string, word: string, known: readonly string[]): UnknownName => {
  const near = nearNames(word, known)
  const hint = near.length > 0 ? `did you mean ${near.join(' or ')}?` : `there are ${known.join(', ')}`
  return new UnknownName(`there is no ${what} ${JSON.stringify(word)}: ${hint}`)
}
