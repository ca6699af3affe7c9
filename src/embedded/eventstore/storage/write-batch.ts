import { eventSize, type NewEvent, tombstoneRevision, writeEvent } from './event.js'
import { type Decision, decideAppend, type StreamView } from './expected-revision.js'
import type { StreamEntry } from './index/rows.js'
import type { StreamIndex } from './index/stream-index.js'
import { groupSize, kinds, maxPayload, overhead, payloadAt, sealRecord } from './log/record.js'
import {
  type Bounds,
  deletedMetadata,
  isMetadata,
  isMetadataStream,
  metadataStreamOf,
  parseBounds,
  unbounded,
  withTruncateBefore,
} from './metadata.js'

/** An event of a group that is being built, and where it will stand. */
export type PendingEvent = { readonly id: string; readonly revision: number; readonly position: number; readonly size: number }

export type PendingStream = {
  readonly name: string
  readonly bytes: Buffer
  readonly entry: StreamEntry | undefined
  last: number
  tombstoned: boolean
  bounds: Bounds
  readonly events: PendingEvent[]
  readonly ids: Map<string, number>
  /** A metadata stream's latest data. */
  data: Uint8Array | undefined
}

/** What a batch is built on: the store as it was synced. */
export type Committed = {
  readonly index: StreamIndex
  readonly bounds: (name: string) => Bounds
  readonly idAt: (stream: number, revision: number) => string | undefined
  readonly metadata: (name: string) => Uint8Array | undefined
}

/** The appends that will share a sync. Each is decided on the store and on those before it; nothing of it shows until it is committed. */
export type WriteBatch = {
  readonly streams: ReadonlyMap<string, PendingStream>
  readonly isEmpty: () => boolean
  readonly bytes: () => number
  readonly seal: () => Buffer
  readonly append: (name: string, expectation: number, events: readonly NewEvent[]) => Written | Refused
  readonly remove: (name: string, expectation: number, id: string, metadataId: string) => Written | Refused
  readonly tombstone: (name: string, expectation: number, id: string) => Written | Refused
}

type Refused = Exclude<Decision, { kind: 'write' | 'known' }>

export type Written = { readonly kind: 'written'; readonly last: number; readonly position: number | undefined }

type BatchPlace = { readonly position: number; readonly salt: number; readonly created: number; readonly newId: () => string }

/** A batch whose group will begin at `position`, in a store with this salt; `created`, in milliseconds since 1970, is the time of its events. */
export const createWriteBatch = (committed: Committed, { position, salt, created, newId }: BatchPlace): WriteBatch => {
  const streams = new Map<string, PendingStream>()
  let buffer = Buffer.allocUnsafe(16 * 1024)
  let length = groupSize

  const open = (name: string): PendingStream => {
    const opened = streams.get(name)
    if (opened) return opened
    const entry = committed.index.stream(name)
    const stream: PendingStream = {
      name,
      bytes: Buffer.from(name, 'utf8'),
      entry,
      last: entry?.last ?? -1,
      tombstoned: entry?.tombstoned ?? false,
      bounds: committed.bounds(name),
      events: [],
      ids: new Map(),
      data: undefined,
    }
    streams.set(name, stream)
    return stream
  }

  const view = (stream: PendingStream): StreamView => ({
    last: stream.last,
    tombstoned: stream.tombstoned || (isMetadataStream(stream.name) && open(stream.name.slice(2)).tombstoned),
    deleted: stream.bounds.deleted,
    hasMetadata: () => !isMetadataStream(stream.name) && open(metadataStreamOf(stream.name)).last >= 0,
    revisionOf: (id) => stream.ids.get(id) ?? (stream.entry && committed.index.revisionOf(stream.entry.id, id)),
    idAt: (revision) =>
      stream.events.find((event) => event.revision === revision)?.id ??
      (stream.entry && committed.idAt(stream.entry.id, revision)),
  })

  const reserve = (size: number): void => {
    if (length + size <= buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(buffer.length * 2, length + size))
    buffer.copy(larger, 0, 0, length)
    buffer = larger
  }

  const write = (stream: PendingStream, event: NewEvent, revision: number): PendingEvent => {
    const at = { stream: stream.bytes, revision, position: position + length, created }
    const size = eventSize(event, at) + overhead
    // The calls' limits are below this. A record that no reader would take for one must never get into the log.
    if (size > maxPayload) throw new RangeError(`an event of ${size} bytes is too large`)
    reserve(size)
    writeEvent(buffer, length + payloadAt, event, at)
    sealRecord(buffer, length, kinds.event, size - overhead, at.position, salt)
    length += size
    const written = { id: event.id, revision, position: at.position, size }
    stream.events.push(written)
    stream.ids.set(event.id, revision)
    if (revision === tombstoneRevision) stream.tombstoned = true
    else stream.last = revision
    if (isMetadataStream(stream.name)) {
      stream.data = event.data
      open(stream.name.slice(2)).bounds = event.json ? parseBounds(event.data) : unbounded
    }
    return written
  }

  const writeMetadata = (name: string, data: Buffer, id: string): PendingEvent => {
    const stream = open(metadataStreamOf(name))
    return write(stream, { id, type: '$metadata', json: true, data, customMetadata: new Uint8Array() }, stream.last + 1)
  }

  const positionOf = (stream: PendingStream, revision: number): number | undefined =>
    stream.events.find((event) => event.revision === revision)?.position ??
    (stream.entry && committed.index.place(stream.entry.id, revision)?.position)

  const append: WriteBatch['append'] = (name, expectation, events) => {
    const stream = open(name)
    const decision = decideAppend(
      view(stream),
      expectation,
      events.map(({ id }) => id),
    )
    if (decision.kind === 'known') return { kind: 'written', last: decision.last, position: positionOf(stream, decision.last) }
    if (decision.kind !== 'write') return decision
    if (events.length === 0) return { kind: 'written', last: stream.last, position: undefined }
    if (stream.bounds.deleted) {
      const before = open(metadataStreamOf(name)).data ?? committed.metadata(name) ?? deletedMetadata
      writeMetadata(name, withTruncateBefore(before, decision.first), newId())
    }
    const owner = isMetadataStream(name) ? open(name.slice(2)) : undefined
    const wasDeleted = owner?.bounds.deleted
    let last: PendingEvent | undefined
    for (const [index, event] of events.entries()) last = write(stream, event, decision.first + index)
    // Whoever describes a deleted stream revives it, from where it ended.
    const described = events.at(-1)!
    if (owner && wasDeleted && described.json && isMetadata(described.data))
      writeMetadata(owner.name, withTruncateBefore(described.data, owner.last + 1), newId())
    return { kind: 'written', last: last!.revision, position: last!.position }
  }

  /** A delete is an append of one event whose id is not known yet. */
  const decide = (stream: PendingStream, expectation: number, id: string): Decision =>
    decideAppend(view(stream), expectation, [id])

  // Its id is new, so it is never known.
  const refused = (decision: Exclude<Decision, { kind: 'write' }>): Refused =>
    decision.kind === 'known' ? { kind: 'wrong', current: decision.last } : decision

  const tombstone: WriteBatch['tombstone'] = (name, expectation, id) => {
    const stream = open(name)
    const decision = decide(stream, expectation, id)
    if (decision.kind !== 'write') return refused(decision)
    const event = { id, type: '$streamDeleted', json: false, data: new Uint8Array(), customMetadata: new Uint8Array() }
    return { kind: 'written', last: tombstoneRevision, position: write(stream, event, tombstoneRevision).position }
  }

  const remove: WriteBatch['remove'] = (name, expectation, id, metadataId) => {
    const stream = open(name)
    const decision = decide(stream, expectation, id)
    if (decision.kind !== 'write') return refused(decision)
    const metadata = open(metadataStreamOf(name))
    if (view(metadata).tombstoned) return { kind: 'deleted' }
    if (stream.last < 0 && metadata.last < 0) return { kind: 'wrong', current: stream.last }
    return { kind: 'written', last: stream.last, position: writeMetadata(name, deletedMetadata, metadataId).position }
  }

  return {
    streams,
    isEmpty: () => length === groupSize,
    bytes: () => length,
    seal: () => buffer.subarray(0, length),
    append,
    remove,
    tombstone,
  }
}
