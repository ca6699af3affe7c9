import { catalogue, isSecret, personalFields } from '../../domain/catalogue.js'
import { identityStream } from '../../eventstore/identity.js'
import type { ScannedEvent } from '../../eventstore/scan-decode.js'
import type { EventMetadata, RecordedEvent } from '../../eventstore/store.js'
import { upcast } from '../../eventstore/upcast.js'
import { categoryOf } from '../../projections/projection.js'

/** An event as who reads the history sees it: in today's shape, with what rode along by name. */
export type HistoryEvent = {
  readonly id: string
  readonly position: bigint
  readonly preparePosition: bigint
  readonly stream: string
  readonly category: string
  readonly revision: number
  readonly type: string
  /** When it happened (RFC 3339); of an event that doesn't say, when the store wrote it. */
  readonly at: string
  /** The user who did it, `anonymous` or `system`. */
  readonly actor: string | undefined
  /** One for all that a request caused. */
  readonly correlation: string | undefined
  /** The id of the event or message that it answers, where who wrote it said so. */
  readonly causation: string | undefined
  readonly data: { readonly [field: string]: unknown }
  /** `data` as one line of JSON: where that was asked for, and the store has it so. */
  readonly text?: string
}

/** What the shop's people ask for is what the shop wrote: nothing of the store's own, and never what is secret. */
export const isShown = (type: string, streamId: string): boolean =>
  !type.startsWith('$') && streamId !== identityStream && !isSecret(type)

/** Today's shape. `personal`: whether personal data is shown; of a type that isn't described, nobody knows what is personal. */
export const historyEvent = (event: RecordedEvent, personal: boolean): HistoryEvent => {
  const { id, position, preparePosition, streamId, revision, type } = event
  const metadata: EventMetadata = typeof event.metadata === 'object' ? event.metadata : {}
  const data = objectOf(upcast(type, event.data, metadata.schema))
  return {
    id,
    position,
    preparePosition,
    stream: streamId,
    category: categoryOf(streamId),
    revision,
    type,
    at: typeof data.at === 'string' ? data.at : event.created.toISOString(),
    actor: metadata.actor,
    correlation: metadata.$correlationId,
    causation: metadata.$causationId,
    data: personal ? data : masked(type, data),
  }
}

const objectOf = (data: unknown): { readonly [field: string]: unknown } =>
  typeof data === 'object' && data !== null && !Array.isArray(data) && !Buffer.isBuffer(data)
    ? (data as { [field: string]: unknown })
    : {}

const masked = (type: string, data: HistoryEvent['data']): HistoryEvent['data'] => {
  if (!catalogue.has(type)) return {}
  const hidden = personalFields(type)
  if (hidden.length === 0) return data
  return Object.fromEntries(Object.entries(data).filter(([name]) => !hidden.includes(name)))
}

const atKey = Buffer.from('"at":"')

/**
 * The event's own time in milliseconds since 1970, without parsing the rest: a text inside JSON has its quotes escaped, so only the key
 * itself can look like this. Of an event that doesn't say, when the store wrote it.
 */
export const timeOf = ({ data, created }: Pick<ScannedEvent, 'data' | 'created'>): number => {
  const found = data.lastIndexOf(atKey)
  if (found < 0) return created
  const from = found + atKey.length
  const time = Date.parse(data.toString('latin1', from, data.indexOf(34, from)))
  return Number.isNaN(time) ? created : time
}
