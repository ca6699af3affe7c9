/** Some of the log's events, in the order they were asked for. */
export type Chunk = {
  readonly buffer: Buffer
  /** Where each record begins in the buffer, its size and its position. */
  readonly offsets: number[]
  readonly sizes: number[]
  readonly positions: number[]
  /** Where the records begin that a scavenge left in place of a stream's last event. */
  readonly heads: number[]
  /** Others read this buffer too. */
  readonly shared: boolean
  /** The place to go on from, in the same direction. */
  next: number
}
