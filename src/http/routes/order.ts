import { z } from 'zod'
import { Rejected } from '../../domain/decider.js'
import type { OrderId } from '../../domain/ids.js'
import { type AsOfQuery, asOfQuery, currentOrAsOf } from '../api/as-of.js'
import { newOrder, orderFilter, orderUpdate } from '../api/schemas.js'
import { historyView, orderView, viewHistory, viewOrder } from '../api/views.js'
import { type Caller, hasRole } from '../pipeline/auth.js'
import { Refusal } from '../pipeline/errors.js'
import { nextPage, onePast, type Route, route } from '../pipeline/route.js'
import type { Http } from '../pipeline/services.js'

const pageSize = 100

export const orderRoutes = ({ commands, queries, history, sessions }: Http): readonly Route[] => {
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
      summary: "One's own orders, newest first; for staff everybody's",
      who: 'user',
      dialect: 'envelope',
      kind: 'read',
      query: orderFilter,
      answers: { status: 200, view: z.array(orderView), errors: [403] },
      handle: async ({ caller, query: { customer_id, limit = pageSize, ...rest }, path }) => {
        const staff = await isStaff(caller)
        if (!staff && customer_id !== undefined && customer_id !== caller.userId)
          throw new Refusal(403, 'customer_id is not yours')
        const customerId = staff ? customer_id : caller.userId
        const { value } = await queries.orders({ ...onePast({ limit }), ...rest, ...(customerId && { customerId }) })
        const orders = value.slice(0, limit)
        const after = value.length > limit ? orders.at(-1)?.orderId : undefined
        const next = after && { headers: nextPage(path, { customer_id, status: rest.status, limit, after }) }
        return { view: orders.map(viewOrder), ...next }
      },
    }),

    route({
      method: 'GET',
      path: '/orders/:id',
      summary: 'Read an order, as of a revision or a time if asked',
      who: 'user',
      dialect: 'envelope',
      kind: 'read',
      missing: 'OrderNotFound',
      query: asOfQuery,
      answers: { status: 200, view: orderView, errors: [404] },
      handle: async ({ id, caller, query }) => {
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
