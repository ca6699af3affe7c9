import type { StreamIdentifier, UUID } from '@eventstore/db-client/generated/shared_pb.js'
import type { Map as ProtoMap } from 'google-protobuf'
import { type NewEvent, tombstoneRevision } from '../storage/event.js'
import { expected } from '../storage/expected-revision.js'
import type { Outcome } from '../storage/outcome.js'
import { codes, type Status, shortened } from './framing.js'

/** The limit of an append, in bytes; EventStoreDB's standard. */
export const maxAppendBytes = 1024 * 1024
const maxNameBytes = 64 * 1024

/** What an append has so far. */
export type Collected = { readonly events: NewEvent[]; bytes: number }

/** Adds an event; `false` where the append has become too large. It is counted as EventStoreDB does from 24.10.4 on. */
export const collect = (collected: Collected, event: NewEvent): boolean => {
  collected.bytes += event.data.length + event.customMetadata.length + 2 * event.type.length
  collected.events.push(event)
  return collected.bytes <= maxAppendBytes
}

/** A request that is refused as a whole, with the answer that it gets. */
export class Refused extends Error {
  override readonly name = 'Refused'
  readonly status: Status

  constructor(status: Status) {
    super(status.message)
    this.status = status
  }
}

export const invalid = (message: string): Refused => new Refused({ code: codes.invalidArgument, message })

/** Throws `Refused` for a name that no stream can have. */
export const streamName = (identifier: StreamIdentifier | undefined): string => {
  const name = Buffer.from(identifier?.getStreamName_asU8() ?? []).toString('utf8')
  if (name.length > maxNameBytes) throw invalid(`a stream's name has at most ${maxNameBytes} characters`)
  if (name === '' || name === '$$') throw new Refused({ code: codes.unknown, message: `"${name}" is no stream's name` })
  return name
}

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** As lower-case text. Throws `Refused`. */
export const uuidText = (uuid: UUID | undefined): string => {
  const text = uuid?.hasStructured() ? fromStructured(uuid) : (uuid?.getString() ?? '').toLowerCase()
  if (!uuidPattern.test(text)) throw invalid(`"${text}" is no UUID`)
  return text
}

const fromStructured = (uuid: UUID): string => {
  const { mostSignificantBits, leastSignificantBits } = uuid.getStructured()!.toObject()
  const bytes = Buffer.alloc(16)
  bytes.writeBigInt64BE(BigInt(mostSignificantBits), 0)
  bytes.writeBigInt64BE(BigInt(leastSignificantBits), 8)
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

/** A revision from the wire. None that is larger than any stream's makes a difference. */
export const revisionOf = (text: string): number => Math.min(Number(text), tombstoneRevision - 1)

type Expecting = {
  hasNoStream(): boolean
  hasAny(): boolean
  hasStreamExists(): boolean
}

/** Throws `Refused` where nothing is expected, not even any revision. */
export const expectationOf = (options: Expecting, revision: string | undefined): number => {
  if (revision !== undefined) return revisionOf(revision)
  if (options.hasNoStream()) return expected.none
  if (options.hasAny()) return expected.any
  if (options.hasStreamExists()) return expected.exists
  throw invalid('an expected revision is required')
}

type Proposed = {
  getId(): UUID | undefined
  getMetadataMap(): ProtoMap<string, string>
  getCustomMetadata_asU8(): Uint8Array
  getData_asU8(): Uint8Array
}

/** Throws `Refused`. */
export const newEvent = (proposed: Proposed): NewEvent => {
  const metadata = proposed.getMetadataMap()
  const type = metadata.get('type')
  const contentType = metadata.get('content-type')
  if (!type || !contentType) throw new Refused(missingProperty)
  return {
    id: uuidText(proposed.getId()),
    type,
    json: contentType === 'application/json',
    data: proposed.getData_asU8(),
    customMetadata: proposed.getCustomMetadata_asU8(),
  }
}

export const missingProperty: Status = {
  code: codes.invalidArgument,
  message: 'an event has a type and a content-type',
  trailers: { exception: 'missing-required-metadata-property', 'required-metadata-properties': 'type,content-type' },
}

export const appendTooLarge: Status = {
  code: codes.invalidArgument,
  message: `an append has at most ${maxAppendBytes} bytes`,
  trailers: { exception: 'maximum-append-size-exceeded', 'maximum-append-size': `${maxAppendBytes}` },
}

// These two messages are EventStoreDB's to the letter: some clients (Python's) read them, not the trailers.
export const streamDeleted = (name: string): Status => ({
  code: codes.failedPrecondition,
  message: `Event stream '${name}' is deleted.`,
  trailers: { exception: 'stream-deleted', 'stream-name': trailerText(name) },
})

export const wrongVersion = (name: string, expectation: number, current: number): Status => ({
  code: codes.failedPrecondition,
  message: `Delete failed due to WrongExpectedVersion. Stream: ${name}, Expected version: ${expectation}, Actual version: ${current}`,
  trailers: {
    exception: 'wrong-expected-version',
    'stream-name': trailerText(name),
    'expected-version': `${expectation}`,
    'actual-version': `${current}`,
  },
})

export const unavailable: Status = { code: codes.unavailable, message: 'the node is stopping' }
export const timedOut: Status = { code: codes.aborted, message: 'the write was not finished in time' }
/** By gRPC's book, `RESOURCE_EXHAUSTED` is also for a file system that is out of space. */
export const diskFull: Status = {
  code: codes.resourceExhausted,
  message: "the event store's disk is full: nothing was written, and nothing can be until there is space again; reads go on",
}
export const cancelled: Status = { code: codes.cancelled, message: 'the node is stopping' }

/** Trailers are ASCII: a name that isn't is percent-encoded. */
const trailerText = (name: string): string => {
  const short = shortened(name)
  return /^[\x20-\x7e]*$/.test(short) ? short : encodeURIComponent(short)
}

/** The most that a write may take, in milliseconds; a client's own deadline may be nearer. */
export const writeTimeout = 2_000

/** What a handler throws, as the client gets it. */
export const statusOf = (error: unknown): Status => {
  if (error instanceof Refused) return error.status
  return { code: codes.unknown, message: error instanceof Error ? error.message : String(error) }
}

/** What a refused write ends its call with. */
export const refusalOf = (outcome: Exclude<Outcome, { kind: 'written' }>, name: string, expectation: number): Status => {
  switch (outcome.kind) {
    case 'wrong':
      return wrongVersion(name, expectation, outcome.current)
    case 'deleted':
      return streamDeleted(name)
    case 'timeout':
      return timedOut
    case 'unavailable':
      return unavailable
    case 'full':
      return diskFull
    case 'failed':
      return { code: codes.unknown, message: outcome.message }
  }
}
