import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { createFeed } from '../../src/eventstore/feed.js'
import type { Store } from '../../src/eventstore/store.js'
import type { Database } from '../../src/platform/database.js'
import { projections } from '../../src/projections/all.js'
import { runProjections } from '../../src/projections/runner.js'

const callers = 64
const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined }

/** Commands a second that projecting must keep up with. */
const asked = 1_600

/** How long after its append was answered an event is in the tables: at the highest load of 64 callers, at half of it, and at 1,600 a second. */
export const measureLag = async (store: Store, database: Database, seconds: number): Promise<void> => {
  const ending = new AbortController()
  const feed = createFeed({ store, log: quiet })
  let waiting: { position: bigint; answered: number }[] = []
  let lags: number[] = []
  const onPosition = (position: bigint) => {
    const now = performance.now()
    lags.push(...waiting.filter((each) => each.position <= position).map(({ answered }) => now - answered))
    waiting = waiting.filter((each) => each.position > position)
  }
  const options = { database, store, feed, projections, storeId: 'bench', log: quiet, holder: 'bench', leaseTtl: 3_000 }
  const running = runProjections({ ...options, signal: ending.signal, onPosition })

  const load = async (rate: number): Promise<number> => {
    const until = performance.now() + seconds * 1_000
    const pause = (callers / rate) * 1_000
    let count = 0
    const caller = async (): Promise<void> => {
      const cartId = randomUUID()
      for (let revision = -1; performance.now() < until; revision++) {
        const began = performance.now()
        const data = { cartId, productId: `${revision % 5}`, amount: 1, at: new Date().toISOString() }
        const { position } = await store.append(
          `cart-${cartId}`,
          [{ id: randomUUID(), type: 'CartItemAdded', data, metadata: {} }],
          revision,
        )
        waiting.push({ position, answered: performance.now() })
        count++
        await sleep(Math.max(0, pause - (performance.now() - began)))
      }
    }
    await Promise.all(Array.from({ length: callers }, caller))
    return count / seconds
  }
  const report = (name: string, rate: number): void => {
    lags.sort((a, b) => a - b)
    const at = (share: number) => `${lags[Math.floor(lags.length * share)]?.toFixed(0)} ms`
    console.log(`live, ${name}: ${Math.round(rate)} events/s; lag ${at(0.5)} at the median, ${at(0.99)} at the 99th percentile`)
    lags = []
  }
  await load(500)
  lags = []
  const highest = await load(1_000_000)
  report('highest load', highest)
  while (waiting.length > 0) await sleep(50)
  lags = []
  report('half of it', await load(highest / 2))
  while (waiting.length > 0) await sleep(50)
  lags = []
  report(`${asked} a second, or as many as there can be`, await load(asked))
  ending.abort()
  await running
  await feed.close()
}
