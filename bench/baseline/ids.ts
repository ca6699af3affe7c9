import { z } from 'zod'

/** An id's other spelling, 24 hexadecimal digits. */
export const hexOf = (id: number): string => id.toString(16).padStart(24, '0')

const message = 'must be an integer id or 24 hexadecimal digits'

/** Either spelling, as the integer. */
export const id = z.union(
  [
    z.int(message).min(1, message),
    z
      .string(message)
      .regex(/^0{10}[0-9a-fA-F]{14}$/, message)
      .transform((text) => Number.parseInt(text, 16)),
  ],
  message,
)

/** That of a path; `undefined` for what is none. */
export const idOfPath = (text: string | undefined): number | undefined => {
  if (text === undefined) return undefined
  if (/^[1-9][0-9]{0,15}$/.test(text)) return Number(text)
  return /^0{10}[0-9a-fA-F]{14}$/.test(text) ? Number.parseInt(text, 16) : undefined
}
