/** Money inside is an integer number of cents; on the wire it is a decimal number with at most two places. */
export type Cents = number

/** From here on two amounts of cents can be one floating-point number, so that a wire number no longer says which is meant. */
export const exactBelow = 2 ** 46

/** Cents of a wire number; `undefined` where it has more than two places, is negative or is too large to be exact. */
export const centsOfDecimal = (decimal: number): Cents | undefined => {
  if (decimal >= exactBelow) return undefined
  const match = /^(\d+)(?:\.(\d{1,2}))?$/.exec(String(decimal))
  if (!match) return undefined
  return Number(match[1]) * 100 + Number((match[2] ?? '').padEnd(2, '0'))
}

/** The wire number of an amount of cents. */
export const decimalOfCents = (cents: Cents): number => cents / 100
