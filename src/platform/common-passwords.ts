import { dictionary } from '@zxcvbn-ts/language-common'

/** How many of the most common passwords nobody may choose. */
const refused = 10_000

/** The list has the most common first. What is too short for a password anyway need not be kept. */
const common: ReadonlySet<string> = new Set(dictionary['passwords-common'].slice(0, refused).filter(({ length }) => length >= 8))

/** Whether the password is one of those that are tried first, in upper or lower case. */
export const isCommon = (password: string): boolean => common.has(password.normalize('NFC').toLowerCase())
