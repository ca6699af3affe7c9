const codeOf = (error: unknown): string => {
  const { code } = (error ?? {}) as { code?: unknown }
  return typeof code === 'string' ? code : ''
}

/** What the database would refuse, found before it is asked. */
export class Unstorable extends Error {
  override readonly name = 'Unstorable'
  readonly code: string

  constructor(message: string, code: string) {
    super(message)
    this.code = code
  }
}

/**
 * The row itself is refused: trying again can't help. SQLSTATE classes data exception, integrity violation, and limit exceeded (a name
 * that is too long for an index, JSON that is nested too deeply).
 */
export const isRefusedRow = (error: unknown): boolean => /^(22|23|54)[0-9A-Z]{3}$/.test(codeOf(error))

/** `JSON.stringify`, which ends at its stack as the database does at its own, and with the same SQLSTATE. */
export const jsonText = (value: unknown): string => {
  try {
    return JSON.stringify(value)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new Unstorable('JSON that is nested too deeply', '54001')
  }
}

/** There is no such table (any more). */
export const isMissingTable = (error: unknown): boolean => codeOf(error) === '42P01'

/** There are other columns than the view has (42P16). */
export const isOtherView = (error: unknown): boolean => codeOf(error) === '42P16'

/** Something of somebody else's depends on it (2BP01), or it is in use for longer than we wait (55P03). */
export const isDependedOn = (error: unknown): boolean => ['2BP01', '55P03'].includes(codeOf(error))

/** The database, or the way to it, is not well: connection, resources, an operator; and the drivers' own errors, which have no code. */
export const isDatabaseAway = (error: unknown): boolean => {
  if (/^(08|53|57)[0-9A-Z]{3}$|^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH)/.test(codeOf(error)))
    return true
  const { name, message = '' } = (error ?? {}) as Partial<Error>
  return (
    name === 'KnexTimeoutError' ||
    /^Connection terminated|^Client (was closed|has encountered a connection error)|^timeout (exceeded|expired)/i.test(message)
  )
}

/** It is away, or there was a conflict. What is asked is all right, and is asked again. */
export const isPassing = (error: unknown): boolean =>
  isDatabaseAway(error) || /^(40|25)[0-9A-Z]{3}$|^55P03$|^E[A-Z]{3,}/.test(codeOf(error))
