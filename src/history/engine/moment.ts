import type { RecordedEvent } from '../../eventstore/store.js'
import type { Place, Range } from './range.js'

/** A moment of a stream: at a revision, or as of a moment of the whole shop. */
export type Moment = { readonly revision: number } | Place

type Stamped = Pick<RecordedEvent, 'position' | 'data' | 'created'>

const ownTime = (data: unknown): string | undefined => {
  const { at } = (data ?? {}) as { readonly at?: unknown }
  return typeof at === 'string' ? at : undefined
}

/** The event's own time (RFC 3339); of one that doesn't say, when the store wrote it. */
export const atOf = ({ data, created }: Pick<Stamped, 'data' | 'created'>): string => ownTime(data) ?? created.toISOString()

/**
 * Whether an event is later than a moment of the shop. As of the moment, a stream is the longest prefix of events that are not: those up
 * to a commit position (inclusive), or those whose `at` is not after the time. One that doesn't say when it was is of the time of the one before it.
 */
export const laterThan = (moment: Place): ((event: Pick<Stamped, 'position' | 'data'>) => boolean) => {
  if ('position' in moment) return ({ position }) => position > moment.position
  const time = Date.parse(moment.time)
  return ({ data }) => Date.parse(ownTime(data) ?? '') > time
}

/** The same of one stream's events. */
export const laterInStream = (
  moment: Moment,
): ((event: Pick<Stamped, 'position' | 'data'> & { readonly revision: number }) => boolean) =>
  'revision' in moment ? ({ revision }) => revision > moment.revision : laterThan(moment)

/** After one moment and up to another (inclusive). */
export const between = (from: Place, to: Place): Range => ({ from: justAfter(from), to: justAfter(to) })

/** As the end of a range, which is exclusive. (Times are kept in milliseconds.) */
export const justAfter = (place: Place): Place =>
  'position' in place ? { position: place.position + 1n } : { time: new Date(Date.parse(place.time) + 1).toISOString() }
