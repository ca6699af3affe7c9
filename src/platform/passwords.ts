import { createHash, randomBytes } from 'node:crypto'
import bcrypt from 'bcrypt'

/** Passwords of any script and length: bcrypt reads 72 bytes and stops at a NUL, so it is given a digest of all of them. */
export type Passwords = {
  readonly hash: (password: string) => Promise<string>
  /** `undefined`: nobody's hash, which takes as long to compare and never matches. */
  readonly matches: (password: string, hash: string | undefined) => Promise<boolean>
}

/** More than any password's 128 characters have in any form, in UTF-16. To normalise takes the square of a text's length, and a guess may be long. */
const longest = 1_024

const digest = (password: string): string => {
  const normal = password.length > longest ? password : password.normalize('NFC')
  return createHash('sha256').update(normal).digest('base64')
}

/** `cost`: bcrypt's, the logarithm of its rounds. */
export const createPasswords = (cost: number): Passwords => {
  const nobodys = bcrypt.hash(randomBytes(32).toString('base64'), cost)
  return {
    hash: (password) => bcrypt.hash(digest(password), cost),
    matches: async (password, hash) => (await bcrypt.compare(digest(password), hash ?? (await nobodys))) && hash !== undefined,
  }
}
