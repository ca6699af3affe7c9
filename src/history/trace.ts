import type { Store } from '../eventstore/store.js'
import { type HistoryEvent, historyEvent, isShown } from './engine/event.js'
import { type HistorySource, readHistory } from './engine/read.js'
import { wholeStream, withStreams } from './engine/stream.js'

/** An event, and those that say that it caused them. */
export type Caused = { readonly event: HistoryEvent; readonly caused: readonly Caused[] }

/** All that one request caused, stream by stream, each in the order in which it began. */
export type Trace = {
  readonly correlation: string
  readonly actor: string | undefined
  readonly at: string
  readonly streams: readonly { readonly stream: string; readonly events: readonly Caused[] }[]
}

/** The requests that wrote into a stream, and when the first of them did; none where there is no such stream. */
export const requestsOf = async (
  store: Pick<Store, 'url' | 'read'>,
  stream: string,
): Promise<{ readonly correlations: ReadonlySet<string>; readonly began?: string }> => {
  const recorded = await withStreams(store, (streams) => wholeStream(streams, stream))
  const events = recorded.filter(({ type, streamId }) => isShown(type, streamId)).map((event) => historyEvent(event, false))
  const correlations = new Set(events.map(({ correlation }) => correlation).filter((one) => one !== undefined))
  return { correlations, ...(events[0] && { began: events[0].at }) }
}

/** What requests caused, the earliest first. `from`: a time (RFC 3339) before which none of it was. Throws `StoreUnavailable`. */
export const trace = async (
  source: HistorySource,
  correlations: ReadonlySet<string>,
  { from, signal }: { readonly from?: string; readonly signal?: AbortSignal } = {},
): Promise<readonly Trace[]> => {
  const found = new Map<string, HistoryEvent[]>()
  const range = from === undefined ? {} : { from: { time: from } }
  const [only] = correlations.size === 1 ? correlations : []
  for await (const events of readHistory(source, {
    ...range,
    ...(only !== undefined && { correlation: only }),
    ...(signal && { signal }),
  })) {
    for (const event of events) {
      const { correlation } = event
      if (correlation === undefined || !correlations.has(correlation)) continue
      found.set(correlation, [...(found.get(correlation) ?? []), event])
    }
  }
  return [...found].map(([correlation, events]) => traceOf(correlation, events))
}

const traceOf = (correlation: string, events: readonly HistoryEvent[]): Trace => {
  const ids = new Set(events.map(({ id }) => id))
  const isCaused = ({ causation, id }: HistoryEvent): boolean => causation !== undefined && causation !== id && ids.has(causation)
  const nodeOf = (event: HistoryEvent): Caused => ({
    event,
    caused: events.filter(({ causation, id }) => causation === event.id && id !== event.id).map(nodeOf),
  })
  const roots = events.filter((event) => !isCaused(event))
  const streams = [...new Set(roots.map(({ stream }) => stream))].map((stream) => ({
    stream,
    events: roots.filter((root) => root.stream === stream).map(nodeOf),
  }))
  return { correlation, actor: events[0]!.actor, at: events[0]!.at, streams }
}
