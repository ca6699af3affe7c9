import { scanAll } from '../../eventstore/scan.js'
import type { ScannedEvent } from '../../eventstore/scan-decode.js'
import type { Position, RecordedEvent, Store } from '../../eventstore/store.js'
import { schemaOf } from '../../eventstore/upcast.js'
import type { FoldEvent } from '../engine/fold.js'

/** As much of an event as it takes to see whose it is; `open` makes the rest of it readable. */
export type SourceEvent = Pick<FoldEvent, 'id' | 'type' | 'streamId' | 'revision' | 'position'> & {
  readonly preparePosition: bigint
}

/** Where a build reads the history from. */
export type Source = {
  /** `$all` without system events after the position, to its end, in batches. Throws `StoreUnavailable`. */
  readonly read: (after: Position | undefined, signal: AbortSignal) => AsyncIterable<readonly SourceEvent[]>
  /** Only for events of `read`. */
  readonly open: (event: SourceEvent) => FoldEvent & { readonly size?: number }
  readonly readStream: (streamId: string, from: number) => Promise<readonly FoldEvent[]>
}

/** In bulk where the store can be reached by itself, else through it. */
export const sourceOf = (store: Pick<Store, 'url' | 'read' | 'readAll'>): Source => {
  const readStream: Source['readStream'] = (streamId, from) => store.read(streamId, { from, timeout: 60_000 })
  return store.url === undefined
    ? {
        readStream,
        read: (after, signal) => batched(store.readAll(after, { signal }), 1_000),
        open: (event) => event as RecordedEvent,
      }
    : { readStream, read: (after, signal) => scanned(store.url!, after, signal), open: (event) => opened(event as ScannedEvent) }
}

async function* scanned(url: string, after: Position | undefined, signal: AbortSignal): AsyncIterable<readonly ScannedEvent[]> {
  for await (const events of scanAll(url, { signal, ...(after && { after }) })) {
    yield events.filter(({ type }) => !type.startsWith('$'))
  }
}

/** Only what folds look at is parsed. */
const opened = ({
  id,
  type,
  streamId,
  revision,
  position,
  data,
  metadata,
  isJson,
}: ScannedEvent): ReturnType<Source['open']> => ({
  id,
  type,
  streamId,
  revision,
  position,
  size: data.length,
  data: isJson ? parsed(data) : data,
  metadata: isFirstShape(type, metadata) ? {} : (parsed(metadata) as FoldEvent['metadata']),
})

const firstVersion = Buffer.from('"schema":1')
const endsNumber: ReadonlySet<number | undefined> = new Set([...Buffer.from(',}')])

/** Whether nothing in the metadata bears on how the event is folded: told without parsing it, which would cost more than the rest. */
const isFirstShape = (type: string, metadata: Buffer): boolean => {
  if (metadata.length === 0) return true
  if (schemaOf(type) > 1) return false
  const at = metadata.indexOf(firstVersion)
  return at >= 0 && endsNumber.has(metadata[at + firstVersion.length])
}

/** What is marked as JSON and isn't: the fold will say that it can't take it. */
const parsed = (bytes: Buffer): unknown => {
  const text = bytes.toString()
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

async function* batched(events: AsyncIterable<RecordedEvent>, size: number): AsyncIterable<readonly RecordedEvent[]> {
  let batch: RecordedEvent[] = []
  for await (const event of events) {
    batch.push(event)
    if (batch.length < size) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}
