import { openStreams, type StreamReader } from '../../eventstore/scan.js'
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
  const connections = createConnections(() => openStreams(url))
  await connections.one()
  return {
    close: connections.close,
    async *read(streamId, from) {
      const connection = await connections.one()
      connection.reading++
      let isWhole = false
      try {
        for await (const events of connection.streams.read(streamId, from)) yield events.map(recorded)
        isWhole = true
      } finally {
        connection.reading--
        if (!isWhole) connection.cut++
      }
    },
  }
}

type Connection = { readonly streams: StreamReader; reading: number; cut: number }

/** HTTP/2's servers end a connection on which a thousand readings were cut off: it could be an attack ("rapid reset"). */
const mostCut = 400

/** The connection to read on: another one, in time. */
const createConnections = (open: () => Promise<StreamReader>) => {
  const all = new Set<Connection>()
  const begin = async (): Promise<Connection> => {
    const connection = { streams: await open(), reading: 0, cut: 0 }
    all.add(connection)
    return connection
  }
  let current = begin()
  const one = async (): Promise<Connection> => {
    for (;;) {
      const asked = current
      const connection = await asked
      if (connection.cut + connection.reading < mostCut) return connection
      if (current === asked) current = begin()
    }
  }
  const close = (): void => {
    for (const { streams } of all) streams.close()
  }
  return { one, close }
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
