/** What the work is rejected with; rejects itself where it succeeds. */
export const rejection = async (work: Promise<unknown>): Promise<Error & { readonly code?: string }> => {
  let outcome: unknown
  try {
    outcome = await work
  } catch (error) {
    return error as Error
  }
  throw new Error(`it should have been refused, and came to ${JSON.stringify(outcome)}`)
}
