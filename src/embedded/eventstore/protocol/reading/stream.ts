import type { StoredEvent } from '../../storage/event.js'
import { firstVisible } from '../../storage/metadata.js'
import type { Store, Stream } from '../../storage/store.js'
import type { Call } from '../call.js'
import { type Encoding, isYoung } from '../links.js'
import { firstRevision, lastRevision } from './notices.js'
import type { From } from './options.js'
import { createSink, type Sink } from './sink.js'

export type StreamOptions = {
  readonly name: string
  readonly from: From
  readonly backwards: boolean
  readonly count: number
  readonly encoding: Encoding
  /** The reader wants to be told where the stream begins and ends, too. */
  readonly edges: boolean
  readonly now: () => number
}

/** Other readers get their turn after so many events, whose records are read without giving it up. */
const turn = 256

/** A stream's events, inclusive in both directions. `false` where there is no such stream. */
export const readStream = async (store: Store, call: Call, options: StreamOptions): Promise<boolean> => {
  const stream = store.stream(options.name)
  if (stream.last < 0 || stream.bounds.deleted) return false
  const sink = createSink(call, options.encoding)
  const lowest = firstYoung(store, stream, firstVisible(stream.bounds, stream.last), options.now())
  if (options.edges && !options.backwards) tellFirst(sink, stream, lowest, options)
  if (options.backwards) await backwards(store, stream, sink, lowest, options)
  else await forwards(store, stream, sink, lowest, options)
  if (options.edges) sink.add(lastRevision(stream.last))
  await sink.flush()
  return true
}

/** EventStoreDB reads by pages of so many events, and tells where the stream begins when the first page is empty and lies elsewhere. */
const page = 32

const tellFirst = (sink: Sink, stream: Stream, lowest: number, { from, count }: StreamOptions): void => {
  const start = from === 'start' ? 0 : from
  if (start === 'end') return
  if (start > stream.last + 1) sink.add(firstRevision(stream.last + 1))
  else if (lowest <= stream.last && start + Math.min(page, count) <= lowest) sink.add(firstRevision(lowest))
}

const forwards = async (
  store: Store,
  stream: Stream,
  sink: Sink,
  lowest: number,
  { from, count }: StreamOptions,
): Promise<void> => {
  let left = count
  let revision = from === 'start' ? lowest : from === 'end' ? stream.last + 1 : Math.max(from, lowest)
  while (left > 0 && revision <= stream.last) {
    const next = store.index.nextRevision(stream.id, revision)
    if (next === undefined || next > stream.last) return
    if (!(await give(store, stream, sink, next, left))) return
    left--
    revision = next + 1
  }
}

const backwards = async (
  store: Store,
  stream: Stream,
  sink: Sink,
  lowest: number,
  { from, count }: StreamOptions,
): Promise<void> => {
  let left = count
  let revision = from === 'start' ? 0 : from === 'end' ? stream.last : Math.min(from, stream.last)
  while (left > 0 && revision >= lowest) {
    const next = store.index.previousRevision(stream.id, revision)
    if (next === undefined || next < lowest) return
    if (!(await give(store, stream, sink, next, left))) return
    left--
    revision = next - 1
  }
}

const give = async (store: Store, stream: Stream, sink: Sink, revision: number, left: number): Promise<boolean> => {
  const event = store.event(stream, revision)
  if (event) sink.event(event, 0, event.bytes.length)
  if (left % turn === 0) await new Promise(setImmediate)
  return !sink.isFull() || sink.flush()
}

/** The first revision from `lowest` on that is not too old. Events of a stream are in the order of their times. */
const firstYoung = (store: Store, stream: Stream, lowest: number, now: number): number => {
  if (stream.bounds.maxAge === undefined) return lowest
  let low = lowest
  let high = stream.last + 1
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const revision = store.index.nextRevision(stream.id, middle)
    const event: StoredEvent | undefined =
      revision !== undefined && revision <= stream.last ? store.event(stream, revision) : undefined
    if (!event || isYoung(event, stream.bounds.maxAge, now)) high = middle
    else low = revision! + 1
  }
  return low
}
