const codeOf = (error: unknown): string => {
  const { code } = error as { code?: unknown }
  return typeof code === 'string' ? code : ''
}

/** The row itself is refused (SQLSTATE classes data exception, integrity violation): trying again can't help. */
export const isRefusedRow = (error: unknown): boolean => /^2[23][0-9A-Z]{3}$/.test(codeOf(error))

/** There is no such table (any more). */
export const isMissingTable = (error: unknown): boolean => codeOf(error) === '42P01'

/** Something of somebody else's depends on it (2BP01), or it is in use for longer than we wait (55P03). */
export const isDependedOn = (error: unknown): boolean => ['2BP01', '55P03'].includes(codeOf(error))

/** The database, or the way to it, is not well: connection, resources, an operator, a conflict. What is asked is all right, and is asked again. */
export const isPassing = (error: unknown): boolean =>
  /^(08|53|57|40|25)[0-9A-Z]{3}$|^55P03$|^E[A-Z]{3,}/.test(codeOf(error)) ||
  /^Connection terminated|^Client (was closed|has encountered a connection error)|^timeout (exceeded|expired)/i.test(
    (error as Error).message,
  )
