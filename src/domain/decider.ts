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
  /** What each event says of the command that wrote it. */
  readonly says: { readonly [Type in Event['type']]: Says }
  /** How the state of a long stream is carried forward; a category whose streams stay short has no need to. */
  readonly carryForward?: CarryForward<State, Event>
}

/**
 * `accepted`: the command is done, and its idempotency key is remembered with the stream. `asked`: it has only asked, and another
 * event will say what became of it. `nothing`: a step or a refusal, that no client's key is answered by.
 */
export type Says = 'accepted' | 'asked' | 'nothing'

/** A state carried forward as data, so that loading need not read what lies before it. ("Closing the books", in the literature.) */
export type CarryForward<State, Event extends DomainEvent> = {
  /** The type of the event that carries the state: its data is a `CarriedPart`. */
  readonly type: Event['type']
  readonly write: (state: State) => Json
  readonly read: (carried: Json) => State
}

export type DomainEvent = { readonly type: string; readonly data: { readonly at: string } }

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** Why a command was refused, in the domain's words; the HTTP layer turns them into status codes. Which a decider gives, its file says. */
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
  | 'NothingOpen'
  | 'OrderCancelled'
  | 'OrderExists'
  | 'OrderNotFound'
  | 'OrderShipped'
  | 'OrderUnsettled'
  | 'PriceDiffers'
  | 'PriceRequired'
  | 'ProductExists'
  | 'ProductNotFound'
  | 'StaffOnly'
  | 'StatusNotAllowed'
  | 'StockShort'
  | 'StockTooLarge'
  | 'UserExists'
  | 'UserNotFound'
  | 'WrongPassword'
