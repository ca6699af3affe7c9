import { openStreams } from '../../eventstore/scan.js'
import { recorded } from '../../eventstore/scan-decode.js'
import type { RecordedEvent, Store } from '../../eventstore/store.js'

/** Reads whole streams, each to where its reader stops. */
export type Streams = {
  /** The events from the revision on, oldest first; none of a stream that isn't there. Throws `StoreUnavailable`. */
  readonly read: (streamId: string, from?: number) => AsyncIterable<readonly RecordedEvent[]>
  readonly close: () => void
}

// A page has the store's own time to be answered in.
const pageSize = 1_000

/** In bulk where the store can be reached by itself, else page by page through the client. Throws `StoreUnavailable`. */
export const readStreams = async ({ url, read }: Pick<Store, 'url' | 'read'>): Promise<Streams> => {
  if (url === undefined) return { read: (streamId, from) => pages(read, streamId, from), close: () => undefined }
  const streams = await openStreams(url)
  return {
    close: streams.close,
    async *read(streamId, from) {
      for await (const events of streams.read(streamId, from)) yield events.map(recorded)
    },
  }
}

async function* pages(read: Store['read'], streamId: string, from = 0): AsyncGenerator<readonly RecordedEvent[], void> {
  for (let next = from; ; ) {
    const events = await read(streamId, { from: next, maxCount: pageSize })
    const last = events.at(-1)
    if (!last) return
    yield events
    if (events.length < pageSize) return
    next = last.revision + 1
  }
}

export const withStreams = async <T>(store: Pick<Store, 'url' | 'read'>, work: (streams: Streams) => Promise<T>): Promise<T> => {
  const streams = await readStreams(store)
  try {
    return await work(streams)
  } finally {
    streams.close()
  }
}

/** All of a stream. Throws `StoreUnavailable`. */
export const wholeStream = async ({ read }: Streams, streamId: string): Promise<readonly RecordedEvent[]> => {
  const all: RecordedEvent[] = []
  for await (const events of read(streamId)) all.push(...events)
  return all
}
