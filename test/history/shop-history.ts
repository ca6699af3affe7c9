import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectStore } from '../../src/eventstore/client.js'
import type { Store } from '../../src/eventstore/store.js'
import type { HistorySource } from '../../src/history/engine/read.js'
import { startEventStore } from '../support/eventstore.js'

/** A store of its own with a little shop's history in it, of which each test knows everything. */
export type ShopHistory = HistorySource & {
  readonly store: Store
  readonly append: (streamId: string, ...events: readonly (readonly [type: string, data: object])[]) => Promise<void>
  readonly url: string
  /** A place for files. */
  readonly home: string
  readonly stop: () => Promise<void>
}

export const day = (n: number, hour = 0): string => new Date(Date.UTC(2026, 0, n, hour)).toISOString()

export const startShopHistory = async (): Promise<ShopHistory> => {
  const home = await mkdtemp(join(tmpdir(), 'tillroll-history-'))
  const node = await startEventStore()
  const store = connectStore(node.url)
  const revisions = new Map<string, number>()
  const append: ShopHistory['append'] = async (streamId, ...events) => {
    const metadata = { actor: 'u1', $correlationId: `c-${streamId}`, schema: 1 }
    const records = events.map(([type, data]) => ({ id: randomUUID(), type, data, metadata }))
    revisions.set(streamId, (await store.append(streamId, records, revisions.get(streamId) ?? -1)).revision)
  }
  const stop = async () => {
    await store.close()
    await node.stop()
    await rm(home, { recursive: true })
  }
  return { store, storeId: 'store', folder: join(home, 'history'), append, url: node.url, home, stop }
}

/** Two users, two products, a cart, and an order for each of `orders` days. */
export const writeShop = async ({ append }: Pick<ShopHistory, 'append'>, orders = 3): Promise<void> => {
  for (const [userId, name] of [
    ['u1', 'Ada "the first", Countess'],
    ['u2', 'Bob'],
  ] as const) {
    const data = { userId, name, email: `${userId}@example.org`, login: `l${userId}`, claimRevision: 0, at: day(1) }
    await append(`login-l${userId}`, ['EmailClaimed', { login: `l${userId}`, userId, at: day(1) }])
    await append(`user-${userId}`, ['UserRegistered', data], ['PasswordSet', { userId, hash: '$2b$secret', at: day(1) }])
  }
  await append('product-p1', [
    'ProductAdded',
    { productId: 'p1', name: 'Tea, "green"\nloose', stock: 10, price: 450, at: day(1) },
  ])
  await append('product-p2', ['ProductAdded', { productId: 'p2', name: '', stock: 5, at: day(1) }])
  await append('cart-u1', ['CartItemAdded', { cartId: 'u1', productId: 'p1', amount: 2, at: day(2) }])
  for (let n = 0; n < orders; n++) {
    const items = [
      { productId: 'p1', quantity: n + 1, price: 450 },
      { productId: 'p2', quantity: 1 },
    ]
    const terms = { orderId: `o${n}`, items, price: 450 * (n + 1), status: 'new' }
    await append(`order-o${n}`, ['OrderPlaced', { ...terms, customerId: 'u1', at: day(2 + n, 9) }])
  }
}
