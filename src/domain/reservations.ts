import type { OrderId } from './ids.js'

/** What one order holds of a product, and the revision of the order that asked for it. */
export type Reservation = { readonly quantity: number; readonly orderRevision: number }

/**
 * What each order holds. A best-seller's thousands of orders are spread over buckets, by the random last digits of their ids, so
 * that a version shares with the one before it all but the bucket that changed.
 */
export type Reservations = readonly ReadonlyMap<OrderId, Reservation>[]

const buckets = 128
const none: ReadonlyMap<OrderId, Reservation> = new Map()

export const noReservations: Reservations = Array.from({ length: buckets }, () => none)

const bucketOf = (orderId: OrderId): number => Number.parseInt(orderId.slice(-2), 16) % buckets

export const reservationOf = (reservations: Reservations, orderId: OrderId): Reservation | undefined =>
  reservations[bucketOf(orderId)]!.get(orderId)

/** Nothing is kept of an order that holds nothing. */
export const reserve = (reservations: Reservations, orderId: OrderId, reservation: Reservation): Reservations => {
  const at = bucketOf(orderId)
  const bucket = new Map(reservations[at])
  if (reservation.quantity > 0) bucket.set(orderId, reservation)
  else bucket.delete(orderId)
  return reservations.with(at, bucket)
}

export const listReservations = (reservations: Reservations): readonly (readonly [OrderId, Reservation])[] =>
  reservations.flatMap((bucket) => [...bucket])

export const reservationsFrom = (list: readonly (readonly [OrderId, Reservation])[]): Reservations => {
  const filled = noReservations.map(() => new Map<OrderId, Reservation>())
  for (const [orderId, reservation] of list) filled[bucketOf(orderId)]!.set(orderId, reservation)
  return filled
}
