import type { KeyObject } from 'node:crypto'
import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import type { Topic } from '../../bridge/topic.js'
import type { Commands } from '../../commands/index.js'
import type { OrderId } from '../../domain/ids.js'
import type { AsOf } from '../../history/as-of.js'
import type { HistorySource } from '../../history/engine/read.js'
import type { HistoryEntry } from '../../history/order.js'
import type { HistoryService } from '../../history/service/client.js'
import type { Config } from '../../platform/config.js'
import type { Freshness } from '../../queries/engine/freshness.js'
import type { Remember } from '../../queries/engine/memory.js'
import type { Queries } from '../../queries/index.js'
import type { Sessions } from '../../queries/sessions.js'
import type { Tokens } from './auth.js'
import type { Flows } from './flows.js'
import type { Limiter, Limits } from './rate-limits.js'
import type { OwnWrites } from './read-your-writes.js'

/** What the HTTP layer is given; nothing in it listens, and nothing is started by it. */
export type HttpDeps = {
  readonly config: Pick<
    Config,
    | 'commandDeadline'
    | 'ownWritesWait'
    | 'readAfterWait'
    | 'rateLimit'
    | 'loginRateLimit'
    | 'tokenTtl'
    | 'tokenIssuer'
    | 'tokenAudience'
    | 'trustedProxies'
    | 'corsOrigins'
    | 'maxStreams'
    | 'requestTimeout'
  >
  readonly log: Logger
  readonly commands: Commands
  readonly queries: Queries
  readonly freshness: Pick<Freshness, 'waitFor'>
  /** Keeps what was rendered for as long as it is what a query would find. */
  readonly remember: Remember
  readonly sessions: Sessions
  readonly secrets: {
    /** The first signs tokens, all are accepted. */
    readonly jwt: readonly KeyObject[]
    /** Names commands by their Idempotency-Key. */
    readonly idempotency: Buffer
  }
  readonly history: {
    readonly orderHistory: (orderId: OrderId) => Promise<readonly HistoryEntry[]>
    readonly asOf: AsOf
    readonly source: HistorySource
    /** Answers questions in SQL. */
    readonly ask: HistoryService['ask']
    /** The newest event's commit position, as far as it is known here. */
    readonly head: () => bigint | undefined
  }
  readonly topic: Pick<Topic, 'records' | 'events'>
  readonly health: () => Promise<Health> | Health
  readonly registry: Registry
  /** The metrics as text: this process's, or those of all that serve the shop. */
  readonly metrics: () => Promise<string>
  /** Where users' reads may reach another process than their writes. Default: this process's own. */
  readonly ownWrites?: OwnWrites
  /** Where requests are counted. Default: in this process. */
  readonly limiter?: Limiter
  /** Aborts when no more requests are taken: streams, which end by nothing else, end then. */
  readonly ending?: AbortSignal
}

export type Health = { readonly ready: boolean; readonly parts: { readonly [part: string]: unknown } }

/** The same, with what the HTTP layer makes of it: what routes work with. */
export type Http = HttpDeps & {
  readonly tokens: Tokens
  readonly limits: Limits
  readonly ownWrites: OwnWrites
  readonly flows: Flows
}
