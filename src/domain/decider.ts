/**
 * A decider: what a stream of one category can be asked, and how its events fold into the state that decides.
 * The shape is Jérémie Chassaing's "functional event sourcing decider".
 */
export type Decider<State, Command, Event extends DomainEvent> = {
  /** The first part of the stream's name: `cart` of `cart-<id>`. */
  readonly category: string
  readonly initial: State
  /** Answers the events that the command causes (none: it changes nothing), or throws `Rejected`. */
  readonly decide: (command: Command, state: State) => readonly Event[]
  readonly evolve: (state: State, event: Event, revision: number) => State
  /** Whether this event accepts the command that wrote it: only then is the command's idempotency key remembered. */
  readonly accepts: (event: Event) => boolean
  /** Whether this event only asks, and another will say what became of it: it tells whose request is open. */
  readonly asks?: (event: Event) => boolean
  /** How a long stream closes its books; a category whose streams stay short has none. */
  readonly books?: Books<State, Event>
}

/** A state carried forward as data, so that loading need not read what lies before it. */
export type Books<State, Event extends DomainEvent> = {
  /** The type of the event that carries the state: its data is a `CarriedPart`. */
  readonly type: Event['type']
  readonly write: (state: State) => Json
  readonly read: (carried: Json) => State
}

export type DomainEvent = { readonly type: string; readonly data: { readonly at: string } }

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** Why a command was refused, in the domain's words; the HTTP layer turns them into status codes. */
export class Rejected extends Error {
  readonly reason: RejectionReason
  readonly detail: { readonly [key: string]: Json }

  constructor(reason: RejectionReason, detail: { readonly [key: string]: Json } = {}) {
    super(reason)
    this.name = 'Rejected'
    this.reason = reason
    this.detail = detail
  }
}

export type RejectionReason =
  | 'AmountTooLarge'
  | 'CartEmpty'
  | 'CartFull'
  | 'CheckoutOutstanding'
  | 'CustomerDiffers'
  | 'EmailTaken'
  | 'ItemsWithFinalStatus'
  | 'LineNotFound'
  | 'OrderCancelled'
  | 'OrderNotFound'
  | 'OrderShipped'
  | 'OrderUnsettled'
  | 'PriceDiffers'
  | 'PriceRequired'
  | 'ProductNotFound'
  | 'StaffOnly'
  | 'StatusNotAllowed'
  | 'StockShort'
  | 'StockTooLarge'
  | 'UserNotFound'
  | 'WrongPassword'
