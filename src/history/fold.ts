import type { CartEvent } from '../domain/cart.js'
import type { ShopEvent } from '../domain/catalogue.js'
import type { OrderEvent } from '../domain/order.js'
import type { ProductEvent } from '../domain/product.js'
import type { UserEvent } from '../domain/user.js'
import type { CartRow } from '../projections/cart.js'
import type { OrderRow } from '../projections/order.js'
import type { ProductRow } from '../projections/product.js'
import type { UserRow } from '../projections/user.js'

// What an analyst's own file is typed against: `import type { ... } from 'tillroll/fold'`.

/** An event as `history replay` gives it: today's shape, without what is secret, and without what tells who somebody is. */
export type Event = Shown<ShopEvent>

/** (Of each type of event by itself: a conditional type distributes over them.) */
type Shown<One> = One extends { readonly type: `Password${string}` } ? never : One extends ShopEvent ? Named<One> & About : never

type Named<One extends ShopEvent> = {
  readonly type: One['type']
  readonly data: Readonly<One extends UserEvent ? Omit<One['data'], 'name' | 'email'> : One['data']>
}

type About = {
  readonly id: string
  readonly position: bigint
  /** Such as `order-000000010000000000000001`. */
  readonly stream: string
  readonly category: string
  readonly revision: number
  /** When it happened (RFC 3339). */
  readonly at: string
  /** The user who did it, `anonymous` or `system`. */
  readonly actor: string | undefined
  /** One for all that a request caused. */
  readonly correlation: string | undefined
}

/** Times as people say them, in the zone of `--tz`. */
export type Clock = {
  readonly zone: string
  /** `2026-01-31`, of an event's `at`. */
  readonly date: (at: string) => string
  /** `17:05:00`, of an event's `at`: texts that can be compared. */
  readonly time: (at: string) => string
}

/** A period of `--every`. */
export type Period = {
  /** `2026-01-31` of a day, Monday's of a week, `2026-01` of a month, `2026-01-31T17:00Z` of an hour. */
  readonly label: string
  /** Milliseconds since 1970; `end` is the next one's start. */
  readonly start: number
  readonly end: number
}

/** The state after the event. */
export type Evolve<State> = (state: State, event: Event, clock: Clock) => State

/** The rows of the read models, by their projection. */
export type Rows = {
  readonly users: UserRow
  readonly products: ProductRow
  readonly carts: CartRow
  readonly orders: OrderRow
}

type Events = {
  readonly users: UserEvent
  readonly products: ProductEvent
  readonly carts: CartEvent
  readonly orders: OrderEvent
}

/** What `history what-if` takes for a projection's fold: the row after the event. `today` is the present fold. */
export type EvolveRow<Name extends keyof Rows, Row = Rows[Name]> = (
  row: Row | undefined,
  event: Events[Name],
  today: (row: Rows[Name] | undefined, event: Events[Name]) => Rows[Name] | undefined,
) => Row | undefined
