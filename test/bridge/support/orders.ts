import { randomUUID } from 'node:crypto'
import { idOfInteger, type OrderId, type ProductId, type UserId } from '../../../src/domain/ids.js'
import type { OrderEvent } from '../../../src/domain/order.js'
import { type NewEvent, noStream, type Store } from '../../../src/eventstore/store.js'

const productId = idOfInteger(3704199577612345)! as ProductId
const customerId = idOfInteger(3704199577612346)! as UserId
let next = 3704199577700000

export const newOrderId = (): OrderId => idOfInteger(next++)! as OrderId

export const newEvent = (event: OrderEvent): NewEvent => ({
  id: randomUUID(),
  type: event.type,
  data: event.data,
  metadata: { schema: 1, actor: 'system' },
})

/** What happens to an order: 9 events, of which 5 are accepted. */
export const lifeOf = (orderId: OrderId, at = new Date().toISOString()): readonly OrderEvent[] => {
  const terms = { items: [{ productId, quantity: 2, price: 1_050 }], price: 2_100, status: 'new' }
  const more = { items: [{ productId, quantity: 3, price: 1_050 }], price: 3_150, status: 'new' }
  return [
    { type: 'OrderRequested', data: { orderId, customerId, ...terms, at } },
    { type: 'OrderPlaced', data: { orderId, customerId, ...terms, at } },
    { type: 'OrderChangeRequested', data: { orderId, ...more, at } },
    { type: 'OrderChanged', data: { orderId, ...more, at } },
    { type: 'OrderSettled', data: { orderId, at } },
    { type: 'OrderStatusChanged', data: { orderId, status: 'paid', at } },
    { type: 'OrderRepriced', data: { orderId, price: 3_100, at } },
    { type: 'OrderStatusChanged', data: { orderId, status: 'shipped', at } },
    { type: 'OrderSettled', data: { orderId, at } },
  ]
}

/** Appends the events one after another, as commands do; `all`: in one append. */
export const live = async (
  store: Store,
  orderId: OrderId,
  events = lifeOf(orderId),
  from = noStream,
  all = false,
): Promise<void> => {
  if (all) {
    await store.append(`order-${orderId}`, events.map(newEvent), from)
    return
  }
  for (const [i, event] of events.entries()) await store.append(`order-${orderId}`, [newEvent(event)], from + i)
}

/** Something else that happens in the shop. */
export const somethingElse = async (store: Store): Promise<void> => {
  const at = new Date().toISOString()
  const event = { id: randomUUID(), type: 'ProductAdded', data: { productId, name: 'Tea', stock: 3, at }, metadata: {} }
  await store.append(`product-${newOrderId()}`, [event], noStream)
}

export const accepted = new Set(['OrderPlaced', 'OrderChanged', 'OrderRepriced', 'OrderStatusChanged'])

export type Expected = ReadonlyMap<string, readonly string[]>

/** For each order, the ids of its accepted events, in the order of its stream. */
export const expectedOf = async (store: Store): Promise<Expected> => {
  const expected = new Map<string, string[]>()
  for await (const { streamId, type, id } of store.readAll()) {
    if (!streamId.startsWith('order-') || !accepted.has(type)) continue
    const orderId = streamId.slice('order-'.length)
    expected.set(orderId, [...(expected.get(orderId) ?? []), id])
  }
  return expected
}
