import { makeId } from '../../../src/domain/ids.js'

/** A numbers' source that can be repeated: mulberry32. */
export const randomOf = (seed: number) => {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
  const below = (n: number) => Math.floor(next() * n)
  return { below, pick: <T>(list: readonly T[]): T => list[below(list.length)]! }
}

export type Written = { readonly streamId: string; readonly type: string; readonly data: Record<string, unknown> }

type Line = { productId: string; amount: number }
type User = { name: string; email: string; role: string; epoch: number }
type Product = { name: string; stock: number; price: number | null; retired: boolean }
type Cart = { lines: Line[]; checkout: { orderId: string; lines: Line[] } | undefined }
type Item = { productId: string; quantity: number; price?: number }
type Order = {
  customer_id: string | null
  items: Item[]
  price: number
  status: string
  phase: string
  placed: boolean
  settled: boolean
  placed_at: string | null
  updated_at: string
}

/**
 * A shop that writes its own history, and keeps what its read models must show the plain way, by changing things in place: the folds
 * are held against it. Its steps are valid one by one, not always in what they mean.
 */
export const createHistory = (seed: number) => {
  const random = randomOf(seed)
  const users = new Map<string, User | undefined>()
  const products = new Map<string, Product>()
  const carts = new Map<string, Cart>()
  const orders = new Map<string, Order & { open: Item[] | undefined; was: string }>()
  let ids = 0
  let clock = Date.UTC(2026, 0, 1)
  const id = (): string => makeId(1_700_000_000 + ++ids, random.below(2 ** 21))
  const text = (): string => random.pick(['Ann', 'Øyvind', 'tab\there', 'back\\slash', 'new\nline', '"quoted"', '\\N', '雪', ' '])
  const now = (): string => {
    clock += 1 + random.below(10_000)
    return new Date(clock).toISOString()
  }
  const write = (category: string, entity: string, type: string, data: object): Written => ({
    streamId: `${category}-${entity}`,
    type,
    data: { ...data, at: now() },
  })

  const register = (): Written => {
    const userId = id()
    const email = `${userId}@example.org`
    const name = text()
    users.set(userId, { name, email, role: 'customer', epoch: 0 })
    return write('user', userId, 'UserRegistered', { userId, name, email, login: `l-${userId}`, claimRevision: 0 })
  }

  const changeUser = (userId: string): Written => {
    const user = users.get(userId)
    const step = random.below(12)
    if (step === 0) {
      users.set(userId, undefined)
      return write('user', userId, 'UserErased', { userId })
    }
    if (step < 4) {
      if (user) user.epoch += 1
      return write('user', userId, 'PasswordSet', { userId, hash: 'x' })
    }
    if (step < 6) {
      const role = random.pick(['staff', 'analyst', 'customer'])
      if (user) Object.assign(user, { role, epoch: user.epoch + 1 })
      return write('user', userId, 'RoleGranted', { userId, role })
    }
    if (step === 6) return write('user', userId, 'EmailClaimVoided', { userId, login: 'l', claimRevision: 1 })
    const name = text()
    if (user) user.name = name
    return write('user', userId, 'UserRenamed', { userId, name })
  }

  const addProduct = (): Written => {
    const productId = id()
    const price = random.below(3) === 0 ? undefined : random.below(10_000)
    const product = { name: text(), stock: random.below(1_000), price: price ?? null, retired: false }
    products.set(productId, product)
    const { name, stock } = product
    return write('product', productId, 'ProductAdded', { productId, name, stock, ...(price !== undefined && { price }) })
  }

  const changeProduct = (productId: string): Written => {
    const product = products.get(productId)!
    const step = random.below(10)
    if (step === 0) {
      product.retired = true
      return write('product', productId, 'ProductRetired', { productId })
    }
    if (step === 1) {
      product.price = random.below(10_000)
      return write('product', productId, 'ProductPriced', { productId, price: product.price })
    }
    if (step === 2) {
      product.stock = random.below(1_000)
      return write('product', productId, 'StockCounted', { productId, stock: product.stock })
    }
    if (step === 3) return write('product', productId, 'StockTaken', { productId, orderId: id(), orderRevision: 1, was: 2 })
    if (step === 4) {
      product.name = text()
      return write('product', productId, 'ProductRenamed', { productId, name: product.name })
    }
    const [quantity, was] = [random.below(5), random.below(5)]
    product.stock += was - quantity
    return write('product', productId, 'StockReserved', { productId, orderId: id(), orderRevision: 0, quantity, was })
  }

  const changeCart = (cartId: string): Written => {
    const cart = carts.get(cartId) ?? { lines: [], checkout: undefined }
    carts.set(cartId, cart)
    const step = random.below(10)
    const productId = random.pick([...products.keys()])
    const line = cart.lines.find((each) => each.productId === productId)
    if (step < 5) {
      const amount = 1 + random.below(5)
      if (line) line.amount += amount
      else cart.lines.push({ productId, amount })
      return write('cart', cartId, 'CartItemAdded', { cartId, productId, amount })
    }
    if (step < 7 && line) {
      line.amount = 1 + random.below(9)
      return write('cart', cartId, 'CartItemAmountChanged', { cartId, productId, amount: line.amount })
    }
    if (step < 8 || (!cart.checkout && cart.lines.length === 0)) {
      cart.lines = cart.lines.filter((each) => each.productId !== productId)
      return write('cart', cartId, 'CartItemRemoved', { cartId, productId })
    }
    if (!cart.checkout) {
      cart.checkout = { orderId: id(), lines: cart.lines.map((each) => ({ ...each })) }
      return write('cart', cartId, 'CheckoutStarted', { cartId, ...cart.checkout })
    }
    const { orderId, lines } = cart.checkout
    cart.checkout = undefined
    if (step === 8) return write('cart', cartId, 'CheckoutFailed', { cartId, orderId })
    for (const ordered of lines) {
      const left = cart.lines.find((each) => each.productId === ordered.productId)
      if (left) left.amount -= ordered.amount
    }
    cart.lines = cart.lines.filter(({ amount }) => amount > 0)
    return write('cart', cartId, 'CheckedOut', { cartId, orderId })
  }

  const items = (): Item[] =>
    [...new Set([random.pick([...products.keys()]), random.pick([...products.keys()])])]
      .sort()
      .map((productId) => ({ productId, quantity: 1 + random.below(9), ...(random.below(2) === 0 && { price: 100 }) }))

  const request = (): Written => {
    const orderId = id()
    const terms = { items: items(), price: random.below(100_000), status: 'new' }
    const customerId = random.pick([...users.keys()])
    const event = write('order', orderId, 'OrderRequested', { orderId, customerId, ...terms })
    orders.set(orderId, {
      customer_id: customerId,
      ...terms,
      phase: 'requested',
      placed: false,
      settled: false,
      placed_at: null,
      updated_at: event.data.at as string,
      open: undefined,
      was: 'requested',
    })
    return event
  }

  const changeOrder = (orderId: string): Written => {
    const order = orders.get(orderId)!
    const event = nextOfOrder(orderId, order)
    order.updated_at = event.data.at as string
    if (event.type === 'OrderPlaced') order.placed_at = order.updated_at
    return event
  }

  const nextOfOrder = (orderId: string, order: Order & { open: Item[] | undefined }): Written => {
    const { price, status } = order
    if (order.phase === 'requested' && random.below(5) > 0) {
      Object.assign(order, { phase: 'placed', placed: true, settled: true })
      return write('order', orderId, 'OrderPlaced', { orderId, customerId: order.customer_id, items: order.items, price, status })
    }
    if (order.phase === 'requested') {
      Object.assign(order, { phase: 'rejected', settled: false })
      return write('order', orderId, 'OrderRejected', { orderId, reason: 'StockShort' })
    }
    if (order.open) {
      const asked = order.open
      order.open = undefined
      if (random.below(3) === 0) return write('order', orderId, 'OrderChangeAbandoned', { orderId, reason: 'StockShort' })
      const lessOf = (had: Item) => had.quantity > (asked.find((item) => item.productId === had.productId)?.quantity ?? 0)
      order.settled = !order.items.some(lessOf)
      order.items = asked
      return write('order', orderId, 'OrderChanged', { orderId, items: asked, price, status })
    }
    if (!order.settled || !order.placed) {
      order.settled = true
      return write('order', orderId, 'OrderSettled', { orderId })
    }
    if (order.phase === 'placed' && random.below(3) === 0) {
      order.open = items()
      order.settled = false
      return write('order', orderId, 'OrderChangeRequested', { orderId, items: order.open, price, status })
    }
    if (order.phase !== 'cancelled' && random.below(2) === 0) {
      order.status = random.pick(['paid', 'Shipped', 'delivered', 'cancelled', 'packed'])
      const gone = ['Shipped', 'delivered'].includes(order.status)
      if (order.status === 'cancelled') Object.assign(order, { phase: 'cancelled', settled: false })
      else if (gone && order.phase !== 'shipped') Object.assign(order, { phase: 'shipped', settled: false })
      return write('order', orderId, 'OrderStatusChanged', { orderId, status: order.status })
    }
    order.price = random.below(100_000)
    return write('order', orderId, 'OrderRepriced', { orderId, price: order.price })
  }

  const step = (): Written => {
    if (users.size < 3) return register()
    if (products.size < 3) return addProduct()
    const dice = random.below(100)
    if (dice < 2) return register()
    if (dice < 8) return changeUser(random.pick([...users.keys()]))
    if (dice < 10) return addProduct()
    if (dice < 25) return changeProduct(random.pick([...products.keys()]))
    if (dice < 70) return changeCart(random.pick([...users.keys()]))
    if (dice < 80 || orders.size === 0) return request()
    return changeOrder(random.pick([...orders.keys()].slice(-50)))
  }

  /** What the tables must hold, by stream, without the engine's columns. */
  const expected = (): Record<string, Map<string, object>> => ({
    users: new Map([...users].flatMap(([key, user]) => (user ? [[`user-${key}`, { ...user }]] : []))),
    products: new Map([...products].map(([key, product]) => [`product-${key}`, { ...product }])),
    carts: new Map(
      [...carts].map(([key, { lines, checkout }]) => [
        `cart-${key}`,
        {
          lines: lines.map((line) => ({ ...line })),
          checkout_order_id: checkout?.orderId ?? null,
          checkout_lines: checkout?.lines ?? null,
        },
      ]),
    ),
    orders: new Map(
      [...orders].map(([key, { open: _, was: __, ...order }]) => [
        `order-${key}`,
        { ...order, status_key: order.status.toLowerCase() },
      ]),
    ),
  })

  return { step, steps: (count: number): Written[] => Array.from({ length: count }, step), expected }
}
