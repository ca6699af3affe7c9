import type { Router } from '@koa/router'
import pg from 'pg'
import { z } from 'zod'
import { hexOf, id } from '../ids.js'
import { bodyOf, callerOf, enveloped, Refused } from '../pipeline.js'
import { type Shop, statement } from '../shop.js'

const quantity = z.int().min(1).max(10_000)
const newOrder = z.object({
  customer_id: id,
  price: z.number().min(0),
  items: z
    .array(z.object({ product_id: id, quantity }))
    .min(1)
    .max(100),
  status: z.string().trim().min(1).max(40),
})

type Item = { readonly product_id: number; readonly quantity: number }

const place = statement('place-order', 'select id, prices from place_order($1, $2, $3, $4, $5)')

/** One item a product, in the order of their ids. */
const sorted = (items: readonly Item[]): readonly Item[] => {
  const sums = new Map<number, number>()
  for (const { product_id, quantity } of items) sums.set(product_id, (sums.get(product_id) ?? 0) + quantity)
  return [...sums].map(([product_id, quantity]) => ({ product_id, quantity })).sort((a, b) => a.product_id - b.product_id)
}

const refusals: { readonly [code: string]: readonly [status: number, message: string] } = {
  TS001: [409, 'there is not enough of it'],
  TS002: [404, 'there is no such product'],
  TS003: [409, 'that is not the price'],
}

const refusalOf = (error: unknown): unknown => {
  const known = error instanceof pg.DatabaseError ? refusals[error.code ?? ''] : undefined
  return known ? new Refused(...known) : error
}

export const orderRoutes = (router: Router, shop: Shop): void => {
  router.post('/orders/new', async (ctx) => {
    const caller = callerOf(ctx, shop)
    const { customer_id, price, items, status } = await bodyOf(ctx, newOrder)
    if (customer_id !== caller.id && caller.role !== 'staff') throw new Refused(403, 'customer_id is not yours')
    const lines = sorted(items)
    const values = [
      customer_id,
      Math.round(price * 100),
      status,
      lines.map(({ product_id }) => product_id),
      lines.map(({ quantity }) => quantity),
    ]
    const [row] = await place<[id: number, prices: string]>(shop, values).catch((error) => {
      throw refusalOf(error)
    })
    const orderId = row![0]
    const prices: readonly (number | null)[] = JSON.parse(row![1])
    const viewItem = ({ product_id, quantity }: Item, i: number) => {
      const price = prices[i]
      return { product_id: hexOf(product_id), quantity, ...(typeof price === 'number' && { price: price / 100 }) }
    }
    const view = { id: orderId, _id: hexOf(orderId), customer_id: hexOf(customer_id), price, items: lines.map(viewItem), status }
    ctx.status = 201
    ctx.body = enveloped(201, view)
  })
}
