import { scanAll } from '../../eventstore/scan.js'
import { recorded } from '../../eventstore/scan-decode.js'
import type { Position, RecordedEvent } from '../../eventstore/store.js'
import { isPublished } from '../public-record.js'
import type { EventRef } from './sink.js'

/** A stretch of the history. */
export type Stretch = {
  /** Those that may have a public record are among them. */
  readonly events: readonly RecordedEvent[]
  /** Its last event. */
  readonly end: EventRef
  /** The last event by which a progress may be known: one that no erasure removes. None: the progress stays where it was. */
  readonly anchor: EventRef | undefined
}

const placeOf = ({ position, preparePosition, id }: Pick<RecordedEvent, 'position' | 'preparePosition' | 'id'>): EventRef => ({
  ...{ commit: position, prepare: preparePosition, eventId: id },
})

/** An erased person's events are gone after a scavenge, and the system's may be; a progress that stood at one would seem another store's. */
const stays = ({ streamId, type }: Pick<RecordedEvent, 'streamId' | 'type'>): boolean =>
  !type.startsWith('$') && !/^(user-|login-|\$)/.test(streamId)

/** Of a batch that is not empty. */
export const stretchOf = (events: readonly RecordedEvent[]): Stretch => {
  const anchor = events.findLast(stays)
  return { events, end: placeOf(events.at(-1)!), anchor: anchor && placeOf(anchor) }
}

const mostPublished = 2_000
const mostRead = 20_000

/** Everything after the position that is there, read in bulk; nothing but what is published is decoded. Throws `StoreUnavailable`. */
export async function* stretches(url: string, after: Position | undefined, signal: AbortSignal): AsyncGenerator<Stretch> {
  let events: RecordedEvent[] = []
  let read = 0
  let end: EventRef | undefined
  let anchor: EventRef | undefined
  for await (const scanned of scanAll(url, { signal, ...(after && { after }) })) {
    for (const event of scanned) {
      end = placeOf(event)
      if (stays(event)) anchor = end
      if (isPublished(event)) events.push(recorded(event))
    }
    read += scanned.length
    if (end && (events.length >= mostPublished || read >= mostRead)) {
      yield { events, end, anchor }
      events = []
      read = 0
    }
  }
  if (end && read > 0) yield { events, end, anchor }
}
