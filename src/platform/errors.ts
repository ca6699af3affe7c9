/** Something that is needed is away, or too busy, for a while: the same may do well in a moment. */
export class Unavailable extends Error {
  override readonly name: string = 'Unavailable'
  /** What clients are told: nothing of the inside. */
  readonly outside: string = 'a part of the shop does not answer; try again in a moment'
}
