/**
 * Fills an event store with a shop's history: 50% cart, 30% order, 15% product, 5% user and login events, as the deciders write them.
 * npm run bench:seed -- --events 1000000 [--data ./data/eventstore] [--seed 1]
 */
import { randomUUID } from 'node:crypto'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { Presets, SingleBar } from 'cli-progress'
import type { CartEvent } from '../src/domain/cart.js'
import { normaliseEmail } from '../src/domain/email.js'
import { makeId, type OrderId, type ProductId, type UserId } from '../src/domain/ids.js'
import type { LoginEvent } from '../src/domain/login.js'
import type { OrderEvent } from '../src/domain/order.js'
import type { ProductEvent } from '../src/domain/product.js'
import type { Terms } from '../src/domain/terms.js'
import type { UserEvent } from '../src/domain/user.js'
import { openStore, type Store } from '../src/embedded/eventstore/storage/store.js'
import { holdLock } from '../src/platform/folder-lock.js'

type ShopEvent = CartEvent | LoginEvent | OrderEvent | ProductEvent | UserEvent
type Step = { readonly stream: string; readonly events: readonly ShopEvent[]; readonly actor: string }

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '100000' },
    data: { type: 'string', default: './data/eventstore' },
    seed: { type: 'string', default: '1' },
  },
})
const total = Number(values.events)
const folder = resolve(values.data)

let state = Number(values.seed) >>> 0
const random = (): number => {
  state = (state + 0x6d2b79f5) >>> 0
  let t = Math.imul(state ^ (state >>> 15), state | 1)
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296
}
const below = (limit: number): number => Math.floor(random() * limit)
const hex = (digits: number): string => Array.from({ length: digits }, () => below(16).toString(16)).join('')

// The history ends now and began ninety days ago.
const began = Date.now() - 90 * 86_400_000
let written = 0
const at = (): string => new Date(began + Math.min(1, written / total) * 90 * 86_400_000).toISOString()
const newId = () => makeId(Math.floor(Date.parse(at()) / 1000), below(2 ** 21))

const words = ['tea', 'lamp', 'chair', 'shelf', 'cup', 'rug', 'clock', 'vase', 'desk', 'bowl']
const word = (): string => words[below(words.length)]!

type Product = { readonly id: ProductId; readonly price: number }
const products: Product[] = []

const addProduct = (): Step => {
  const product = { id: newId() as ProductId, price: 100 + below(20_000) }
  products.push(product)
  const name = `${word()} ${word()} ${products.length}`
  const data = { productId: product.id, name, stock: 1_000_000, price: product.price, at: at() }
  return { stream: `product-${product.id}`, events: [{ type: 'ProductAdded', data }], actor: 'staff' }
}

/** A customer's life: 3 events of theirs, and six orders of 5 cart, 3 order and 1 or 2 product events each. */
function* customer(): Generator<Step> {
  const userId = newId() as UserId
  const login = hex(64)
  const email = normaliseEmail(`${word()}.${userId}@example.com`)
  yield { stream: `login-${login}`, events: [{ type: 'EmailClaimed', data: { login, userId, at: at() } }], actor: 'anonymous' }
  const registered = { userId, name: `${word()} ${word()}`, email, login, claimRevision: 0, at: at() }
  const hash = `$2b$11$${hex(53)}`
  yield {
    stream: `user-${userId}`,
    events: [
      { type: 'UserRegistered', data: registered },
      { type: 'PasswordSet', data: { userId, hash, at: at() } },
    ],
    actor: 'anonymous',
  }
  for (let i = 0; i < 6; i++) yield* order(userId, 1 + (i % 2))
}

function* order(userId: UserId, kinds: number): Generator<Step> {
  const first = below(products.length)
  const chosen = Array.from({ length: kinds }, (_, i) => products[(first + i * 7) % products.length]!)
  const cart = (events: CartEvent[]): Step => ({ stream: `cart-${userId}`, events, actor: userId })
  const [one] = chosen
  yield cart([{ type: 'CartItemAdded', data: { cartId: userId, productId: one!.id, amount: 1 + below(3), at: at() } }])
  const second = chosen[1] ?? one!
  yield cart([{ type: 'CartItemAdded', data: { cartId: userId, productId: second.id, amount: 1, at: at() } }])
  const lines = chosen.map(({ id }) => ({ productId: id, amount: 1 + below(4) }))
  yield cart([{ type: 'CartItemAmountChanged', data: { cartId: userId, ...lines[0]!, at: at() } }])
  const orderId = newId() as OrderId
  yield cart([{ type: 'CheckoutStarted', data: { cartId: userId, orderId, lines, at: at() } }])
  const items = chosen
    .map(({ id, price }, i) => ({ productId: id, quantity: lines[i]!.amount, price }))
    .sort((a, b) => (a.productId < b.productId ? -1 : 1))
  const terms: Terms = { items, price: items.reduce((sum, item) => sum + item.quantity * item.price, 0), status: 'new' }
  const write = (events: OrderEvent[]): Step => ({ stream: `order-${orderId}`, events, actor: userId })
  yield write([{ type: 'OrderRequested', data: { orderId, customerId: userId, ...terms, at: at() } }])
  for (const { productId, quantity } of items) {
    const data = { productId, orderId, orderRevision: 0, was: 0, quantity, at: at() }
    yield { stream: `product-${productId}`, events: [{ type: 'StockReserved', data }], actor: userId }
  }
  yield write([{ type: 'OrderPlaced', data: { orderId, customerId: userId, ...terms, at: at() } }])
  yield cart([{ type: 'CheckedOut', data: { cartId: userId, orderId, at: at() } }])
  yield write([{ type: 'OrderStatusChanged', data: { orderId, status: 'paid', at: at() } }])
}

const append = (store: Store, { stream, events, actor }: Step): Promise<void> =>
  new Promise((done, failed) => {
    const metadata = Buffer.from(JSON.stringify({ $correlationId: randomUUID(), actor, schema: 1 }))
    const records = events.map(({ type, data }) => ({
      id: randomUUID(),
      type,
      json: true,
      data: Buffer.from(JSON.stringify(data)),
      customMetadata: metadata,
    }))
    store.append(stream, -2, records, Number.POSITIVE_INFINITY, ({ kind }) =>
      kind === 'written' ? done() : failed(new Error(`an append failed: ${kind}`)),
    )
  })

const active = 5_000
const together = 2_000

const fill = async (store: Store): Promise<void> => {
  const bar = new SingleBar({ format: '{bar} {value}/{total} events, {eta_formatted} left' }, Presets.shades_classic)
  bar.start(total, 0)
  const take = async (steps: readonly Step[]): Promise<void> => {
    await Promise.all(steps.map((step) => append(store, step)))
    written += steps.reduce((sum, { events }) => sum + events.length, 0)
    bar.update(written)
  }
  const wanted = Math.max(20, Math.floor(total / 600))
  for (let made = 0; made < wanted; made += together) {
    await take(Array.from({ length: Math.min(together, wanted - made) }, addProduct))
  }
  const customers = Array.from({ length: Math.min(active, Math.max(1, Math.floor(total / 60))) }, customer)
  while (written < total) {
    const steps: Step[] = []
    for (let left = total - written; steps.length < together && left > 0; left -= steps.at(-1)!.events.length) {
      const chosen = below(customers.length)
      let step = customers[chosen]!.next()
      if (step.done) {
        customers[chosen] = customer()
        step = customers[chosen]!.next()
      }
      steps.push(step.value as Step)
    }
    await take(steps)
  }
  bar.stop()
}

const lock = await holdLock(folder)
// The store's own times are those of the history, as if it had been written then.
const store = await openStore({ folder, now: () => Date.parse(at()) })
const started = performance.now()
await fill(store)
const seconds = (performance.now() - started) / 1000
await store.close()
await lock.release()
console.log(
  `${written} events in ${seconds.toFixed(1)} s (${Math.round(written / seconds)}/s), ${products.length} products, in ${folder}`,
)
