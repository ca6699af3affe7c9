/** An e-mail address in the one spelling under which it is claimed, stored and looked up: only `normaliseEmail` makes one. */
export type Email = string & { readonly __email: true }

/** E-mails are compared trimmed, in Unicode NFC and lower case; lower case can undo NFC, so it comes last again. */
export const normaliseEmail = (email: string): Email => email.trim().normalize('NFC').toLowerCase().normalize('NFC') as Email
