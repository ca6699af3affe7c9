import { cart } from '../../../src/domain/cart.js'
import { idOfInteger, type OrderId } from '../../../src/domain/ids.js'
import { order } from '../../../src/domain/order.js'
import { product } from '../../../src/domain/product.js'
import { acceptedTwice, leftWrong, placedUnder, stockWrong } from './invariants.js'
import { anyCommand, customer, endless, priceOf, type Shop, sameKey, someItems } from './shop-commands.js'
import type { World } from './world.js'

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
  return { products, allPriced, hasCart, orders: placed, checkoutKeys: new Map() }
}

const unlessRefused = (error: Error): void => {
  if (error.name !== 'Rejected') throw error
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

/** A key that placed an order is answered that order for ever, whoever has seen it through: its command, one that helped, or recovery. */
const repeatAll = async (world: World, { products, checkoutKeys }: Shop): Promise<void> => {
  const { orders, cart: carts } = world.process('again')
  const isCheckout = new Set(checkoutKeys.values())
  for (const [commandId, [orderId]] of placedUnder(world.log, checkoutKeys)) {
    const context = world.context(endless, sameKey(commandId))
    const items = [{ productId: products[0]!, quantity: 1 }]
    const { value } = await world.calmly(
      isCheckout.has(commandId)
        ? carts.checkout(context, { customerId: customer })
        : orders.place(context, { customerId: customer, items, price: 100, status: 'new' }),
    )
    if (value.orderId !== orderId) world.wrong(`${commandId} had placed ${orderId}, and its repeat is answered ${value.orderId}`)
  }
}

/** Orders, changes, counts and checkouts over the same few units. */
export const playShop = async (world: World): Promise<void> => {
  const { random, pick, log } = world
  const shop = await prepare(world)
  world.always(() => stockWrong(log, shop.products) ?? acceptedTwice(log, shop.checkoutKeys))
  world.faults({ lost: pick([0, 0, 0.05, 0.2]), late: pick([0, 0, 0.1]), sleep: pick([0, 0.1, 0.3]) })
  const processes = ['P1', 'P2', 'P3'].slice(0, 2 + random.below(2))
  for (const name of processes) {
    const commands = world.process(name, { cacheStreams: pick([1_000, 1, 2]) })
    for (let n = 1 + random.below(3); n > 0; n--) {
      const within = pick([endless, endless, endless, 30, 100, 400])
      const command = anyCommand(world, shop)
      world.ask(name, pick([0, 20 + random.below(40), random.below(200)]), () => command({ name, commands, within }))
    }
  }
  const recovered = random.chance(0.6)
  if (recovered) void recoverForEver(world, 'R1')
  if (recovered && random.chance(0.5)) void recoverForEver(world, 'R2')
  const chance = pick([0, 0, 0.003, 0.01])
  const ended = await world.run(() => world.wrongs.length > 0 || !world.isBusy(), 6_000, { chance, processes })
  // Without recovery, or after a death, a request may stand open for as long as others care to wait.
  if (!ended && recovered && !processes.some(world.isDead)) world.wrong('commands were not answered in 6,000 steps')
  await world.killAll()
  if (world.wrongs.length > 0) return
  await recoverAll(world)
  await recoverAll(world)
  const wrong = stockWrong(log, shop.products) ?? acceptedTwice(log, shop.checkoutKeys) ?? leftWrong(log, shop.products, customer)
  if (wrong) world.wrong(wrong)
  await repeatAll(world, shop)
}
