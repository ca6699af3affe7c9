import type { CommandContext } from '../../../src/commands/engine/context.js'
import type { Item } from '../../../src/commands/order.js'
import { cart } from '../../../src/domain/cart.js'
import { idOfInteger, type OrderId, type ProductId } from '../../../src/domain/ids.js'
import { order } from '../../../src/domain/order.js'
import { product, reservedFor } from '../../../src/domain/product.js'
import { placedUnder } from './invariants.js'
import { type Answer, type Asked, answerOf, type World, type WorldCommands } from './world.js'

/** Few products with few units and one customer, so that everything is in everything's way. */
export type Shop = {
  readonly products: readonly ProductId[]
  readonly allPriced: boolean
  readonly hasCart: boolean
  /** Orders that are there from the start, for others to change. */
  readonly orders: readonly OrderId[]
  /** The key of each checkout that has one, by the command's correlation: its order's events don't carry it. */
  readonly checkoutKeys: Map<string, string>
}

type Actor = { readonly name: string; readonly commands: WorldCommands; readonly within: number }

export const customer = idOfInteger(77)!
export const endless = 1e7

export const someItems = ({ random, pick }: World, products: readonly ProductId[]): Item[] => {
  const first = random.below(products.length)
  const turned = [...products.slice(first), ...products.slice(0, first)]
  const chosen = turned.slice(0, 1 + random.below(products.length))
  return chosen.map((productId) => ({ productId, quantity: pick([1, 2]) }))
}

export const priceOf = (items: readonly Item[]): number => 100 * items.reduce((sum, { quantity }) => sum + quantity, 0)

/** What this very command has written; recovery and other commands carry a correlation of their own. */
const writtenBy = (world: World, { correlationId }: CommandContext, type: string): readonly OrderId[] =>
  world.log.events
    .filter((event) => event.type === type && event.metadata.$correlationId === correlationId)
    .map(({ data }) => (data as { orderId: OrderId }).orderId)

const keyed = (world: World, name: string, requestHash: string): Partial<CommandContext> => ({
  key: { commandId: `${name}${world.random.below(2)}`, requestHash },
})

/** The request counts as the same whatever it asks for: what is answered must be the first one's. */
export const sameKey = (commandId: string): Partial<CommandContext> => ({ key: { commandId, requestHash: 'the same' } })

const keyedTheSame = ({ random }: World, name: string) => sameKey(`${name}${random.below(2)}`)

/** Whether its key has placed an order already: from then on a repeat is answered that order and nothing else. */
const wasPlaced = (world: World, shop: Shop, { key }: CommandContext): boolean =>
  key !== undefined && placedUnder(world.log, shop.checkoutKeys).has(key.commandId)

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
  const isRepeat = wasPlaced(world, shop, context)
  const check = ({ reason, done, refused }: Answer<{ orderId: OrderId }>) => {
    if (isRepeat && refused) world.wrong(`what was placed under the same key before is now ${reason}`)
    if (done) assertPlaced(world, done.value.orderId, done.position)
    // Under a key, a repeat may be about to place what this one was refused.
    if (!refused || context.key) return
    for (const orderId of writtenBy(world, context, 'OrderRequested')) {
      const holding = shop.products.filter((id) => reservedFor(world.log.stateOf(product, id), orderId) > 0)
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
    const accepted = mine.find(({ event }) => order.says[event.type] === 'accepted')
    if (done && accepted && !key.key) {
      if (done.position < accepted.position) world.wrong(`${orderId} was answered with a position before its own`)
      // A revision further on would let the asker overwrite, with If-Match, what another has changed unseen.
      const unseen = history.filter(({ revision }) => revision > accepted.revision && revision <= done.revision)
      if (unseen.some(({ event }) => event.type !== 'OrderSettled'))
        world.wrong(`${orderId} was accepted at ${accepted.revision}, and answered with ${done.revision} of another's change`)
    }
    const abandoned = mine.find(({ event }) => event.type === 'OrderChangeAbandoned')
    if (refused && abandoned && abandoned.revision === history.length - 1)
      world.wrong(`the change of ${orderId} was refused before it was settled`)
  }
  return {
    what: `change ${orderId} to ${spelled} (${context.correlationId})`,
    answered: answerOf(world, name, context, work, check),
  }
}

const checkout = (world: World, shop: Shop, { name, commands, within }: Actor, more: Partial<CommandContext>): Asked => {
  const context = world.context(within, more)
  if (context.key) shop.checkoutKeys.set(context.correlationId, context.key.commandId)
  const amounts = world.log.stateOf(cart, customer).lines.map(({ amount }) => amount)
  const price = shop.allPriced || amounts.length === 0 ? {} : { price: 100 * amounts.reduce((sum, amount) => sum + amount, 0) }
  const work = commands.cart.checkout(context, { customerId: customer, ...price })
  const isRepeat = wasPlaced(world, shop, context) && !world.log.stateOf(cart, customer).checkout
  const check = ({ reason, done, refused }: Answer<{ orderId: OrderId }>) => {
    if (isRepeat && refused) world.wrong(`what was checked out under the same key before is now ${reason}`)
    if (done) {
      const { orderId } = done.value
      assertPlaced(world, orderId, done.position)
      const ended = world.log.historyOf(cart, customer).find(({ event }) => isEnd(event, orderId))
      if (!ended) world.wrong(`${orderId} was answered as checked out, and the cart doesn't say so`)
      else if (done.position < ended.position) world.wrong(`${orderId} was answered with a position before its cart's`)
      const placed = world.log.historyOf(order, orderId).find(({ event }) => event.type === 'OrderPlaced')
      const by = placed?.metadata.$correlationId
      if (by !== context.correlationId && shop.checkoutKeys.get(by!) !== context.key!.commandId)
        world.wrong(`${context.correlationId} was answered ${orderId}, which is another's`)
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
export const anyCommand = (world: World, shop: Shop): ((actor: Actor) => Asked | undefined) => {
  const changeItems = (actor: Actor) => update(world, shop, actor, { items: someItems(world, shop.products) })
  const placeAnew = (actor: Actor) => place(world, shop, actor, {})
  const placeKeyed = (actor: Actor) => place(world, shop, actor, keyedTheSame(world, 'place'))
  const checkOut = (actor: Actor) => checkout(world, shop, actor, {})
  const checkOutKeyed = (actor: Actor) => checkout(world, shop, actor, keyedTheSame(world, 'checkout'))
  return world.pick([
    ...[placeAnew, placeAnew, placeKeyed, placeKeyed, changeItems, changeItems],
    (actor: Actor) => update(world, shop, actor, { status: 'cancelled' }),
    (actor: Actor) => update(world, shop, actor, { status: 'shipped' }),
    (actor: Actor) => count(world, shop, actor),
    ...(shop.hasCart ? [checkOut, checkOut, checkOutKeyed, checkOutKeyed, (actor: Actor) => add(world, shop, actor)] : []),
  ])
}
