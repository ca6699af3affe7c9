import { lengthDelimited, varintField } from '../../../platform/protobuf.js'
import { createdOf, dataOf, idOf, type StoredEvent } from '../storage/event.js'
import { firstVisible } from '../storage/metadata.js'
import type { Store } from '../storage/store.js'
import { framed } from './framing.js'

const greaterThan = 0x3e
const dollar = 0x24

export const isLink = (event: StoredEvent): boolean =>
  event.typeEnd - event.typeAt === 2 && event.bytes[event.typeAt] === dollar && event.bytes[event.typeAt + 1] === greaterThan

/** The event that a link's `revision@stream` names; `undefined` where it can't be read, for whatever reason. */
export const linkTarget = (store: Store, link: StoredEvent, now: number): StoredEvent | undefined => {
  const match = /^(\d{1,15})@(.+)$/s.exec(dataOf(link).toString('utf8'))
  if (!match) return undefined
  const stream = store.stream(match[2]!)
  const revision = Number(match[1])
  const { bounds, last } = stream
  if (stream.tombstoned || bounds.deleted || revision > last || revision < firstVisible(bounds, last)) return undefined
  const event = store.event(stream, revision)
  return event && isYoung(event, bounds.maxAge, now) ? event : undefined
}

/** `maxAge` in seconds, `now` in milliseconds since 1970. */
export const isYoung = (event: StoredEvent, maxAge: number | undefined, now: number): boolean =>
  maxAge === undefined || createdOf(event) >= now - maxAge * 1000

export type Encoding = {
  readonly resolve: ((link: StoredEvent) => StoredEvent | undefined) | undefined
  /** The client wants ids as two integers. */
  readonly structuredIds: boolean
}

/** What is sent for an event, gRPC's prefix included: as it is stored where nothing has to be added. */
export const encodeForReader = (event: StoredEvent, record: Buffer, { resolve, structuredIds }: Encoding): Buffer => {
  const link = resolve !== undefined && isLink(event)
  if (!link && !structuredIds) return record
  const recorded = (from: StoredEvent): Buffer =>
    structuredIds ? withStructuredId(from) : from.bytes.subarray(from.recordedAt, from.recordedEnd)
  const target = link ? resolve(event) : event
  const parts = [varintField(3, event.position)]
  if (link) parts.unshift(lengthDelimited(2, recorded(event)))
  if (target) parts.unshift(lengthDelimited(1, recorded(target)))
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
