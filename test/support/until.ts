/** Resolves when the condition holds; rejects, with its text, where it doesn't come to hold within so many milliseconds. */
export const until = async (condition: () => boolean | Promise<boolean>, within = 15_000): Promise<void> => {
  const end = performance.now() + within
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`not so after ${within} ms: ${condition}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
