import { openEvent } from '../../storage/event.js'
import type { Store } from '../../storage/store.js'
import type { Call } from '../call.js'
import type { Encoding } from '../links.js'
import { invalid } from '../requests.js'
import { type Checkpoint, createCheckpoints } from './checkpoints.js'
import { caughtUp, checkpoint, confirmation, createBell, fellBehind } from './notices.js'
import type { From, SubscriptionFilter } from './options.js'
import { beginAt } from './position.js'
import { createSink } from './sink.js'

export type SubscribeAllOptions = {
  readonly from: From
  readonly encoding: Encoding
  readonly filter: SubscriptionFilter | undefined
}

/** Bytes of log behind the end at which a subscription isn't live any more. */
const behind = 8 * 1024 * 1024
/** Others get their turn after so many milliseconds of filtering. */
const turn = 20

/**
 * `$all` after a position, and then what comes. The subscription holds a place in the log, never events: a slow one reads them again
 * when it gets there.
 */
export const subscribeToAll = async (
  store: Store,
  call: Call,
  { from, encoding, filter }: SubscribeAllOptions,
): Promise<void> => {
  const { log } = store
  const sink = createSink(call, encoding)
  const bell = createBell(store.watchers, undefined, call)
  const after = typeof from === 'number' ? from : -1
  const begin = from === 'start' ? 0 : from === 'end' ? log.end() : await beginAt(store, from)
  const checkpoints = filter && createCheckpoints(filter, from === 'end' ? undefined : from === 'start' ? 0 : from)
  let live = false

  const tell = (reached: Checkpoint | undefined): void => {
    if (reached) sink.add(checkpoint(reached))
  }

  sink.add(confirmation())
  if (begin === undefined) {
    await sink.flush()
    throw invalid('Trying to read from an invalid position.')
  }
  let next = begin
  while (!call.isOver()) {
    const chunk = await log.forward(next)
    if (!chunk) {
      if (!live) {
        live = true
        tell(checkpoints?.goLive())
        sink.add(caughtUp)
      }
      if (await sink.flush()) await bell.wait()
      continue
    }
    if (live && log.end() - next > behind) {
      live = false
      sink.add(fellBehind)
      tell(checkpoints?.fallBehind())
    }
    let turnBegan = performance.now()
    for (let i = 0; i < chunk.offsets.length; i++) {
      const position = chunk.positions[i]!
      if (position === after) checkpoints?.skip()
      if (position <= after) continue
      const event = openEvent(chunk.buffer, chunk.offsets[i]!)
      const matches = !filter || filter.matches(event)
      if (matches) sink.event(event, chunk.offsets[i]!, chunk.sizes[i]!)
      tell(checkpoints?.consider(position, matches))
      if (filter && performance.now() - turnBegan > turn) {
        await new Promise(setImmediate)
        turnBegan = performance.now()
      }
      if (sink.isFull() && !(await sink.flush())) return
    }
    next = chunk.next
  }
}
