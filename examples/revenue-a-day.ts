/**
 * How much was sold on each day, at the prices of then; what was cancelled later counts on its first day all the same.
 * npx tillroll history replay examples/revenue-a-day.ts --every day --plot
 */
import type { Evolve } from 'tillroll/fold'

type Sales = { readonly orders: number; readonly revenue: number }

export const initial: Sales = { orders: 0, revenue: 0 }

export const evolve: Evolve<Sales> = (sales, event) =>
  event.type === 'OrderPlaced' ? { orders: sales.orders + 1, revenue: sales.revenue + event.data.price / 100 } : sales

/** Each day begins with nothing sold. */
export const nextPeriod = (): Sales => initial

/** Cents do not add up to fractions of a cent. */
export const result = ({ orders, revenue }: Sales): Sales => ({ orders, revenue: Math.round(revenue * 100) / 100 })
