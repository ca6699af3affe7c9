import { type AnyId, integerOfId } from '../domain/ids.js'
import { decimalOfCents } from '../domain/money.js'
import { isAccepted, type OrderEvent, order } from '../domain/order.js'
import type { OrderItem } from '../domain/terms.js'
import type { RecordedEvent } from '../eventstore/store.js'
import { inTodaysShape } from '../eventstore/upcast.js'
import { ceType, type PublicData, type PublicType, schemas } from './public-schema.js'

/** A record of the topic, before it has a place there. */
export type PublicRecord = {
  /** The order's `_id`: all records of an order are in one partition, in order. */
  readonly key: string
  readonly headers: { readonly [name: string]: string }
  /** JSON. */
  readonly value: string
  readonly time: Date
  readonly eventId: string
  /** The event's commit position. */
  readonly position: bigint
}

/** An accepted event of an order that can't be said in the public schema. It is not left out: that would be a gap nobody knows of. */
export class Unpublishable extends Error {
  override readonly name = 'Unpublishable'
}

/**
 * The public record of an event, in CloudEvents' binary mode; `undefined` for what is no one else's business: other streams, and
 * requests that were not accepted. Throws `Unpublishable`.
 */
export const messageOf = (event: RecordedEvent, storeId: string, { replayed = false } = {}): PublicRecord | undefined => {
  if (!isPublished(event)) return undefined
  const stored = inTodaysShape<OrderEvent>(event)
  const { type, data } = published(stored, event)
  const { traceparent } = event.metadata
  return {
    key: data.order._id,
    headers: {
      ce_specversion: '1.0',
      ce_id: event.id,
      ce_source: `/stores/${storeId}/orders`,
      ce_type: ceType(type),
      ce_time: data.at,
      ce_subject: data.order._id,
      'content-type': 'application/json',
      ...(traceparent !== undefined && { traceparent }),
      ce_revision: `${event.revision}`,
      ce_position: `${event.position}`,
      ...(replayed && { ce_replayed: 'true' }),
    },
    value: JSON.stringify(data),
    time: new Date(data.at),
    eventId: event.id,
    position: event.position,
  }
}

/** Whether there is a public record of this event; its content isn't looked at. */
export const isPublished = ({ streamId, type }: Pick<RecordedEvent, 'streamId' | 'type'>): boolean =>
  streamId.startsWith(`${order.category}-`) && isAccepted({ type })

type Published = { [Type in PublicType]: { readonly type: Type; readonly data: PublicData[Type] } }[PublicType]

const published = (stored: OrderEvent, { id, streamId, revision }: RecordedEvent): Published => {
  const problem = (why: string) =>
    new Unpublishable(`${stored.type} ${id} (revision ${revision} of ${streamId}) has no public record: ${why}`)
  let said: Published
  try {
    said = say(stored)
  } catch (error) {
    throw problem(error instanceof Error ? error.message : String(error))
  }
  const checked = schemas[said.type].safeParse(said.data)
  if (!checked.success) throw problem(checked.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '))
  return { type: said.type, data: checked.data } as Published
}

const say = (event: OrderEvent): Published => {
  switch (event.type) {
    case 'OrderPlaced': {
      const { customerId, ...terms } = event.data
      const { order, ...rest } = termsOf(terms)
      return { type: 'OrderPlaced', data: { order, customer: identityOf(customerId), ...rest } }
    }
    case 'OrderChanged':
      return { type: 'OrderItemsChanged', data: termsOf(event.data) }
    case 'OrderRepriced': {
      const { orderId, price, at } = event.data
      return { type: 'OrderRepriced', data: { order: identityOf(orderId), price: decimalOfCents(price), at } }
    }
    case 'OrderStatusChanged': {
      const { orderId, status, price, at } = event.data
      const total = price === undefined ? {} : { price: decimalOfCents(price) }
      return { type: 'OrderStatusChanged', data: { order: identityOf(orderId), status, ...total, at } }
    }
    default:
      throw new TypeError(`${event.type} is not published`)
  }
}

type Changed = Extract<OrderEvent, { type: 'OrderChanged' }>['data']

const termsOf = ({ orderId, items, price, status, at }: Changed): PublicData['OrderItemsChanged'] => ({
  order: identityOf(orderId),
  items: items.map(itemOf),
  price: decimalOfCents(price),
  status,
  at,
})

const itemOf = ({ productId, quantity, price }: OrderItem) => ({
  product: identityOf(productId),
  quantity,
  ...(price !== undefined && { price: decimalOfCents(price) }),
})

const identityOf = (_id: AnyId) => {
  const id = integerOfId(_id)
  return id === undefined ? { _id } : { _id, id }
}
