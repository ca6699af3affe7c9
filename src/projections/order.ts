import type { UserId } from '../domain/ids.js'
import type { Cents } from '../domain/money.js'
import { evolveProgress, noProgress, type OrderEvent, type OrderProgress, word } from '../domain/order.js'
import type { OrderItem, Terms } from '../domain/terms.js'
import { projection } from './projection.js'

export type OrderRow = {
  /** Unknown of an order that was refused before its request came. */
  readonly customer_id: UserId | null
  /** As last accepted; before that, as requested. */
  readonly items: readonly OrderItem[]
  readonly price: Cents
  readonly status: string
  /** The same as it is compared, by lists as by the decider. */
  readonly status_key: string
  readonly phase: Exclude<OrderProgress['phase'], 'none'>
  /** Whether it was ever accepted: only then is it in a list. */
  readonly placed: boolean
  /** Whether nothing remains to be done for it in the products' streams. */
  readonly settled: boolean
  readonly placed_at: string | null
  readonly updated_at: string
}

/** A request that was not accepted is a row too, so that recovery finds what a crash left unsettled. */
export const orders = projection<OrderRow, OrderEvent>({
  name: 'orders',
  version: 2,
  category: 'order',
  columns: (table) => {
    table.text('customer_id')
    table.jsonb('items').notNullable()
    table.bigInteger('price').notNullable()
    table.text('status').notNullable()
    table.text('status_key').notNullable()
    table.text('phase').notNullable()
    table.boolean('placed').notNullable()
    table.boolean('settled').notNullable()
    table.timestamp('placed_at', { useTz: true })
    table.timestamp('updated_at', { useTz: true }).notNullable()
  },
  indexes: [
    { name: 'newest', on: '(placed_at desc, stream_id desc) where placed' },
    { name: 'customer', on: '(customer_id, placed_at desc, stream_id desc) where placed' },
    { name: 'status', on: '(status_key, placed_at desc, stream_id desc) where placed' },
    { name: 'unsettled', on: '(stream_id) where not settled' },
  ],
  evolve: (row, event) => {
    const before = progressOf(row)
    const next = evolveProgress(before, event)
    if (next === before) return row
    if (next.phase === 'none') throw new Error(`${event.type} before OrderRequested`)
    const terms = next.terms ?? next.requested ?? nothing
    return {
      customer_id: next.customerId ?? null,
      ...terms,
      status_key: word(terms.status),
      phase: next.phase,
      placed: next.placed,
      settled: next.settled,
      placed_at: event.type === 'OrderPlaced' ? event.data.at : (row?.placed_at ?? null),
      updated_at: event.data.at,
    }
  },
})

const nothing: Terms = { items: [], price: 0, status: '' }

const termsOf = ({ items, price, status }: Terms): Terms => ({ items, price, status })

/** A row holds all of it, so that what the domain makes of an event is what the row shows. */
const progressOf = (row: OrderRow | undefined): OrderProgress =>
  row
    ? {
        customerId: row.customer_id ?? undefined,
        ...(row.placed ? { terms: termsOf(row), requested: undefined } : { terms: undefined, requested: termsOf(row) }),
        phase: row.phase,
        placed: row.placed,
        settled: row.settled,
      }
    : noProgress
