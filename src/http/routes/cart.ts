import { z } from 'zod'
import type { Id, UserId } from '../../domain/ids.js'
import { isNow, objectQuery, oneMoment, readThen } from '../api/as-of.js'
import { askers, explained, explanationView } from '../api/explain.js'
import { checkout, id, lineUpdate, newLine } from '../api/schemas.js'
import { cartLineView, orderView, viewCartLine, viewOrder } from '../api/views.js'
import type { Caller } from '../pipeline/auth.js'
import { Refusal } from '../pipeline/errors.js'
import { tagOf } from '../pipeline/etag.js'
import { type Route, route, unlessParked } from '../pipeline/route.js'
import type { Http } from '../pipeline/services.js'

const msg = (text: string) => ({ msg: text })
const msgView = z.object({ msg: z.string() })

const assertOwn = (named: Id | undefined, caller: Caller): void => {
  if (named !== undefined && named !== caller.userId) throw new Refusal(403, 'UserId is not yours; leave it out')
}

const cartQuery = z
  .object({ ...objectQuery, UserId: id.exactOptional() })
  .refine(...oneMoment)
  .refine(({ UserId, explain }) => UserId === undefined || explain !== undefined, {
    path: ['UserId'],
    message: 'is for explain alone: the cart is yours',
  })

/** A line of a cart is named by its product: the cart is the caller's, always. */
export const cartRoutes = (http: Http): readonly Route[] => {
  const { commands, queries, history, remember } = http

  /** Without a revision where nothing was ever put in. */
  const renderCart = async (userId: UserId) => {
    const { position, ...read } = await queries.cart(userId)
    const { value, revision = -1, parked } = unlessParked(read)
    const json = JSON.stringify(value.lines.map((line) => viewCartLine(userId, line)))
    const text = Buffer.from(json)
    const streams = [`cart-${userId}`, ...value.lines.map(({ productId }) => `product-${productId}`)]
    const answer = { rendered: { text, tag: tagOf(json, revision) }, parked }
    return { value: answer, position, dependsOn: { streams }, size: text.length + 32 * streams.length }
  }

  return [
    route({
      method: 'GET',
      path: '/cart',
      summary:
        "The lines of one's own cart, with their products, as of a revision, a time or a position if asked; or why a cart is as it is",
      who: 'user',
      askers,
      dialect: 'plain',
      kind: 'read',
      query: cartQuery,
      answers: { status: 200, view: z.union([z.array(cartLineView), explanationView]), errors: [403, 404] },
      handle: async ({ caller, query }) => {
        const { explain, UserId = caller.userId } = query
        if (explain) return explained(http, 'carts', UserId, { ...query, explain })
        if (isNow(query)) return remember(`cart ${caller.userId}`, () => renderCart(caller.userId))
        const { value, revision = -1, parked } = await readThen(query, (then) => history.asOf.cart(caller.userId, then))
        if (!value) throw new Refusal(404, 'there was no cart then')
        return { view: value.lines.map((line) => viewCartLine(caller.userId, line)), revision, parked }
      },
    }),

    route({
      method: 'POST',
      path: '/cart',
      summary: 'Put so many of a product into the cart, beside those that are there',
      who: 'user',
      dialect: 'plain',
      kind: 'command',
      body: newLine,
      says: { ProductNotFound: [400, 'not foud'] },
      answers: { status: 201, view: msgView, errors: [403, 412] },
      handle: async ({ caller, body: { UserId, ProductId, amount }, context }) => {
        assertOwn(UserId, caller)
        const { position } = await commands.cart.addItem(context, { cartId: caller.userId, productId: ProductId, amount })
        return { view: msg('added!'), position }
      },
    }),

    route({
      method: 'PUT',
      path: '/cart/:id',
      summary: 'Set how many of a product are in the cart',
      who: 'user',
      dialect: 'plain',
      kind: 'command',
      missing: 'LineNotFound',
      body: lineUpdate,
      says: { LineNotFound: [400, 'data not found'] },
      answers: { status: 200, view: msgView, errors: [403, 412] },
      handle: async ({ id, caller, body: { UserId, amount }, context }) => {
        assertOwn(UserId, caller)
        const { position } = await commands.cart.changeAmount(context, { cartId: caller.userId, productId: id, amount })
        return { view: msg('data updated'), position }
      },
    }),

    route({
      method: 'DELETE',
      path: '/cart/:id',
      summary: 'Take a product out of the cart',
      who: 'user',
      dialect: 'plain',
      kind: 'command',
      missing: 'LineNotFound',
      answers: { status: 200, view: z.object({ message: z.string() }), errors: [404, 412] },
      handle: async ({ id, caller, context }) => {
        const { position } = await commands.cart.removeItem(context, { cartId: caller.userId, productId: id })
        return { view: { message: 'todo success to delete' }, position }
      },
    }),

    route({
      method: 'POST',
      path: '/cart/checkout',
      summary: 'The cart becomes an order and is emptied',
      who: 'user',
      dialect: 'envelope',
      kind: 'command',
      body: checkout,
      answers: { status: 201, view: orderView, errors: [404, 409, 412] },
      handle: async ({ caller, body, context }) => {
        const { value, revision, position } = await commands.cart.checkout(context, { customerId: caller.userId, ...body })
        return { view: viewOrder(value), revision, position }
      },
    }),
  ]
}
