/**
 * One identity, two spellings. The 24 hex digits are the one kept in events and rows; the integer of 53 bits is
 * derived: 32 bits of Unix seconds, then 21 bits. Hex digits of another shape are a well-formed id of nothing.
 */
export type Id<Kind extends string = never> = string & { readonly __id: Kind }
export type UserId = Id<'user'>
export type ProductId = Id<'product'>
export type OrderId = Id<'order'>
/** An id of whatever: for what works on all of them alike. (An `Id` is one of which nobody said yet what of: it may become any.) */
export type AnyId = Id<string>

const lowerBits = 21
const lowerSize = 2 ** lowerBits

/** The id of an integer from 1 to 2^53−1; `undefined` for any other number. */
export const idOfInteger = (n: number): Id | undefined => {
  if (!Number.isSafeInteger(n) || n < 1) return undefined
  const upper = Math.floor(n / lowerSize)
  const lower = n % lowerSize
  return `${upper.toString(16).padStart(8, '0')}0000000000${lower.toString(16).padStart(6, '0')}` as Id
}

/** The integer spelling; `undefined` for hex digits that no integer has. */
export const integerOfId = (id: AnyId): number | undefined => {
  const lower = Number.parseInt(id.slice(18), 16)
  if (id.slice(8, 18) !== '0000000000' || lower >= lowerSize) return undefined
  const n = Number.parseInt(id.slice(0, 8), 16) * lowerSize + lower
  return n === 0 ? undefined : n
}

/** Reads either spelling: an integer, its decimal digits, or 24 hex digits. `undefined` where it is none of them. */
export const parseId = (value: unknown): Id | undefined => {
  if (typeof value === 'number') return idOfInteger(value)
  if (typeof value !== 'string') return undefined
  if (/^[0-9a-f]{24}$/i.test(value)) return value.toLowerCase() as Id
  return /^[1-9][0-9]{0,15}$/.test(value) ? idOfInteger(Number(value)) : undefined
}

/** A new id from the seconds since 1970 and 21 random bits (0 to 2^21−1). */
export const makeId = (unixSeconds: number, random21: number): Id => idOfInteger((unixSeconds % 2 ** 32) * lowerSize + random21)!

export const compareIds = (a: AnyId, b: AnyId): number => (a < b ? -1 : a > b ? 1 : 0)
