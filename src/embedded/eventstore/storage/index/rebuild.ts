import { idBytesOf, openEvent, streamOf, tombstoneRevision } from '../event.js'
import type { EventLog } from '../log/log.js'
import { decodeHead } from '../log/record.js'
import type { StreamIndex } from './stream-index.js'

const flushAbove = 100_000

/** Makes the index from the log. Throws `Damaged`. */
export const rebuildIndex = async (
  log: EventLog,
  index: StreamIndex,
  onProgress: (done: number, total: number) => void = () => undefined,
): Promise<void> => {
  const entryOf = (name: string) => index.stream(name) ?? index.makeStream(name)
  let from = 0
  for (let chunk = await log.forward(from, 1024 * 1024); chunk; chunk = await log.forward(from, 1024 * 1024)) {
    for (let i = 0; i < chunk.offsets.length; i++) {
      const event = openEvent(chunk.buffer, chunk.offsets[i]!)
      const entry = entryOf(streamOf(event))
      index.loadEvent(entry.id, event.revision, { position: chunk.positions[i]!, size: chunk.sizes[i]! }, idBytesOf(event))
      if (event.revision === tombstoneRevision) entry.tombstoned = true
      else entry.last = event.revision
      index.putStream(entry)
    }
    for (const offset of chunk.heads) {
      const { name, last } = decodeHead(chunk.buffer, offset)
      const entry = entryOf(name)
      entry.last = Math.max(entry.last, last)
      index.putStream(entry)
    }
    if (index.unflushed() >= flushAbove) index.flush()
    from = chunk.next
    onProgress(from, log.end())
  }
  index.flush()
}
