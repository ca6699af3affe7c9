import type { KeyObject } from 'node:crypto'
import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import type { Commands } from '../commands/index.js'
import type { OrderId, ProductId, UserId } from '../domain/ids.js'
import type { Cents } from '../domain/money.js'
import type { OrderItem } from '../domain/order.js'
import type { Role } from '../domain/user.js'
import type { HistoryEntry } from '../history/orders.js'
import type { Config } from '../platform/config.js'
import type { Tokens } from './auth.js'
import type { OwnWrites } from './fresh.js'
import type { Limits } from './limits.js'
import type { Sessions } from './sessions.js'

/** What the HTTP layer is given; nothing in it listens, and nothing is started by it. */
export type HttpDeps = {
  readonly config: Pick<
    Config,
    'commandDeadline' | 'ownWritesWait' | 'readAfterWait' | 'rateLimit' | 'loginRateLimit' | 'tokenTtl'
  >
  readonly log: Logger
  readonly commands: Commands
  readonly queries: Queries
  readonly freshness: Freshness
  readonly sessions: Sessions
  readonly secrets: {
    /** The first signs tokens, all are accepted. */
    readonly jwt: readonly KeyObject[]
    /** Names commands by their Idempotency-Key. */
    readonly idempotency: Buffer
  }
  readonly history: { readonly orderHistory: (orderId: OrderId) => Promise<readonly HistoryEntry[]> }
  readonly topic: { readonly records: (from: RecordsFrom) => Promise<unknown> }
  readonly health: () => Promise<Health> | Health
  readonly registry: Registry
}

export type RecordsFrom = { readonly partition?: number; readonly offset: number; readonly limit: number }

export type Health = { readonly ready: boolean; readonly parts: { readonly [part: string]: unknown } }

/** The same, with what the HTTP layer makes of it: what routes work with. */
export type Http = HttpDeps & { readonly tokens: Tokens; readonly limits: Limits; readonly ownWrites: OwnWrites }

type Read<Value> = Promise<{ readonly value: Value; readonly revision?: number }>
type ProductRead = { productId: ProductId; name: string; stock: number; price?: Cents; retired?: boolean }
type OrderRead = { orderId: OrderId; customerId: UserId; items: readonly OrderItem[]; price: Cents; status: string }
export type Freshness = { readonly waitFor: (position: bigint, milliseconds: number) => Promise<boolean> }
export type Queries = {
  user: (id: UserId) => Read<{ userId: UserId; name: string; email: string; role: Role } | undefined>
  product: (id: ProductId) => Read<ProductRead | undefined>
  products: (page: { limit?: number; after?: ProductId }) => Read<readonly ProductRead[]>
  cart: (id: UserId) => Read<readonly { amount: number; product: ProductRead }[]>
  order: (id: OrderId) => Read<OrderRead | undefined>
  orders: (filter: {
    customerId?: UserId
    status?: string
    limit: number
    after?: string
  }) => Read<{ orders: readonly OrderRead[]; next?: string }>
}
