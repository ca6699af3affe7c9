/** An e-mail address in the one spelling under which it is claimed, stored and looked up: only `normaliseEmail` makes one. */
export type Email = string & { readonly __email: true }

/** What is not seen, or is another spelling of something else, as `ſ` is of `s`: two e-mails that look the same would be two people's. */
const deceptive = /[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}\u2800]/u

/** Whether an e-mail may become somebody's. Who has one that may not keeps it, and logs in with it. */
export const isPlain = (email: Email): boolean => !deceptive.test(email) && email.normalize('NFKC') === email

/** E-mails are compared trimmed, in Unicode NFC and lower case; lower case can undo NFC, so it comes last again. */
export const normaliseEmail = (email: string): Email => email.trim().normalize('NFC').toLowerCase().normalize('NFC') as Email
