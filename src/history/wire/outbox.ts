/** Bytes that are sent at once. */
const together = 64 * 1_024

/** Messages gather until there is enough of them to be sent, or they are flushed. `send` resolves when there is room for more. */
export const createOutbox = (send: (bytes: Buffer) => Promise<void>) => {
  let waiting: Buffer[] = []
  let size = 0

  const flush = async (): Promise<void> => {
    const bytes = Buffer.concat(waiting)
    waiting = []
    size = 0
    if (bytes.length > 0) await send(bytes)
  }
  return {
    flush,
    put: async (bytes: Buffer): Promise<void> => {
      waiting.push(bytes)
      size += bytes.length
      if (size > together) await flush()
    },
  }
}
