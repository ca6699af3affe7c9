/**
 * What if an order that is cancelled had no price any more? Today's fold, with one thing changed.
 * npx tillroll history what-if --projection orders --with examples/cancelled-costs-nothing.ts
 */
import type { EvolveRow } from 'tillroll/fold'

export const evolve: EvolveRow<'orders'> = (row, event, today) => {
  const next = today(row, event)
  return next && next.status_key === 'cancelled' ? { ...next, price: 0 } : next
}
