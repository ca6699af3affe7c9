/** What the contract's words mean, in numbers and spellings that more than one part of the HTTP layer needs. */
export const maxPrice = 10_000_000
export const maxStock = 1_000_000_000
export const maxBody = 100 * 1024

/** E-mails are compared trimmed, in Unicode NFC and lower case; lower case can undo NFC, so it comes last again. */
export const normaliseEmail = (email: string): string => email.trim().normalize('NFC').toLowerCase().normalize('NFC')
