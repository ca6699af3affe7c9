import { tombstoneRevision } from '../../storage/event.js'
import { firstVisible } from '../../storage/metadata.js'
import type { Store, Stream } from '../../storage/store.js'
import type { Call } from '../call.js'
import { type Encoding, isYoung } from '../links.js'
import { Refused, streamDeleted } from '../requests.js'
import { caughtUp, confirmation, createBell, fellBehind } from './notices.js'
import type { From } from './options.js'
import { createSink } from './sink.js'

export type SubscribeStreamOptions = {
  readonly name: string
  readonly from: From
  readonly encoding: Encoding
  readonly now: () => number
}

/** Events behind the stream's last at which a subscription isn't live any more. */
const behind = 10_000
/** Others get their turn after so many events. */
const turn = 256

/** A stream's events after a revision, and then what comes, until the stream is tombstoned: then throws `Refused`. */
export const subscribeToStream = async (store: Store, call: Call, options: SubscribeStreamOptions): Promise<void> => {
  const { name, from, encoding, now } = options
  const sink = createSink(call, encoding)
  const bell = createBell(store.watchers, name, call)
  let live = false
  const start = store.stream(name)
  let next = from === 'start' ? 0 : from === 'end' ? start.last + 1 : from + 1

  const catchUp = async (stream: Stream): Promise<boolean> => {
    for (let count = 1; next <= stream.last; count++) {
      // What the metadata makes unreachable limits the catch-up, not what comes live.
      if (!live) next = stream.bounds.deleted ? stream.last + 1 : Math.max(next, firstVisible(stream.bounds, stream.last))
      const revision = next <= stream.last ? store.index.nextRevision(stream.id, next) : undefined
      if (revision === undefined || revision > stream.last) {
        next = Math.max(next, stream.last + 1)
        break
      }
      const event = store.event(stream, revision)
      if (event && (live || isYoung(event, stream.bounds.maxAge, now()))) sink.event(event, 0, event.bytes.length)
      next = revision + 1
      if (count % turn === 0) await new Promise(setImmediate)
      if (sink.isFull() && !(await sink.flush())) return false
    }
    return true
  }

  sink.add(confirmation())
  while (!call.isOver()) {
    const stream = store.stream(name)
    if (live && stream.last - next > behind) {
      live = false
      sink.add(fellBehind)
    }
    if (!(await catchUp(stream))) return
    if (store.stream(name).last >= next) continue
    if (stream.tombstoned) {
      const tombstone = store.event(stream, tombstoneRevision)
      if (tombstone) sink.event(tombstone, 0, tombstone.bytes.length)
      await sink.flush()
      throw new Refused(streamDeleted(name))
    }
    if (!live) {
      live = true
      sink.add(caughtUp)
    }
    if (await sink.flush()) await bell.wait()
  }
}
