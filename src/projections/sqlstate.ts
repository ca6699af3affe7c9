/** The class of a database error: the first two characters of its SQLSTATE; `undefined` for what no server said. */
const classOf = (error: unknown): string | undefined => {
  const code = (error as { code?: unknown }).code
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code.slice(0, 2) : undefined
}

/** The row itself is refused (data exception, integrity violation): trying again can't help. */
export const isRefusedRow = (error: unknown): boolean => ['22', '23'].includes(classOf(error) ?? '')

/** There is no such table (any more). */
export const isMissingTable = (error: unknown): boolean => (error as { code?: unknown }).code === '42P01'
