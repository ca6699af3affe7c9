import { openEvent } from '../../storage/event.js'
import type { Store } from '../../storage/store.js'
import type { Call } from '../call.js'
import type { Encoding } from '../links.js'
import { caughtUp, checkpoint, confirmation, createBell, fellBehind } from './notices.js'
import type { From, SubscriptionFilter } from './options.js'
import { createSink } from './sink.js'

export type SubscribeAllOptions = {
  readonly from: From
  readonly encoding: Encoding
  readonly filter: SubscriptionFilter | undefined
}

/** Bytes of log behind the end at which a subscription isn't live any more. */
const behind = 8 * 1024 * 1024

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
  let next = from === 'start' ? 0 : from === 'end' ? log.end() : await log.align(from)
  let considered = 0
  let last = from === 'end' ? await lastPosition(store, next) : undefined
  let told: number | undefined
  let live = false

  const tell = (position: number): void => {
    if (position === told) return
    told = position
    sink.add(checkpoint(position))
  }

  sink.add(confirmation())
  while (!call.isOver()) {
    const chunk = await log.forward(next)
    if (!chunk) {
      if (!live) {
        live = true
        if (filter && last !== undefined) tell(last)
        sink.add(caughtUp)
      }
      if (await sink.flush()) await bell.wait()
      continue
    }
    if (live && log.end() - next > behind) {
      live = false
      sink.add(fellBehind)
    }
    for (let i = 0; i < chunk.offsets.length; i++) {
      const position = chunk.positions[i]!
      if (position <= after) continue
      const event = openEvent(chunk.buffer, chunk.offsets[i]!)
      last = position
      if (!filter || filter.matches(event)) sink.event(event, chunk.offsets[i]!, chunk.sizes[i]!)
      if (filter && ++considered % filter.checkpointEvery === 0) tell(position)
      if (sink.isFull() && !(await sink.flush())) return
    }
    next = chunk.next
  }
}

const lastPosition = async (store: Store, end: number): Promise<number | undefined> => {
  let before = end
  for (let chunk = await store.log.backward(before); chunk; chunk = await store.log.backward(before)) {
    if (chunk.positions.length > 0) return chunk.positions[0]
    before = chunk.next
  }
  return undefined
}
