import type { Router } from '@koa/router'
import { z } from 'zod'
import { hexOf, id } from '../ids.js'
import { bodyOf, callerOf, enveloped, Refused } from '../pipeline.js'
import { type Shop, statement } from '../shop.js'

export type ProductRow = readonly [id: number, name: string, stock: number, price: number | null]

export const viewProduct = ([id, name, stock, price]: ProductRow) => ({
  id,
  _id: hexOf(id),
  name,
  stock,
  ...(price !== null && { price: price / 100 }),
})

const name = z.string().min(1).max(200)
const stock = z.int().min(0).max(1_000_000_000)
const price = z.number().min(0).max(10_000_000)

const newProduct = z.object({ name, stock, price: price.optional() })
const productUpdate = z.object({ _id: id, name: name.optional(), stock: stock.optional(), price: price.optional() })

const all = statement('products', 'select id, name, stock, price from products order by id')
const add = statement(
  'add-product',
  'insert into products (name, stock, price) values ($1, $2, $3) returning id, name, stock, price',
)
const change = statement(
  'change-product',
  `update products set name = coalesce($2, name), stock = coalesce($3, stock), price = coalesce($4, price)
   where id = $1 returning id, name, stock, price`,
)

const cents = (price: number | undefined): number | null => (price === undefined ? null : Math.round(price * 100))

export const productRoutes = (router: Router, shop: Shop): void => {
  router.get('/products', async (ctx) => {
    const rows = await all<ProductRow>(shop, [])
    ctx.body = JSON.stringify(rows.map(viewProduct))
    ctx.type = 'json'
  })

  router.post('/products/new', async (ctx) => {
    if (callerOf(ctx, shop).role !== 'staff') throw new Refused(403, 'only staff may do this')
    const { name, stock, price } = await bodyOf(ctx, newProduct)
    const [row] = await add<ProductRow>(shop, [name, stock, cents(price)])
    ctx.status = 201
    ctx.body = enveloped(201, viewProduct(row!))
  })

  router.put('/products/update', async (ctx) => {
    if (callerOf(ctx, shop).role !== 'staff') throw new Refused(403, 'only staff may do this')
    const { _id, name, stock, price } = await bodyOf(ctx, productUpdate)
    const [row] = await change<ProductRow>(shop, [_id, name ?? null, stock ?? null, cents(price)])
    if (!row) throw new Refused(404, 'there is no such product')
    ctx.body = enveloped(200, viewProduct(row))
  })
}
