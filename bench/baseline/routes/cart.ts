import type { Router } from '@koa/router'
import { z } from 'zod'
import { hexOf, id, idOfPath } from '../ids.js'
import { bodyOf, callerOf, Refused } from '../pipeline.js'
import { type Shop, statement } from '../shop.js'
import { type ProductRow, viewProduct } from './product.js'

const amount = z.int().min(1).max(10_000)
const newLine = z.object({ UserId: id.optional(), ProductId: id, amount })
const lineUpdate = z.object({ UserId: id.optional(), amount })

const lines = statement(
  'cart',
  `select amount, p.id, name, stock, price from cart_lines join products p on p.id = product_id where user_id = $1 order by product_id`,
)
// A line that is there grows, a new one has to have room; neither beyond its limit.
const put = statement(
  'put-into-cart',
  `insert into cart_lines as line (user_id, product_id, amount)
   select $1, id, $3 from products
   where id = $2 and ((select count(*) from cart_lines where user_id = $1) < 100
     or exists (select from cart_lines where user_id = $1 and product_id = $2))
   on conflict (user_id, product_id) do update set amount = line.amount + excluded.amount
     where line.amount + excluded.amount <= 10000
   returning amount`,
)
const exists = statement('product-exists', 'select from products where id = $1')
const change = statement(
  'change-line',
  'update cart_lines set amount = $3 where user_id = $1 and product_id = $2 returning amount',
)
const remove = statement('remove-line', 'delete from cart_lines where user_id = $1 and product_id = $2 returning amount')

type LineRow = readonly [amount: number, ...ProductRow]

const viewLine = (userId: number, [amount, ...product]: LineRow) => {
  const [id] = product
  return { id, _id: hexOf(id), UserId: userId, ProductId: id, amount, Product: viewProduct(product) }
}

const assertOwn = (named: number | undefined, caller: number): void => {
  if (named !== undefined && named !== caller) throw new Refused(403, 'UserId is not yours')
}

export const cartRoutes = (router: Router, shop: Shop): void => {
  router.get('/cart', async (ctx) => {
    const { id } = callerOf(ctx, shop)
    const rows = await lines<LineRow>(shop, [id])
    ctx.body = JSON.stringify(rows.map((row) => viewLine(id, row)))
    ctx.type = 'json'
  })

  router.post('/cart', async (ctx) => {
    const caller = callerOf(ctx, shop)
    const { UserId, ProductId, amount } = await bodyOf(ctx, newLine)
    assertOwn(UserId, caller.id)
    const [row] = await put(shop, [caller.id, ProductId, amount])
    if (!row) {
      const [product] = await exists(shop, [ProductId])
      throw new Refused(400, product ? 'a cart has at most 100 lines and 10000 of a product' : 'not foud')
    }
    ctx.status = 201
    ctx.body = { msg: 'added!' }
  })

  router.put('/cart/:id', async (ctx) => {
    const caller = callerOf(ctx, shop)
    const { UserId, amount } = await bodyOf(ctx, lineUpdate)
    assertOwn(UserId, caller.id)
    const [row] = await change(shop, [caller.id, idOfPath(ctx.params.id) ?? 0, amount])
    if (!row) throw new Refused(400, 'data not found')
    ctx.body = { msg: 'data updated' }
  })

  router.delete('/cart/:id', async (ctx) => {
    const caller = callerOf(ctx, shop)
    const [row] = await remove(shop, [caller.id, idOfPath(ctx.params.id) ?? 0])
    if (!row) throw new Refused(404, 'data not found')
    ctx.body = { message: 'todo success to delete' }
  })
}
