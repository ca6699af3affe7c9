import { idBytesOf, openEvent, streamOf, tombstoneRevision } from '../event.js'
import type { Log } from '../log/log.js'
import { decodeHead } from '../log/record.js'
import type { Catalog } from './stream-index.js'

const flushAbove = 100_000

/** Makes the catalog from the log. Throws `Damaged`. */
export const rebuildCatalog = async (
  log: Log,
  catalog: Catalog,
  onProgress: (done: number, total: number) => void = () => undefined,
): Promise<void> => {
  const entryOf = (name: string) => catalog.stream(name) ?? catalog.makeStream(name)
  let from = 0
  for (let chunk = await log.forward(from, 1024 * 1024); chunk; chunk = await log.forward(from, 1024 * 1024)) {
    for (let i = 0; i < chunk.offsets.length; i++) {
      const event = openEvent(chunk.buffer, chunk.offsets[i]!)
      const entry = entryOf(streamOf(event))
      catalog.loadEvent(entry.id, event.revision, { position: chunk.positions[i]!, size: chunk.sizes[i]! }, idBytesOf(event))
      if (event.revision === tombstoneRevision) entry.tombstoned = true
      else entry.last = event.revision
      catalog.putStream(entry)
    }
    for (const offset of chunk.heads) {
      const { name, last } = decodeHead(chunk.buffer, offset)
      const entry = entryOf(name)
      entry.last = Math.max(entry.last, last)
      catalog.putStream(entry)
    }
    if (catalog.unflushed() >= flushAbove) catalog.flush()
    from = chunk.next
    onProgress(from, log.end())
  }
  catalog.flush()
}
