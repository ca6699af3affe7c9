import type { Context } from 'koa'
import { KeyReused, PreconditionFailed } from '../../commands/engine/context.js'
import { Rejected, type RejectionReason } from '../../domain/decider.js'
import { decimalOfCents } from '../../domain/money.js'
import { Unavailable } from '../../platform/errors.js'
import { isDatabaseAway } from '../../platform/sqlstate.js'

/** How the answers of a route are dressed: bare, with errors as `{"msg"}` (the customers' API), or in an envelope (the orders' API). See docs/http.md. */
export type Dialect = 'plain' | 'envelope'

/** Fields that an error's answer carries beside its message. */
type Extra = { readonly [key: string]: unknown }

/** A request that is answered with an error. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly status: number
  readonly headers: { readonly [name: string]: string }
  readonly extra: Extra

  constructor(status: number, message: string, options: { headers?: Refusal['headers']; extra?: Extra; cause?: unknown } = {}) {
    super(message, { cause: options.cause })
    this.status = status
    this.headers = options.headers ?? {}
    this.extra = options.extra ?? {}
  }
}

/** Something that the answer needs is away: the same request may do well in a moment. */
export const unavailable = (message: string, cause?: unknown): Refusal =>
  new Refusal(503, message, { headers: { 'Retry-After': '1' }, cause })

type StatusAndMessage = readonly [status: number, message: string]

/** The answers to a refused command, where its route says nothing else. */
const rejections: { readonly [Reason in RejectionReason]: StatusAndMessage } = {
  AmountTooLarge: [400, 'a cart holds at most 10000 of a product; lower the amount'],
  CartEmpty: [400, 'the cart is empty; add a product first'],
  CartFull: [400, 'a cart holds at most 100 products; remove one first'],
  CheckoutOutstanding: [503, 'another checkout of this cart is under way; try again in a moment'],
  CustomerDiffers: [400, 'customer_id is not the customer of this order; it can not be changed'],
  EmailTaken: [409, 'this e-mail is taken; log in, or use another'],
  ItemsWithFinalStatus: [400, 'items can not be changed together with this status; send them one after the other'],
  LineNotFound: [404, 'data not found'],
  NothingOpen: [409, 'nothing of this order is waiting for a decision any more'],
  OrderCancelled: [409, 'the order is cancelled and takes no more changes'],
  OrderExists: [409, 'this order exists already'],
  OrderNotFound: [404, 'order not found'],
  OrderShipped: [409, 'the order has left and can not be changed like this any more'],
  OrderUnsettled: [503, 'another change of this order is under way; try again in a moment'],
  PriceDiffers: [409, 'price is not the sum of the items; send the sum'],
  PriceRequired: [400, 'price is required: one of the products has none of its own'],
  ProductExists: [409, 'this product exists already'],
  ProductNotFound: [404, 'product not found'],
  StaffOnly: [403, 'only staff may do this'],
  StatusNotAllowed: [400, 'this status can not be that of a new order'],
  StockShort: [409, 'there is not enough stock; order less'],
  StockTooLarge: [409, 'so much of it is ordered that its stock can not be set so high; set it lower'],
  UserExists: [409, 'this user exists already'],
  UserNotFound: [404, 'user not found'],
  WrongPassword: [401, 'wrong e-mail or password'],
}

/** Where a route's answer to a refusal differs. */
export type Says = { readonly [Reason in RejectionReason]?: StatusAndMessage }

const ofRejection = (rejected: Rejected, says: Says): Refusal => {
  const said = says[rejected.reason]
  // A route's own words are all of the answer.
  if (said) return new Refusal(...said, { cause: rejected })
  const [status, message] = rejections[rejected.reason]
  const { sum, productId, available } = rejected.detail
  return new Refusal(status, message, {
    cause: rejected,
    headers: status === 503 ? { 'Retry-After': '1' } : {},
    extra: {
      ...(typeof sum === 'number' && { sum: decimalOfCents(sum) }),
      ...(productId !== undefined && { product_id: productId }),
      ...(available !== undefined && { available }),
    },
  })
}

/** Any error as the answer that it gets. What is not foreseen is a 500, whose message tells nothing of the inside. */
export const refusalOf = (error: unknown, says: Says = {}): Refusal => {
  if (error instanceof Refusal) return error
  if (error instanceof Rejected) return ofRejection(error, says)
  if (error instanceof KeyReused) return new Refusal(422, 'this Idempotency-Key was used for another request; use a new one')
  if (error instanceof PreconditionFailed) return new Refusal(412, 'it has changed since; read it again and decide anew')
  if (error instanceof Unavailable) return unavailable(error.outside, error)
  if (isDatabaseAway(error)) return unavailable('the database does not answer; try again in a moment', error)
  return new Refusal(500, 'something went wrong on our side', { cause: error })
}

/** Writes the error in the route's dialect, or as a problem (RFC 9457) where the client asks for one. */
export const answerError = (ctx: Context, { status, message, headers, extra }: Refusal, dialect: Dialect): void => {
  ctx.status = status
  ctx.set('Cache-Control', 'no-store')
  ctx.set({ ...headers })
  // Asking for RFC 9457's type among others asks for it, for it says nothing of success.
  if (ctx.accepts().includes('application/problem+json')) {
    ctx.type = 'application/problem+json'
    ctx.body = JSON.stringify({ type: 'about:blank', title: ctx.message, status, detail: message, ...extra })
    return
  }
  ctx.type = 'application/json; charset=utf-8'
  ctx.body = JSON.stringify(
    dialect === 'plain' ? { msg: message, ...extra } : { status, message: 'error', data: { data: message, ...extra } },
  )
}
