import { type Bridge, type BridgeOptions, createBridge } from '../../../src/bridge/engine/bridge.js'
import { leaseOf, type Sinks } from '../../../src/bridge/service.js'
import type { Feed } from '../../../src/eventstore/feed.js'
import { positionOf, type Store } from '../../../src/eventstore/store.js'
import type { Database } from '../../../src/platform/database.js'
import { until } from '../../support/until.js'

export const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }

export type BridgeSetup = {
  readonly database: Database
  readonly feed: Feed
  readonly store: Store
  readonly sinks: Sinks
  readonly topic: string
}

export type RunningBridge = {
  readonly bridge: Bridge
  /** Resolves when the bridge has handled the store's newest event. */
  readonly caughtUp: () => Promise<void>
  readonly ended: Promise<unknown>
  readonly stop: () => Promise<void>
}

let holders = 0

export const startBridge = (
  { database, sinks, topic, ...setup }: BridgeSetup,
  more: Partial<BridgeOptions> & { ttl?: number } = {},
): RunningBridge => {
  const ending = new AbortController()
  const lease = { database, name: leaseOf(sinks.kind, topic), holder: `test ${++holders}`, ttl: more.ttl ?? 1_000 }
  const bridge = createBridge({
    ...setup,
    storeId: 'store-1',
    sink: sinks.sink(topic, lease),
    lease,
    log: silent,
    idleProgress: 50,
    ...more,
  })
  const ended = bridge.run(ending.signal).then(
    () => undefined,
    (error: unknown) => error,
  )
  const caughtUp = async () => {
    const target = positionOf(await setup.store.last())?.commit ?? 0n
    await until(() => (bridge.status().position?.commit ?? -1n) >= target)
  }
  return {
    bridge,
    caughtUp,
    ended,
    stop: async () => {
      ending.abort()
      await ended
    },
  }
}

/** Waits until it is so; throws after so many milliseconds. */
