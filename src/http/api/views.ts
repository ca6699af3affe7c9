import { z } from 'zod'
import { type AnyId, integerOfId, type UserId } from '../../domain/ids.js'
import { decimalOfCents } from '../../domain/money.js'
import type { CartLineView, OrderView, ProductView, UserView } from '../../domain/views.js'

/** What answers hold: each schema beside the function that makes it from the domain's words. Fields may be added, never renamed. */

const integerId = z.int().optional().meta({ description: 'The same id as an integer' })
const hexId = z.string().meta({ description: '24 hexadecimal digits' })
const money = z.number().meta({ description: 'A decimal number with at most two places' })

/** Both spellings; ids of nothing have no integer, but nothing is answered by one. */
const spelled = (id: AnyId) => ({ id: integerOfId(id), _id: id })

export const productView = z.object({ id: integerId, _id: hexId, name: z.string(), stock: z.int(), price: money.optional() })

export const viewProduct = ({ productId, name, stock, price }: ProductView): z.infer<typeof productView> => ({
  ...spelled(productId),
  name,
  stock,
  ...(price !== undefined && { price: decimalOfCents(price) }),
})

export const userView = z.object({ _id: hexId, id: integerId, name: z.string(), email: z.string() })

export const viewUser = ({ userId, name, email }: UserView): z.infer<typeof userView> => ({ ...spelled(userId), name, email })

export const cartLineView = z.object({
  id: integerId,
  _id: hexId,
  UserId: z.int().optional(),
  ProductId: z.int().optional(),
  amount: z.int(),
  Product: productView.optional(),
})

/** A cart has one line a product, and the line's id is the product's. There is no `Product` where its row can't be made at the moment. */
export const viewCartLine = (userId: UserId, { productId, amount, product }: CartLineView): z.infer<typeof cartLineView> => ({
  ...spelled(productId),
  UserId: integerOfId(userId),
  ProductId: integerOfId(productId),
  amount,
  ...(product && { Product: viewProduct(product) }),
})

export const orderView = z.object({
  _id: hexId,
  id: integerId,
  customer_id: hexId,
  price: money,
  items: z.array(z.object({ product_id: hexId, quantity: z.int(), price: money.optional() })),
  status: z.string(),
})

const viewItem = ({ productId, quantity, price }: OrderView['items'][number]) => ({
  product_id: productId,
  quantity,
  ...(price !== undefined && { price: decimalOfCents(price) }),
})

export const viewOrder = ({ orderId, customerId, price, items, status }: OrderView): z.infer<typeof orderView> => ({
  ...spelled(orderId),
  customer_id: customerId,
  price: decimalOfCents(price),
  items: items.map(viewItem),
  status,
})

export const historyView = z.object({
  event_id: z.string(),
  type: z.string(),
  revision: z.int(),
  at: z.iso.datetime(),
  data: orderView.omit({ id: true, _id: true }).partial(),
})

type HistoryEntry = {
  readonly eventId: string
  readonly type: string
  readonly revision: number
  readonly at: string
  readonly data: Partial<OrderView>
}

/** The event in the words of an order's other answers. */
export const viewHistory = ({ eventId, type, revision, at, data }: HistoryEntry): z.infer<typeof historyView> => ({
  event_id: eventId,
  type,
  revision,
  at,
  data: {
    ...(data.customerId !== undefined && { customer_id: data.customerId }),
    ...(data.price !== undefined && { price: decimalOfCents(data.price) }),
    ...(data.items !== undefined && { items: data.items.map(viewItem) }),
    ...(data.status !== undefined && { status: data.status }),
  },
})
