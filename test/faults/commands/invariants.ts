import { amountOf, cart } from '../../../src/domain/cart.js'
import type { OrderId, ProductId, UserId } from '../../../src/domain/ids.js'
import { login } from '../../../src/domain/login.js'
import { order } from '../../../src/domain/order.js'
import { product, reservedFor } from '../../../src/domain/product.js'
import { quantityOf } from '../../../src/domain/terms.js'
import { user } from '../../../src/domain/user.js'
import type { Log } from './log.js'

/** What must hold after every single append, whoever is half-way through whatever; answers what doesn't. */
export const stockWrong = (log: Log, products: readonly ProductId[]): string | undefined => {
  const orders = log.idsOf(order).map((id) => [id as OrderId, log.stateOf(order, id)] as const)
  for (const productId of products) {
    const state = log.stateOf(product, productId)
    if (state.free < 0) return `${productId} has ${state.free} free`
    for (const [orderId, { phase, settled, terms }] of orders) {
      const due = phase === 'placed' ? quantityOf(terms, productId) : 0
      const held = reservedFor(state, orderId)
      if (held < due) return `oversold: ${orderId} was accepted with ${due} of ${productId} and holds ${held}`
      if (settled && held !== due) return `${orderId} is settled (${phase}) with ${due} of ${productId} and holds ${held}`
    }
  }
  return undefined
}

/** The orders that were accepted under each key: their own, or by way of `checkoutKeys` that of the checkout behind them. */
export const placedUnder = (log: Log, checkoutKeys: ReadonlyMap<string, string>): ReadonlyMap<string, readonly OrderId[]> => {
  const byKey = new Map<string, OrderId[]>()
  for (const { type, data, metadata } of log.events) {
    if (type !== 'OrderPlaced') continue
    const key = metadata.commandId ?? checkoutKeys.get(metadata.$correlationId!)
    if (key !== undefined) byKey.set(key, [...(byKey.get(key) ?? []), (data as { orderId: OrderId }).orderId])
  }
  return byKey
}

/** One order is accepted once, and one key accepts one order. */
export const acceptedTwice = (log: Log, checkoutKeys: ReadonlyMap<string, string>): string | undefined => {
  for (const orderId of log.idsOf(order)) {
    const placed = log.historyOf(order, orderId).filter(({ event }) => event.type === 'OrderPlaced')
    if (placed.length > 1) return `${orderId} was accepted twice`
  }
  const several = [...placedUnder(log, checkoutKeys)].find(([, orders]) => orders.length > 1)
  return several && `one key, two orders: ${several}`
}

/** An e-mail is one user's, and the newest claim on it names that user: otherwise the user could not log in. */
export const emailsWrong = (log: Log): string | undefined => {
  const owners = new Map<string, string>()
  for (const userId of log.idsOf(user)) {
    const state = log.stateOf(user, userId)
    if (!state.registered) continue
    if (owners.has(state.login)) return `${state.email} is of both ${userId} and ${owners.get(state.login)}`
    owners.set(state.login, userId)
    if (log.stateOf(login, state.login).claim?.userId !== userId) return `${userId} is locked out of ${state.email}`
  }
  return undefined
}

/** When all is recovered: nothing is left open, no unit came or went, and what was put into the cart was ordered or is still in it. */
export const leftWrong = (log: Log, products: readonly ProductId[], customer: UserId): string | undefined => {
  const open = log.idsOf(order).find((id) => !log.stateOf(order, id).settled)
  if (open) return `${open} was never settled`
  if (log.stateOf(cart, customer).checkout) return 'the checkout never ended'
  return products.map((productId) => unitsWrong(log, productId) ?? linesWrong(log, productId, customer)).find(Boolean)
}

/** Counts the units by the events alone, not by what the product's own fold says of `free`. */
const unitsWrong = (log: Log, productId: ProductId): string | undefined => {
  const held = new Map<OrderId, number>()
  const sum = () => [...held.values()].reduce((total, quantity) => total + quantity, 0)
  let units = 0
  for (const { event } of log.historyOf(product, productId)) {
    if (event.type === 'ProductAdded' || event.type === 'StockCounted') units = event.data.stock + sum()
    if (event.type === 'StockReserved') held.set(event.data.orderId, event.data.quantity)
    if (event.type === 'StockTaken') {
      units -= held.get(event.data.orderId) ?? 0
      held.delete(event.data.orderId)
    }
  }
  const { free } = log.stateOf(product, productId)
  return free + sum() === units ? undefined : `${productId} has ${free} free and ${sum()} held, of ${units}`
}

const linesWrong = (log: Log, productId: ProductId, customer: UserId): string | undefined => {
  let added = 0
  const orders = new Set<OrderId>()
  for (const { event } of log.historyOf(cart, customer)) {
    if (event.type === 'CartItemAdded' && event.data.productId === productId) added += event.data.amount
    if (event.type === 'CheckoutStarted') orders.add(event.data.orderId)
  }
  let ordered = 0
  for (const orderId of orders) {
    for (const { event } of log.historyOf(order, orderId))
      if (event.type === 'OrderPlaced') ordered += quantityOf(event.data, productId)
  }
  const left = amountOf(log.stateOf(cart, customer).lines, productId)
  return ordered + left === added
    ? undefined
    : `of ${productId}, ${added} came into the cart, ${ordered} were ordered, ${left} are left`
}
