import type { OrderId } from './ids.js'

/** What one order holds of a product, and the revision of the order that asked for it. */
export type Holding = { readonly quantity: number; readonly orderRevision: number }

/**
 * What each order holds. A best-seller's thousands of orders are spread over buckets, by the random last digits of their ids, so
 * that a version shares with the one before it all but the bucket that changed.
 */
export type Held = readonly ReadonlyMap<OrderId, Holding>[]

const buckets = 128
const none: ReadonlyMap<OrderId, Holding> = new Map()

export const nothingHeld: Held = Array.from({ length: buckets }, () => none)

const bucketOf = (orderId: OrderId): number => Number.parseInt(orderId.slice(-2), 16) % buckets

export const holdingOf = (held: Held, orderId: OrderId): Holding | undefined => held[bucketOf(orderId)]!.get(orderId)

/** Nothing is kept of an order that holds nothing. */
export const hold = (held: Held, orderId: OrderId, holding: Holding): Held => {
  const at = bucketOf(orderId)
  const bucket = new Map(held[at])
  if (holding.quantity > 0) bucket.set(orderId, holding)
  else bucket.delete(orderId)
  return held.with(at, bucket)
}

export const holdingsOf = (held: Held): readonly (readonly [OrderId, Holding])[] => held.flatMap((bucket) => [...bucket])

export const heldFrom = (holdings: readonly (readonly [OrderId, Holding])[]): Held => {
  const filled = nothingHeld.map(() => new Map<OrderId, Holding>())
  for (const [orderId, holding] of holdings) filled[bucketOf(orderId)]!.set(orderId, holding)
  return filled
}
