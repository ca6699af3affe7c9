import type { CommandContext } from '../../../src/commands/context.js'
import type { Commands } from '../../../src/commands/index.js'
import type { Item } from '../../../src/commands/orders.js'
import { cart } from '../../../src/domain/cart.js'
import { idOfInteger, type OrderId, type ProductId } from '../../../src/domain/ids.js'
import { order } from '../../../src/domain/order.js'
import { heldBy, product } from '../../../src/domain/product.js'
import { acceptedTwice, leftWrong, stockWrong } from './invariants.js'
import { type Answer, type Asked, answerOf, type World } from './world.js'

/** Few products with few units and one customer, so that everything is in everything's way. */
type Shop = {
  readonly products: readonly ProductId[]
  readonly allPriced: boolean
  readonly hasCart: boolean
  /** Orders that are there from the start, for others to change. */
  readonly orders: readonly OrderId[]
}

type Actor = { readonly name: string; readonly commands: Commands; readonly within: number }

const customer = idOfInteger(77)!
const endless = 1e7

const someItems = ({ random, pick }: World, products: readonly ProductId[]): Item[] => {
  const first = random.below(products.length)
  const turned = [...products.slice(first), ...products.slice(0, first)]
  const chosen = turned.slice(0, 1 + random.below(products.length))
  return chosen.map((productId) => ({ productId, quantity: pick([1, 2]) }))
}

const priceOf = (items: readonly Item[]): number => 100 * items.reduce((sum, { quantity }) => sum + quantity, 0)

const prepare = async (world: World): Promise<Shop> => {
  const { random, log } = world
  const { orders, cart: carts } = world.process('before')
  const products = [1001, 1002, 1003].slice(0, 2 + random.below(2)).map((n) => idOfInteger(n)!)
  const allPriced = random.chance(0.5)
  for (const productId of products) {
    const price = allPriced || random.chance(0.3) ? { price: 100 } : {}
    const data = { productId, name: 'tea', stock: 1 + random.below(4), ...price, at: '2025-01-01T00:00:00.000Z' }
    log.append(`${product.category}-${productId}`, [{ id: `of ${productId}`, type: 'ProductAdded', data, metadata: {} }], -1)
  }
  const placed: OrderId[] = []
  for (let n = 1 + random.below(2); n > 0; n--) {
    const items = someItems(world, products)
    const input = { customerId: customer, items, price: priceOf(items), status: 'new' }
    // There may not be enough for the second one: then there is only one.
    const answer = orders.place(world.context(), input).then(({ value }) => placed.push(value.orderId))
    await world.calmly(answer.catch(unlessRefused))
  }
  const hasCart = random.chance(0.5)
  for (const productId of hasCart ? products : []) {
    if (random.chance(0.7)) await world.calmly(carts.addItem(world.context(), { cartId: customer, productId, amount: 1 }))
  }
  return { products, allPriced, hasCart, orders: placed }
}

const unlessRefused = (error: Error): void => {
  if (error.name !== 'Rejected') throw error
}

/** What this very command has written; recovery and other commands carry a correlation of their own. */
const writtenBy = (world: World, { correlationId }: CommandContext, type: string): readonly OrderId[] =>
  world.log.events
    .filter((event) => event.type === type && event.metadata.$correlationId === correlationId)
    .map(({ data }) => (data as { orderId: OrderId }).orderId)

const keyed = (world: World, name: string, requestHash: string): Partial<CommandContext> => ({
  key: { commandId: `${name}${world.random.below(2)}`, requestHash },
})

const assertPlaced = (world: World, orderId: OrderId, position: bigint): void => {
  const placed = world.log.historyOf(order, orderId).find(({ event }) => event.type === 'OrderPlaced')
  if (!placed) world.wrong(`${orderId} was answered as placed and is not`)
  else if (position < placed.position) world.wrong(`${orderId} was answered with a position before its own`)
}

const place = (world: World, shop: Shop, { name, commands, within }: Actor, key: Partial<CommandContext>): Asked => {
  const items = someItems(world, shop.products)
  const price = world.random.chance(0.1) ? {} : { price: priceOf(items) }
  const context = world.context(within, key)
  const work = commands.orders.place(context, { customerId: customer, items, ...price, status: 'new' })
  const check = ({ done, refused }: Answer<{ orderId: OrderId }>) => {
    if (done) assertPlaced(world, done.value.orderId, done.position)
    // Under a key, a repeat may be about to place what this one was refused.
    if (!refused || context.key) return
    for (const orderId of writtenBy(world, context, 'OrderRequested')) {
      const holding = shop.products.filter((id) => heldBy(world.log.stateOf(product, id), orderId) > 0)
      if (holding.length > 0) world.wrong(`${orderId} was refused and holds ${holding}`)
      if (!world.log.stateOf(order, orderId).settled) world.wrong(`${orderId} was refused and is not settled`)
    }
  }
  return {
    what: `place ${JSON.stringify(items)} (${context.correlationId})`,
    answered: answerOf(world, name, context, work, check),
  }
}

type Change = { items?: readonly Item[]; status?: string }

const update = (world: World, shop: Shop, { name, commands, within }: Actor, change: Change): Asked | undefined => {
  if (shop.orders.length === 0) return undefined
  const orderId = world.pick(shop.orders)
  const spelled = JSON.stringify(change)
  const key = world.random.chance(0.3) ? keyed(world, `change ${change.status}`, `${orderId} ${change.status}`) : {}
  const context = world.context(within, key)
  const work = commands.orders.update(context, { orderId, by: { userId: customer, staff: true }, ...change })
  const check = ({ done, refused }: Answer<unknown>) => {
    const history = world.log.historyOf(order, orderId)
    const mine = history.filter(({ metadata }) => metadata.$correlationId === context.correlationId)
    const accepted = mine.find(({ event }) => order.accepts(event))
    if (done && accepted && !key.key && done.position < accepted.position)
      world.wrong(`${orderId} was answered with a position before its own`)
    const abandoned = mine.find(({ event }) => event.type === 'OrderChangeAbandoned')
    if (refused && abandoned && abandoned.revision === history.length - 1)
      world.wrong(`the change of ${orderId} was refused before it was settled`)
  }
  return {
    what: `change ${orderId} to ${spelled} (${context.correlationId})`,
    answered: answerOf(world, name, context, work, check),
  }
}

const checkout = (
  world: World,
  shop: Shop,
  { name, commands, within }: Actor,
  more: Partial<CommandContext>,
  byKey: Map<string, OrderId>,
): Asked => {
  const context = world.context(within, more)
  const amounts = [...world.log.stateOf(cart, customer).lines.values()]
  const price = shop.allPriced || amounts.length === 0 ? {} : { price: 100 * amounts.reduce((sum, amount) => sum + amount, 0) }
  const work = commands.cart.checkout(context, { customerId: customer, ...price })
  const check = ({ reason, done, refused }: Answer<{ orderId: OrderId }>) => {
    if (done) {
      const { orderId } = done.value
      assertPlaced(world, orderId, done.position)
      const ended = world.log.historyOf(cart, customer).find(({ event }) => isEnd(event, orderId))
      if (!ended) world.wrong(`${orderId} was answered as checked out, and the cart doesn't say so`)
      else if (done.position < ended.position) world.wrong(`${orderId} was answered with a position before its cart's`)
      const before = context.key && byKey.get(context.key.commandId)
      if (before !== undefined && before !== orderId) world.wrong(`one key checked out both ${before} and ${orderId}`)
      if (context.key) byKey.set(context.key.commandId, orderId)
    }
    for (const orderId of refused ? writtenBy(world, context, 'CheckoutStarted') : []) {
      if (world.log.stateOf(cart, customer).checkout?.orderId === orderId) world.wrong(`${reason}, with the checkout outstanding`)
      const { placed, open, phase } = world.log.stateOf(order, orderId)
      if (placed || open) world.wrong(`${reason}, but ${orderId} is ${phase}`)
    }
  }
  return { what: `check out (${context.correlationId})`, answered: answerOf(world, name, context, work, check) }
}

const isEnd = (event: { readonly type: string; readonly data: object }, orderId: OrderId): boolean =>
  event.type === 'CheckedOut' && (event.data as { orderId: OrderId }).orderId === orderId

const count = (world: World, shop: Shop, { name, commands, within }: Actor): Asked => {
  const context = world.context(within)
  const price = world.random.chance(0.2) ? { price: world.pick([100, 120]) } : {}
  const counted = { productId: world.pick(shop.products), stock: world.random.below(4), ...price }
  const work = commands.products.update(context, counted)
  return { what: `count ${JSON.stringify(counted)}`, answered: answerOf(world, name, context, work, () => undefined) }
}

const add = (world: World, shop: Shop, { name, commands, within }: Actor): Asked => {
  const context = world.context(within)
  const line = { cartId: customer, productId: world.pick(shop.products), amount: 1 }
  const work = commands.cart.addItem(context, line)
  return { what: `add ${line.productId}`, answered: answerOf(world, name, context, work, () => undefined) }
}

/** Any command, to be asked when its time comes. */
const anyCommand = (world: World, shop: Shop, byKey: Map<string, OrderId>): ((actor: Actor) => Asked | undefined) => {
  const changeItems = (actor: Actor) => update(world, shop, actor, { items: someItems(world, shop.products) })
  const placeAnew = (actor: Actor) => place(world, shop, actor, {})
  const placeKeyed = (actor: Actor) => place(world, shop, actor, keyed(world, 'place', 'the same'))
  const checkOut = (actor: Actor) => checkout(world, shop, actor, {}, byKey)
  const checkOutKeyed = (actor: Actor) => checkout(world, shop, actor, keyed(world, 'checkout', 'the same'), byKey)
  return world.pick([
    ...[placeAnew, placeAnew, placeKeyed, placeKeyed, changeItems, changeItems],
    (actor: Actor) => update(world, shop, actor, { status: 'cancelled' }),
    (actor: Actor) => update(world, shop, actor, { status: 'shipped' }),
    (actor: Actor) => count(world, shop, actor),
    ...(shop.hasCart ? [checkOut, checkOut, checkOutKeyed, checkOutKeyed, (actor: Actor) => add(world, shop, actor)] : []),
  ])
}

/** Recovery as it must never be: at any moment, without waiting for anybody to be late. */
const recoverForEver = async (world: World, name: string): Promise<void> => {
  const { orders, cart: carts } = world.process(name, { cacheStreams: 5 })
  for (;;) {
    await world.sleep(world.random.below(40))
    const context = world.context(world.pick([endless, 50]), { actor: 'system' })
    const open = world.log.idsOf(order).filter((id) => !world.log.stateOf(order, id).settled)
    try {
      if (open.length > 0 && world.random.chance(0.7)) await orders.recover(context, world.pick(open) as OrderId)
      else if (world.log.stateOf(cart, customer).checkout) await carts.recoverCheckout(context, customer)
    } catch (error) {
      if ((error as Error).name !== 'Unfinished') world.wrong(`recovery: ${(error as Error).stack}`)
    }
  }
}

const recoverAll = async (world: World): Promise<void> => {
  const { orders, cart: carts } = world.process('after')
  for (const orderId of world.log.idsOf(order)) await world.calmly(orders.recover(world.context(), orderId as OrderId))
  await world.calmly(carts.recoverCheckout(world.context(), customer))
}

/** Orders, changes, counts and checkouts over the same few units. */
export const playShop = async (world: World): Promise<void> => {
  const { random, pick, log } = world
  const shop = await prepare(world)
  world.always(() => stockWrong(log, shop.products) ?? acceptedTwice(log))
  world.faults({ lost: pick([0, 0, 0.05, 0.2]), late: pick([0, 0, 0.1]), sleep: pick([0, 0.1, 0.3]) })
  const processes = ['P1', 'P2', 'P3'].slice(0, 2 + random.below(2))
  const byKey = new Map<string, OrderId>()
  for (const name of processes) {
    const commands = world.process(name, { cacheStreams: pick([1_000, 1, 2]) })
    for (let n = 1 + random.below(3); n > 0; n--) {
      const within = pick([endless, endless, endless, 30, 100, 400])
      const command = anyCommand(world, shop, byKey)
      world.ask(name, pick([0, 20 + random.below(40), 20 + random.below(40)]), () => command({ name, commands, within }))
    }
  }
  const recovered = random.chance(0.6)
  if (recovered) void recoverForEver(world, 'R1')
  if (recovered && random.chance(0.5)) void recoverForEver(world, 'R2')
  const chance = pick([0, 0, 0.003, 0.01])
  const ended = await world.run(() => world.wrongs.length > 0 || !world.isBusy(), 6_000, { chance, processes })
  // Without recovery, or after a death, a request may stand open for as long as others care to wait.
  if (!ended && recovered && !processes.some(world.isDead)) world.wrong('commands were not answered in 6,000 steps')
  world.killAll()
  if (world.wrongs.length > 0) return
  await recoverAll(world)
  await recoverAll(world)
  const wrong = stockWrong(log, shop.products) ?? acceptedTwice(log) ?? leftWrong(log, shop.products, customer)
  if (wrong) world.wrong(wrong)
}
