import type { Store } from '../../storage/store.js'

/**
 * Where the log is read from to begin at a position; `undefined` where it lies inside a record, and so is nothing that a client was ever
 * told. A position whose event a scavenge removed is as good as any: the next one that is left begins there.
 */
export const beginAt = async ({ log }: Store, position: number): Promise<number | undefined> => {
  const place = await log.align(position)
  if (place === position || position <= 0 || position >= log.end()) return place
  const before = await log.backward(place)
  if (!before || before.positions.length === 0) return place
  return position < before.positions[0]! + before.sizes[0]! ? undefined : place
}
