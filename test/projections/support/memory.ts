import { randomUUID } from 'node:crypto'
import { createRecentEvents } from '../../../src/eventstore/recent-events.js'
import { type Position, type RecordedEvent, type Store, StoreUnavailable } from '../../../src/eventstore/store.js'
import type { Written } from './history.js'

/** An event store in memory that can be cut off: for what is not about the protocol. */
export const createMemoryStore = () => {
  const log: RecordedEvent[] = []
  const revisions = new Map<string, number>()
  let recent = createRecentEvents(1_000_000)
  recent.begin(undefined)
  let cut = new AbortController()
  let down = false

  const write = (...events: readonly Written[]): RecordedEvent => {
    for (const { streamId, type, data } of events) {
      const revision = (revisions.get(streamId) ?? -1) + 1
      revisions.set(streamId, revision)
      const position = BigInt(log.length + 1) * 100n
      const event = {
        id: randomUUID(),
        type,
        data,
        metadata: {},
        streamId,
        revision,
        position,
        preparePosition: position,
        created: new Date(),
      }
      log.push(event)
      recent.push(event)
    }
    return log.at(-1)!
  }

  const up = (): void => {
    if (down) throw new StoreUnavailable('down')
  }
  const after = (position: Position | undefined) => log.slice(position ? Number(position.commit / 100n) : 0)

  const store: Pick<Store, 'read' | 'readAll' | 'last' | 'eventAt' | 'subscribe'> = {
    read: async (streamId, { from = 0, maxCount = Number.POSITIVE_INFINITY } = {}) => {
      up()
      return log.filter((event) => event.streamId === streamId && event.revision >= from).slice(0, maxCount)
    },
    async *readAll(position, { signal } = {}) {
      up()
      for (const event of after(position)) {
        if (signal?.aborted) return
        up()
        yield event
      }
    },
    last: async () => {
      up()
      return log.at(-1)
    },
    eventAt: async ({ commit }) => {
      up()
      return log.find((event) => event.position === commit)
    },
    async *subscribe(position, { signal, onConfirmed }) {
      up()
      onConfirmed?.()
      const ended = AbortSignal.any([signal, cut.signal])
      let cursor = position
      while (!ended.aborted) {
        const events = recent.after(cursor, 100)!
        for (const event of events) {
          if (ended.aborted) break
          yield event
          cursor = { commit: event.position, prepare: event.position }
        }
        if (events.length === 0) await recent.changed(ended)
      }
      if (!signal.aborted) throw new StoreUnavailable('cut')
    },
  }

  return {
    store: store as Store,
    log,
    write,
    /** Breaks all subscriptions, and refuses everything until `restore`. */
    cutOff: () => {
      down = true
      cut.abort()
    },
    restore: () => {
      down = false
      cut = new AbortController()
    },
    /** As after a restore of an older backup. */
    truncate: (length: number) => {
      log.length = length
      recent = createRecentEvents(1_000_000)
      recent.begin(undefined)
      for (const event of log) recent.push(event)
    },
  }
}
