import { z } from 'zod'
import { Rejected } from '../../domain/decider.js'
import type { OrderId, UserId } from '../../domain/ids.js'
import type { CurrentRows } from '../../history/engine/list.js'
import {
  type AsOfQuery,
  asOfQuery,
  currentOrAsOf,
  firstOf,
  headersOfThen,
  momentOf,
  momentQuery,
  oneMoment,
} from '../api/as-of.js'
import { askers, explained, explanationView } from '../api/explain.js'
import { newOrder, orderFilter, orderUpdate } from '../api/schemas.js'
import { historyView, orderView, viewHistory, viewOrder } from '../api/views.js'
import { type Caller, hasRole } from '../pipeline/auth.js'
import { Refusal } from '../pipeline/errors.js'
import { nextPage, onePast, type Route, route } from '../pipeline/route.js'
import type { Http } from '../pipeline/services.js'

const pageSize = 100

const ordersQuery = orderFilter.extend(momentQuery).refine(...oneMoment)

type OrdersAsked = z.output<typeof ordersQuery> & { readonly limit: number }

export const orderRoutes = (http: Http): readonly Route[] => {
  const { commands, queries, history, sessions } = http

  const isStaff = (caller: Caller): Promise<boolean> => hasRole(caller, ['staff'], sessions)

  /** Somebody else's order does not exist for a caller without the right to it. */
  const seen = async (orderId: OrderId, caller: Caller, mayAll: (caller: Caller) => Promise<boolean>, asked: AsOfQuery = {}) => {
    const read = currentOrAsOf(
      asked,
      () => queries.order(orderId),
      (then) => history.asOf.order(orderId, then),
    )
    const { value, revision, parked } = await read
    if (!value || (value.customerId !== caller.userId && !(await mayAll(caller)))) throw new Rejected('OrderNotFound')
    return { value, revision, parked }
  }

  const list = async (asked: OrdersAsked, customerId: UserId | undefined) => {
    const { limit, after, status } = asked
    const moment = momentOf(asked)
    if (!moment) {
      const filter = { ...(status !== undefined && { status }), ...(after && { after }), ...(customerId && { customerId }) }
      return (await queries.orders({ ...filter, limit })).value
    }
    const rows = (until: string | undefined): CurrentRows => {
      return (last = after && `order-${after}`, most) => queries.orderRows({ customerId, until, after: last, limit: most })
    }
    return firstOf(history.asOf.orders(moment, status, rows), limit)
  }

  return [
    route({
      method: 'POST',
      path: '/orders/new',
      summary: 'Order: every item is reserved, or nothing is',
      who: 'user',
      dialect: 'envelope',
      kind: 'command',
      body: newOrder,
      answers: { status: 201, view: orderView, errors: [403, 404, 409] },
      handle: async ({ caller, body: { customer_id: customerId, ...terms }, context }) => {
        if (customerId !== caller.userId && !(await isStaff(caller))) throw new Refusal(403, 'customer_id is not yours')
        const { value, revision, position } = await commands.orders.place(context, { customerId, ...terms })
        return { view: viewOrder(value), revision, position }
      },
    }),

    route({
      method: 'PUT',
      path: '/orders/update',
      summary: 'Change, cancel or ship an order; what is left out stays',
      who: 'user',
      dialect: 'envelope',
      kind: 'command',
      body: orderUpdate,
      answers: { status: 200, bodyStatus: 201, view: orderView, errors: [403, 404, 409, 412] },
      handle: async ({ caller, body: { _id: orderId, customer_id, ...changes }, context }) => {
        const by = { userId: caller.userId, staff: await isStaff(caller) }
        const update = { orderId, by, ...(customer_id !== undefined && { customerId: customer_id }), ...changes }
        const { value, revision, position } = await commands.orders.update(context, update)
        return { view: viewOrder(value), revision, position }
      },
    }),

    route({
      method: 'GET',
      path: '/orders',
      summary: "One's own orders, newest first; for staff everybody's; as of a time or a position if asked",
      who: 'user',
      dialect: 'envelope',
      kind: 'read',
      query: ordersQuery,
      answers: { status: 200, view: z.array(orderView), errors: [403] },
      handle: async ({ caller, query, path }) => {
        const { customer_id, limit = pageSize, status, asOf, position } = query
        const staff = await isStaff(caller)
        if (!staff && customer_id !== undefined && customer_id !== caller.userId)
          throw new Refusal(403, 'customer_id is not yours')
        const headers = momentOf(query) ? await headersOfThen(http) : {}
        const found = await list({ ...query, ...onePast({ limit }) }, staff ? customer_id : caller.userId)
        const orders = found.slice(0, limit)
        const after = found.length > limit ? orders.at(-1)?.orderId : undefined
        const kept = { customer_id, status, limit, after, asOf, position }
        return { view: orders.map(viewOrder), headers: { ...headers, ...(after && nextPage(path, kept)) } }
      },
    }),

    route({
      method: 'GET',
      path: '/orders/:id',
      summary: 'Read an order, as of a revision, a time or a position if asked; or why it is as it is',
      who: 'user',
      askers,
      dialect: 'envelope',
      kind: 'read',
      missing: 'OrderNotFound',
      query: asOfQuery,
      answers: { status: 200, view: z.union([orderView, explanationView]), errors: [403, 404] },
      handle: async ({ id, caller, query }) => {
        const { explain } = query
        if (explain) return explained(http, 'orders', id, { ...query, explain })
        const { value, ...rest } = await seen(id, caller, isStaff, query)
        return { view: viewOrder(value), ...rest }
      },
    }),

    route({
      method: 'GET',
      path: '/orders/:id/history',
      summary: 'What happened to an order, oldest first',
      who: 'user',
      dialect: 'envelope',
      kind: 'read',
      missing: 'OrderNotFound',
      answers: { status: 200, view: z.array(historyView), errors: [404] },
      handle: async ({ id, caller }) => {
        await seen(id, caller, (reader) => hasRole(reader, ['staff', 'analyst'], sessions))
        return { view: (await history.orderHistory(id)).map(viewHistory) }
      },
    }),
  ]
}
