import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { createdOf, dataOf, idOf, type NewEvent, openEvent, type StoredEvent } from './event.js'
import { DiskFull, diskFiles, type Files, isDiskFull } from './files.js'
import { rebuildIndex } from './index/rebuild.js'
import type { StreamEntry } from './index/rows.js'
import { isIndexWhole, openStreamIndex, type StreamIndex } from './index/stream-index.js'
import type { EventLog } from './log/log.js'
import { openLog } from './log/open.js'
import { groupOf } from './log/record.js'
import { type Bounds, isMetadataStream, metadataBounds, metadataStreamOf, parseBounds, unbounded } from './metadata.js'
import type { Settle } from './outcome.js'
import { createWatchers, type Watchers } from './watchers.js'
import { type Committed, createWriteBatch, type WriteBatch } from './write-batch.js'
import { createWriter } from './writer.js'

/** How a stream stands, all that is synced. */
export type Stream = {
  readonly name: string
  /** The index's number of it; −1 where it never had an event. */
  readonly id: number
  readonly last: number
  readonly tombstoned: boolean
  readonly bounds: Bounds
}

export type Store = {
  /** `deadline`: milliseconds since 1970; passed, the outcome is a timeout (and what was asked for may happen nevertheless). */
  readonly append: (
    name: string,
    expectation: number,
    events: readonly NewEvent[],
    deadline: number,
    settle: Settle,
    isGone?: () => boolean,
  ) => void
  readonly remove: (name: string, expectation: number, hard: boolean, deadline: number, settle: Settle) => void
  readonly stream: (name: string) => Stream
  /** A stream's event; `undefined` where it is no more. Throws `Damaged`. */
  readonly event: (stream: Stream, revision: number) => StoredEvent | undefined
  readonly index: StreamIndex
  readonly log: EventLog
  readonly watchers: Watchers
  /** Whether the start has read all of the log, and so checked it; after a stop in order it reads none of it. */
  readonly wasRead: boolean
  /** Whether appends are refused because the disk is full. */
  readonly isFull: () => boolean
  /** Writes a record of the store's own into the log, in a group of its own. */
  readonly note: (kind: number, payload: Uint8Array) => Promise<void>
  /** Begins a new segment, between two groups. */
  readonly roll: () => Promise<void>
  /** Rejects when the disk failed: nothing more can be written. */
  readonly failed: Promise<never>
  readonly close: () => Promise<void>
  /** Leaves the files as a crash would: for tests of it. */
  readonly abandon: () => Promise<void>
}

export type StoreOptions = {
  readonly folder: string
  readonly files?: Files
  /** Where the index is kept; in the folder, if it isn't said. */
  readonly indexFolder?: string
  readonly segmentBytes?: number
  /** The clock, in milliseconds since 1970. */
  readonly now?: () => number
  /** Called while the index is made anew, with positions in the log. */
  readonly onProgress?: (done: number, total: number) => void
  /** Called when there is no more space on the disk, so that appends are refused, and when they are taken again. */
  readonly onFull?: (full: boolean) => void
}

/** What the index, the marks and a first group may need: below it lmdb could die of a signal. */
const spaceToOpen = 1024 * 1024

/** Opens the store in a folder, or makes one. Throws `Damaged`, `UnknownVersion`, `NoStore` and `DiskFull`, having changed nothing. */
export const openStore = async (options: StoreOptions): Promise<Store> => {
  const { folder, files = diskFiles, segmentBytes, now = Date.now, onProgress, onFull } = options
  await files.makeFolder(folder)
  const free = files.freeBytes(folder)
  if (free < spaceToOpen)
    throw new DiskFull(`the disk that holds ${folder} is full (${free} bytes are left): make space and start again`)
  const { log, closed } = await openLog(files, folder, segmentBytes === undefined ? {} : { segmentBytes })
  const indexFolder = options.indexFolder ?? join(folder, 'index')
  try {
    const whole = closed !== undefined && (await isIndexWhole(indexFolder, closed.indexSize, closed.indexSum))
    const index = await openStreamIndex(indexFolder, { empty: !whole })
    try {
      if (!whole) await rebuildIndex(log, index, onProgress)
      const store = await storeOf(log, index, { now, wasRead: !whole, onFull })
      if (log.end() === 0) await begin(store)
      return store
    } catch (error) {
      await index.discard()
      throw error
    }
  } catch (error) {
    await log.close()
    throw error
  }
}

/** A fresh store holds one event, of the system: `$all` is never empty. */
const begin = (store: Store): Promise<void> =>
  new Promise((resolve, reject) => {
    const event = {
      id: randomUUID(),
      type: '$storeCreated',
      json: true,
      data: Buffer.from(JSON.stringify({ store: randomUUID() })),
      customMetadata: new Uint8Array(),
    }
    store.append('$store', -1, [event], Number.POSITIVE_INFINITY, (outcome) => {
      if (outcome.kind === 'written') resolve()
      else reject(new Error(`the store's first event could not be written: ${outcome.kind}`))
    })
  })

const lastCreated = async (log: EventLog): Promise<number> => {
  let before = log.end()
  for (let chunk = await log.backward(before); chunk; chunk = await log.backward(before)) {
    if (chunk.offsets.length > 0) return createdOf(openEvent(chunk.buffer, chunk.offsets[0]!))
    before = chunk.next
  }
  return 0
}

type StoreSettings = {
  readonly now: () => number
  readonly wasRead: boolean
  readonly onFull: StoreOptions['onFull'] | undefined
}

const storeOf = async (log: EventLog, index: StreamIndex, { now, wasRead, onFull }: StoreSettings): Promise<Store> => {
  const knownBounds = new Map<string, Bounds>()
  const watchers = createWatchers()
  let created = await lastCreated(log)

  const eventAt = (id: number, revision: number): StoredEvent | undefined => {
    const place = index.place(id, revision)
    return place && openEvent(log.record(place.position, place.size))
  }

  const metadata = (name: string): Uint8Array | undefined => {
    const entry = index.stream(metadataStreamOf(name))
    if (!entry || entry.last < 0 || entry.tombstoned) return undefined
    const event = eventAt(entry.id, entry.last)
    // What is not marked as JSON counts for nothing.
    return event?.json ? dataOf(event) : undefined
  }

  const bounds = (name: string): Bounds => {
    if (isMetadataStream(name)) return metadataBounds
    const known = knownBounds.get(name)
    if (known) return known
    const data = metadata(name)
    const parsed = data ? parseBounds(data) : unbounded
    if (knownBounds.size >= 50_000) knownBounds.clear()
    knownBounds.set(name, parsed)
    return parsed
  }

  const committed: Committed = {
    index,
    bounds,
    metadata,
    idAt: (id, revision) => {
      const event = eventAt(id, revision)
      return event && idOf(event)
    },
  }

  const apply = (batch: WriteBatch): void => {
    for (const stream of batch.streams.values()) {
      if (stream.events.length === 0) continue
      const entry: StreamEntry = index.stream(stream.name) ?? index.makeStream(stream.name)
      for (const { id, revision, position, size } of stream.events) index.putEvent(entry.id, revision, { position, size }, id)
      entry.last = stream.last
      entry.tombstoned = stream.tombstoned
      index.putStream(entry)
      if (isMetadataStream(stream.name)) knownBounds.delete(stream.name.slice(2))
      watchers.touch(stream.name)
      if (stream.tombstoned) watchers.touch(metadataStreamOf(stream.name))
    }
    watchers.touch(undefined)
  }

  const newBatch = (): WriteBatch => {
    // The system's clock can be set back; an event's time can't.
    created = Math.max(created, now())
    return createWriteBatch(committed, { position: log.next(), salt: log.salt(), created, newId: randomUUID })
  }

  const writer = createWriter({ log, index: index, newBatch, apply, now, onFull })

  return {
    append: (name, expectation, events, deadline, settle, isGone = () => false) =>
      writer.submit({ decide: (group) => group.append(name, expectation, events), deadline, settle, isGone }),
    remove: (name, expectation, hard, deadline, settle) =>
      writer.submit({
        decide: (group) =>
          hard ? group.tombstone(name, expectation, randomUUID()) : group.remove(name, expectation, randomUUID(), randomUUID()),
        deadline,
        settle,
      }),
    stream: (name) => {
      const entry = index.stream(name)
      const owner = isMetadataStream(name) ? index.stream(name.slice(2)) : undefined
      return {
        name,
        id: entry?.id ?? -1,
        last: entry?.last ?? -1,
        tombstoned: (entry?.tombstoned ?? false) || (owner?.tombstoned ?? false),
        bounds: bounds(name),
      }
    },
    event: (stream, revision) => eventAt(stream.id, revision),
    index,
    log,
    watchers,
    wasRead,
    roll: () => writer.pause(log.roll),
    note: (kind, payload) =>
      writer.pause(async () => {
        await log.makeRoom()
        try {
          await log.commit(groupOf(kind, payload, log.next(), log.salt()))
        } catch (error) {
          await log.restoreTail()
          throw error
        }
      }),
    isFull: writer.isFull,
    failed: writer.failed,
    abandon: () => {
      writer.abandon()
      return index.discard()
    },
    close: async () => {
      const inOrder = await writer.close()
      if (!inOrder) {
        await index.discard()
        await log.close()
        return
      }
      await log.close(await closedIndex(index))
    },
  }
}

/** Where the index can't be saved for want of space, the next start makes it anew. */
const closedIndex = async (index: StreamIndex): Promise<Awaited<ReturnType<StreamIndex['close']>> | undefined> => {
  try {
    return await index.close()
  } catch (error) {
    if (!isDiskFull(error)) throw error
    await index.discard()
    return undefined
  }
}
