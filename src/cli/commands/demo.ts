import { randomUUID } from 'node:crypto'
import type { CommandContext } from '../../commands/engine/context.js'
import { type CommandSettings, createCommands } from '../../commands/index.js'
import { Rejected } from '../../domain/decider.js'
import { type Email, normaliseEmail } from '../../domain/email.js'
import type { OrderId, ProductId, UserId } from '../../domain/ids.js'
import type { Store } from '../../eventstore/store.js'

export type DemoSummary = {
  readonly products: number
  readonly customers: number
  readonly orders: number
  readonly staff: Credentials
  readonly customer: Credentials
}

type Credentials = { readonly email: string; readonly password: string }

const shelf: readonly (readonly [name: string, cents: number, stock: number])[] = [
  ['Assam, loose leaf 250 g', 890, 120],
  ['Darjeeling first flush 100 g', 1450, 60],
  ['Sencha 100 g', 1090, 80],
  ['Jasmine pearls 50 g', 1290, 40],
  ['Rooibos vanilla 200 g', 690, 150],
  ['Peppermint 80 g', 420, 200],
  ['Espresso beans 1 kg', 2190, 90],
  ['Filter coffee 500 g', 1090, 110],
  ['Decaf beans 500 g', 1290, 45],
  ['Teapot, cast iron', 5900, 15],
  ['Teapot, glass', 2900, 25],
  ['Gooseneck kettle', 7900, 12],
  ['Milk frother', 3400, 30],
  ['Paper filters, 100', 350, 400],
  ['Porcelain cup', 1200, 140],
  ['Travel mug', 2400, 70],
  ['Honey 500 g', 780, 85],
  ['Brown sugar cubes', 290, 260],
  ['Shortbread', 450, 180],
  ['Almond biscuits', 520, 160],
]

const names = ['Alma', 'Bruno', 'Chioma', 'Dara', 'Emil', 'Farah', 'Goran', 'Hana', 'Ines', 'Jonas', 'Kaya', 'Leo']

const weeks = 6
const day = 86_400_000
const password = 'demo-password'

/**
 * Fills an empty shop with some weeks of business, through the same commands that HTTP calls; only the clock is another, so the
 * events' times lie in the past.
 */
export const fillDemo = async (store: Store, settings: CommandSettings): Promise<DemoSummary> => {
  const random = seeded(20_260)
  const doubt = seeded(20_261)
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)]!
  let now = Date.now() - weeks * 7 * day
  const commands = createCommands(store, settings, { clock: () => now })
  const context = (actor: CommandContext['actor']): CommandContext => ({
    actor,
    correlationId: randomUUID(),
    deadline: performance.now() + 30_000,
  })
  const register = async (name: string): Promise<UserId> => {
    const { value } = await commands.users.register(context('anonymous'), { name, email: emailOf(name), password })
    return value.userId
  }

  const staff = await register('Staff')
  await commands.users.grantRole(context('system'), { email: emailOf('Staff'), role: 'staff' })
  const products: ProductId[] = []
  for (const [name, price, stock] of shelf) {
    products.push((await commands.products.add(context(staff), { name, price, stock })).value.productId)
    now += 60_000
  }

  const customers: UserId[] = []
  const open: { orderId: OrderId; customerId: UserId; age: number }[] = []
  let orders = 0
  const buy = async (customerId: UserId): Promise<void> => {
    const chosen = new Set<ProductId>()
    for (let lines = 1 + Math.floor(random() * 4); lines > 0; lines--) {
      const productId = pick(products)
      await commands.cart.addItem(context(customerId), { cartId: customerId, productId, amount: 1 + Math.floor(random() * 3) })
      chosen.add(productId)
      now += 40_000
    }
    const [first] = chosen
    if (first && chosen.size > 1 && doubt() < 0.3) {
      await commands.cart.removeItem(context(customerId), { cartId: customerId, productId: first })
      now += 20_000
    }
    if (random() < 0.2) return
    const { value } = await commands.cart.checkout(context(customerId), { customerId })
    open.push({ orderId: value.orderId, customerId, age: 0 })
    orders++
  }
  const attend = async (order: (typeof open)[number]): Promise<void> => {
    order.age++
    const { orderId, customerId } = order
    if (order.age === 1 && random() < 0.1) {
      await commands.orders.update(context(customerId), {
        orderId,
        by: { userId: customerId, staff: false },
        status: 'cancelled',
      })
      open.splice(open.indexOf(order), 1)
      return
    }
    const status = ['paid', 'shipped', 'delivered'][order.age - 1]!
    await commands.orders.update(context(staff), { orderId, by: { userId: staff, staff: true }, status })
    if (status === 'delivered') open.splice(open.indexOf(order), 1)
  }

  for (let today = 0; today < weeks * 7 - 1; today++) {
    const morning = now
    if (today % 3 === 0 && customers.length < names.length) customers.push(await register(names[customers.length]!))
    for (const order of [...open]) if (random() < 0.6) await attend(order)
    for (let visits = Math.floor(random() * 4); visits > 0; visits--) {
      now += 600_000
      await buy(pick(customers)).catch(unlessSoldOut)
    }
    if (today % 7 === 6) {
      for (const productId of products)
        if (random() < 0.3) await commands.products.update(context(staff), { productId, stock: 50 + Math.floor(random() * 100) })
    }
    now = morning + day
  }
  return {
    products: products.length,
    customers: customers.length,
    orders,
    staff: { email: emailOf('Staff'), password },
    customer: { email: emailOf(names[0]!), password },
  }
}

const emailOf = (name: string): Email => normaliseEmail(`${name}@demo.example`)

/** What is sold out in the demo's weeks is no failure: the customer goes home. */
const unlessSoldOut = (error: unknown): void => {
  if (!(error instanceof Rejected && error.reason === 'StockShort')) throw error
}

/** Numbers from 0 to 1, the same at every run (mulberry32, public domain, by Tommy Ettinger). */
const seeded = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
}
