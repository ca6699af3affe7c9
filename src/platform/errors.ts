/** Something that is needed is away, or too busy, for a while: the same may do well in a moment. */
export class Unavailable extends Error {
  override readonly name: string = 'Unavailable'
  /** What clients are told: nothing of the inside. */
  readonly outside: string = 'a part of the shop does not answer; try again in a moment'
}

/** An error's message; of what is thrown and is no error, the thing as text. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** The code that the system, Node or Postgres gave an error, such as `ENOENT`. */
export const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
