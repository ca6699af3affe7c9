import { lengthDelimited, varintField } from '../../../platform/protobuf.js'
import { createdOf, dataOf, idOf, type StoredEvent } from '../storage/event.js'
import { firstVisible } from '../storage/metadata.js'
import type { Store } from '../storage/store.js'
import { framed } from './framing.js'

const greaterThan = 0x3e
const dollar = 0x24

export const isLink = (event: StoredEvent): boolean =>
  event.typeEnd - event.typeAt === 2 && event.bytes[event.typeAt] === dollar && event.bytes[event.typeAt + 1] === greaterThan

const largest = 2n ** 63n - 1n

/**
 * The event that a link's `revision@stream` names, where a revision of −1 is the stream's last; `unreadable` where it can't be read, for
 * whatever reason; `undefined` where the text names none, so that the event is no link.
 */
export const linkTarget = (store: Store, link: StoredEvent, now: number): StoredEvent | 'unreadable' | undefined => {
  const match = /^\s*([+-]?\d{1,30})\s*@(.*)$/s.exec(dataOf(link).toString('utf8'))
  if (!match || BigInt(match[1]!) > largest || BigInt(match[1]!) < -largest - 1n) return undefined
  const stream = store.stream(match[2]!)
  const { bounds, last } = stream
  const revision = Number(match[1]) === -1 ? last : Number(match[1])
  if (stream.tombstoned || bounds.deleted || revision < 0 || revision > last || revision < firstVisible(bounds, last))
    return 'unreadable'
  const event = store.event(stream, revision)
  return event && isYoung(event, bounds.maxAge, now) ? event : 'unreadable'
}

/** `maxAge` in seconds, `now` in milliseconds since 1970. */
export const isYoung = (event: StoredEvent, maxAge: number | undefined, now: number): boolean =>
  maxAge === undefined || createdOf(event) >= now - maxAge * 1000

export type Encoding = {
  readonly resolve: ((link: StoredEvent) => StoredEvent | 'unreadable' | undefined) | undefined
  /** The client wants ids as two integers. */
  readonly structuredIds: boolean
}

/** What is sent for an event, gRPC's prefix included: as it is stored where nothing has to be added. */
export const encodeForReader = (event: StoredEvent, record: Buffer, { resolve, structuredIds }: Encoding): Buffer => {
  const found = resolve !== undefined && isLink(event) ? resolve(event) : undefined
  if (found === undefined && !structuredIds) return record
  const recorded = (from: StoredEvent): Buffer =>
    structuredIds ? withStructuredId(from) : from.bytes.subarray(from.recordedAt, from.recordedEnd)
  const parts = [varintField(3, event.position)]
  if (found !== undefined) parts.unshift(lengthDelimited(2, recorded(event)))
  if (found !== 'unreadable') parts.unshift(lengthDelimited(1, recorded(found ?? event)))
  return framed(lengthDelimited(1, Buffer.concat(parts)))
}

const idSize = 40

const withStructuredId = (event: StoredEvent): Buffer => {
  const id = Buffer.from(idOf(event).replaceAll('-', ''), 'hex')
  const structured = Buffer.concat([bigVarint(1, id.readBigUInt64BE(0)), bigVarint(2, id.readBigUInt64BE(8))])
  return Buffer.concat([
    lengthDelimited(1, lengthDelimited(1, structured)),
    event.bytes.subarray(event.recordedAt + idSize, event.recordedEnd),
  ])
}

const bigVarint = (field: number, value: bigint): Buffer => {
  const bytes = [field * 8]
  let rest = value
  while (rest >= 128n) {
    bytes.push(Number(rest & 127n) | 128)
    rest >>= 7n
  }
  bytes.push(Number(rest))
  return Buffer.from(bytes)
}
