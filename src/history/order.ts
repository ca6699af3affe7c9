import type { OrderId } from '../domain/ids.js'
import { isAccepted, type OrderEvent, order } from '../domain/order.js'
import type { Store } from '../eventstore/store.js'
import { upcast } from '../eventstore/upcast.js'

export type HistoryEntry = {
  readonly eventId: string
  readonly type: string
  readonly revision: number
  readonly at: string
  readonly data: OrderEvent['data']
}

/** What happened to an order, oldest first: what was accepted, not what was asked. Empty where it was never placed. */
export const orderHistory =
  (store: Pick<Store, 'read'>) =>
  async (orderId: OrderId): Promise<readonly HistoryEntry[]> => {
    const recorded = await store.read(`${order.category}-${orderId}`)
    return recorded
      .map(({ id, type, data, metadata, revision }) => ({
        id,
        revision,
        event: { type, data: upcast(type, data, metadata.schema) } as OrderEvent,
      }))
      .filter(({ event }) => isAccepted(event))
      .map(({ id, revision, event }) => ({ eventId: id, type: event.type, revision, at: event.data.at, data: event.data }))
  }
