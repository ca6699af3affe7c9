import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { descendantsOf, freePort, type Shop, spawnCli, spawnShop } from '../../support/spawn-shop.js'

/**
 * A shop under load, one process of which is killed with SIGKILL, or stopped for a while with SIGSTOP, again and again: the event store,
 * Postgres, one of two processes that serve HTTP, the app itself. What was
 * acknowledged must be there afterwards, each request once however often it had to be sent, and not one unit more sold than there was.
 */
const seconds = Number(process.env.SECONDS ?? 60)
const rounds = Number(process.env.ROUNDS ?? Number.POSITIVE_INFINITY)
const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const ends = performance.now() + seconds * 1_000
const stock = 300
const clientCount = 6
const pageSize = 50

const seeded = (from: number) => {
  let state = from >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

type Json = { [field: string]: unknown }
type Answer = { readonly status: number; readonly body: Json & { data?: { data?: unknown } } }
type Client = {
  readonly token: string
  readonly userId: string
  readonly email: string
  readonly random: () => number
  readonly orders: Map<string, { readonly product: string; readonly quantity: number; cancelled: boolean }>
  readonly cart: Map<string, number>
  name: string
}

const failures: string[] = []
let checks = 0
let sent = 0
let again = 0
const check = (holds: boolean, what: string): void => {
  checks++
  if (!holds) failures.push(what)
}
const wait = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))

const data = await mkdtemp(join(tmpdir(), 'tillroll-chaos-'))
const port = await freePort()
const env = {
  COMMAND_DEADLINE: '3000',
  RECOVERY_DELAY: '4000',
  CLAIM_YOUNG: '500',
  RATE_LIMIT: '0',
  LOGIN_RATE_LIMIT: '0',
  LOG_LEVEL: 'warn',
  HTTP_WORKERS: '2',
}
const url = `http://127.0.0.1:${port}`
/** Each that was started: what they wrote tells why one of them failed. */
const shops: Shop[] = []
const startShop = async (): Promise<Shop> => {
  const shop = await spawnShop({ data, port, env })
  shops.push(shop)
  return shop
}

/** Sends until there is a definite answer: under one key, however often. */
const send = async (method: string, path: string, { token, body }: { token?: string; body?: Json } = {}): Promise<Answer> => {
  const key = randomUUID()
  sent++
  for (const began = performance.now(); performance.now() - began < 120_000; again++) {
    try {
      const response = await fetch(url + path, {
        method,
        headers: {
          'Content-Type': 'application/json',
          'Idempotency-Key': key,
          ...(token && { Authorization: `Bearer ${token}` }),
        },
        ...(body && { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(15_000),
      })
      const answer = { status: response.status, body: (await response.json()) as Answer['body'] }
      if (response.status < 500) return answer
      if (response.status !== 503) failures.push(`${method} ${path}: ${response.status} ${JSON.stringify(answer.body)}`)
    } catch (error) {
      // The connection was refused or broke: the process is gone, or about to come back.
      if (!(error instanceof TypeError) && !(error instanceof DOMException)) throw error
    }
    await wait(100)
  }
  throw new Error(`${method} ${path}: no definite answer within two minutes`)
}
const inner = ({ body }: Answer): Json => body.data?.data as Json

const register = async (name: string, random: () => number): Promise<Client> => {
  const account = { email: `${name}-${seed}@example.org`, password: 'a password' }
  const registered = await send('POST', '/users/register', { body: { ...account, name, confirm_password: account.password } })
  check(registered.status === 201, `register ${name}: ${registered.status} ${JSON.stringify(registered.body)}`)
  const { body } = await send('POST', '/login', { body: account })
  return {
    token: String(body.access_token),
    userId: String(inner(registered)._id),
    email: account.email,
    random,
    orders: new Map(),
    cart: new Map(),
    name,
  }
}

// ---------------------------------------------------------------- the load

const act = async (client: Client, products: readonly string[]): Promise<void> => {
  const { token, random } = client
  const product = products[Math.floor(random() * products.length)]!
  const what = random()
  if (what < 0.35) {
    const amount = 1 + Math.floor(random() * 3)
    const added = await send('POST', '/cart', { token, body: { ProductId: product, amount } })
    check(added.status === 201, `cart: ${added.status} ${JSON.stringify(added.body)}`)
    client.cart.set(product, (client.cart.get(product) ?? 0) + amount)
  } else if (what < 0.7) {
    const quantity = 1 + Math.floor(random() * 3)
    const body = { customer_id: client.userId, price: quantity * 2.5, items: [{ product_id: product, quantity }], status: 'new' }
    const placed = await send('POST', '/orders/new', { token, body })
    check(placed.status === 201 || placed.status === 409, `order: ${placed.status} ${JSON.stringify(placed.body)}`)
    if (placed.status === 201) client.orders.set(String(inner(placed)._id), { product, quantity, cancelled: false })
  } else if (what < 0.9) {
    const open = [...client.orders].filter(([, { cancelled }]) => !cancelled)
    const one = open[Math.floor(random() * open.length)]
    if (!one) return
    const cancelled = await send('PUT', '/orders/update', { token, body: { _id: one[0], status: 'cancelled' } })
    check(cancelled.status === 200, `cancel: ${cancelled.status} ${JSON.stringify(cancelled.body)}`)
    one[1].cancelled = true
  } else {
    const name = `${client.name.split(' ')[0]} ${Math.floor(random() * 1_000)}`
    const edited = await send('PUT', `/users/edit/${client.userId}`, { token, body: { old_password: 'a password', name } })
    check(edited.status === 200, `edit: ${edited.status} ${JSON.stringify(edited.body)}`)
    client.name = name
  }
}

// ---------------------------------------------------------------- the killing

const kills = { 'event store': 0, Postgres: 0, 'HTTP worker': 0, app: 0 }
const targets = Object.keys(kills) as (keyof typeof kills)[]
const commands = { 'event store': /eventstore\/main/, Postgres: / -D /, 'HTTP worker': /workers\/worker/, app: /cli\/index/ }
let stops = 0

const signal = (pid: number, name: NodeJS.Signals): boolean => {
  try {
    return process.kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    return false
  }
}

/** Sleeps, and goes on as if nothing had been: longer than a lease, so that others may have taken over. */
const stopOne = async (shop: Shop, random: () => number): Promise<void> => {
  const target = targets[Math.floor(random() * targets.length)]!
  const pids = target === 'app' ? [shop.pid] : victimsOf(shop, target)
  for (const pid of pids) signal(pid, 'SIGSTOP')
  await wait(500 + random() * 5_500)
  for (const pid of pids) signal(pid, 'SIGCONT')
  stops++
}

const victimsOf = (shop: Shop, target: keyof typeof kills): number[] => {
  const found = descendantsOf(shop.pid).filter(({ command }) => commands[target].test(command) && !command.startsWith('/bin/sh'))
  // Of the workers one, so that the other goes on.
  return found.map(({ pid }) => pid).slice(0, target === 'HTTP worker' ? 1 : found.length)
}

const killOne = async (shop: Shop, random: () => number): Promise<Shop> => {
  const target = targets[Math.floor(random() * targets.length)]!
  if (target === 'app') {
    process.kill(shop.pid, 'SIGKILL')
    await shop.exited
    kills.app++
    return startShop()
  }
  for (const pid of victimsOf(shop, target)) if (signal(pid, 'SIGKILL')) kills[target]++
  return shop
}

// ---------------------------------------------------------------- the check

const grantStaff = (email: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const child = spawnCli(['users', 'grant', email, 'staff'], { TILLROLL_DATA: data, ...env })
    let output = ''
    child.stderr!.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`granting failed: ${output}`))))
  })

type Order = { _id: string; items: { product_id: string; quantity: number }[]; status: string }

/** All of them, page by page: a long run places more than one page holds. */
const ordersOf = async ({ token }: Client): Promise<Order[]> => {
  const orders: Order[] = []
  for (let after = ''; ; after = `&after=${orders.at(-1)!._id}`) {
    const page = (await send('GET', `/orders?limit=${pageSize}${after}`, { token })).body.data!.data as Order[]
    orders.push(...page)
    if (page.length < pageSize) return orders
  }
}

/** Everything that the client was told is there, and nothing else. */
const checkClient = async (client: Client): Promise<void> => {
  const { token } = client
  const { body: lines } = await send('GET', '/cart', { token })
  const cart = new Map(
    (lines as unknown as { _id?: string; ProductId: unknown; amount: number; Product: { _id: string } }[]).map((line) => [
      line.Product._id,
      line.amount,
    ]),
  )
  check(
    JSON.stringify([...cart].sort()) === JSON.stringify([...client.cart].sort()),
    `${client.name}: the cart is ${JSON.stringify([...cart])}, not ${JSON.stringify([...client.cart])}`,
  )
  const orders = await ordersOf(client)
  check(orders.length === client.orders.size, `${client.name}: ${orders.length} orders, ${client.orders.size} acknowledged`)
  for (const [id, { product, quantity, cancelled }] of client.orders) {
    const found = orders.find(({ _id }) => _id === id)
    check(found !== undefined, `${client.name}: the order ${id} is lost`)
    check(found?.items[0]?.product_id === product && found.items[0].quantity === quantity, `${id}: other items`)
    check((found?.status === 'cancelled') === cancelled, `${id}: the status is ${found?.status}`)
  }
  const user = inner(await send('GET', `/users/${client.userId}`, { token }))
  check(user.name === client.name, `${client.email}: the name is ${user.name}, not ${client.name}`)
}

/** What is left of each product is what came in less what is ordered; what was half done is made good within the recovery's delay. */
const checkStock = async (clients: readonly Client[], products: readonly string[]): Promise<void> => {
  const ordered = (product: string) =>
    clients
      .flatMap(({ orders }) => [...orders.values()])
      .filter((order) => order.product === product && !order.cancelled)
      .reduce((sum, { quantity }) => sum + quantity, 0)
  const stocks = async () => {
    const { body } = await send('GET', '/products')
    return new Map((body as unknown as { _id: string; stock: number }[]).map(({ _id, stock: left }) => [_id, left]))
  }
  const settled = performance.now() + 30_000
  let now = await stocks()
  while (performance.now() < settled && products.some((product) => now.get(product) !== stock - ordered(product))) {
    await wait(500)
    now = await stocks()
  }
  for (const product of products)
    check(
      now.get(product) === stock - ordered(product),
      `${product}: ${now.get(product)} left, ${stock} less ${ordered(product)} ordered`,
    )
}

// ---------------------------------------------------------------- the run

const main = async (): Promise<void> => {
  const random = seeded(seed)
  let shop = await startShop()
  const staff = await register('staff', random)
  await grantStaff(staff.email)
  const { body } = await send('POST', '/login', { body: { email: staff.email, password: 'a password' } })
  const products: string[] = []
  for (const name of ['Tea', 'Coffee', 'Milk']) {
    const added = await send('POST', '/products/new', { token: String(body.access_token), body: { name, stock, price: 2.5 } })
    products.push(String(inner(added)._id))
  }
  const clients = await Promise.all(Array.from({ length: clientCount }, (_, i) => register(`client${i}`, seeded(seed + i + 1))))
  let over = false
  const load = clients.map(async (client) => {
    while (!over) await act(client, products)
  })
  let round = 0
  try {
    for (; round < rounds && performance.now() < ends; round++) {
      await wait(500 + random() * 2_500)
      if (random() < 0.3) await stopOne(shop, random)
      else shop = await killOne(shop, random)
    }
  } finally {
    over = true
    await Promise.all(load)
  }
  await checkStock(clients, products)
  for (const client of clients) await checkClient(client)
  check((await shop.stop()) === 0, 'the shop did not stop in order')
  const orders = clients.reduce((sum, client) => sum + client.orders.size, 0)
  console.log(
    `${round} rounds, kills ${JSON.stringify(kills)}, ${stops} stops, ${sent} requests, ${again} sent again, ${orders} orders, ${checks} checks, SEED=${seed}`,
  )
}

await main().catch((error: Error) => failures.push(error.stack ?? error.message))
for (const failure of failures.slice(0, 20)) console.log(`FAILED: ${failure}`)
for (const line of shops.flatMap((shop) => shop.output().split('\n')))
  if (line.includes('"status":500')) console.log(`LOG: ${line}`)
await rm(data, { recursive: true, force: true })
console.log(`${checks - failures.length} passed, ${failures.length} failed`)
process.exit(failures.length > 0 ? 1 : 0)
