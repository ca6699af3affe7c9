import type { Customer, Product, Target } from './requests.js'
import type { Shop } from './shops.js'

const password = 'correct horse battery'
const linesOfACart = 5

/** How much there is in a shop. */
export type Size = { readonly customers: number; readonly products: number; readonly logins: number }

/**
 * Fills a shop over HTTP, as its users would: products with a price and a large stock, customers who are logged in and have five lines
 * in their cart each. Answers the shop started again, which `started` is told of at once, with what a load needs to know.
 */
export const fill = async (
  shop: Shop,
  { customers, products, logins }: Size,
  started: (again: Shop) => void,
): Promise<{ shop: Shop; target: Target }> => {
  const ask = client(shop.port)
  await ask('POST', '/register', { email: 'staff@example.com', password })
  await shop.makeStaff('staff@example.com')
  const staff = await logIn(ask, 'staff@example.com')
  const shelf = await each(products, 8, (i) => addProduct(ask, staff, i))
  const people = await each(customers, 16, (i) => addCustomer(ask, shelf, i))
  const now = await shop.again()
  started(now)
  const people2 = await each(logins, 4, async (i) => {
    const email = `login${i}@example.com`
    await client(now.port)('POST', '/register', { email, password })
    return { email, password }
  })
  return { shop: now, target: { port: now.port, customers: people, products: shelf, logins: people2 } }
}

type Ask = (method: string, path: string, body: unknown, token?: string) => Promise<Answer>

type Answer = {
  readonly id: number
  readonly _id: string
  readonly access_token: string
  readonly data: { readonly data: Answer }
}

const client =
  (port: number): Ask =>
  async (method, path, body, token) => {
    const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) }
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { method, headers, body: JSON.stringify(body) })
    if (!response.ok) throw new Error(`${method} ${path} was answered ${response.status}: ${await response.text()}`)
    return (await response.json()) as Answer
  }

const logIn = async (ask: Ask, email: string): Promise<string> => (await ask('POST', '/login', { email, password })).access_token

const addProduct = async (ask: Ask, staff: string, i: number): Promise<Product> => {
  const cents = 199 + 37 * i
  const body = { name: `A thing of the ${i + 1}th kind`, stock: 1_000_000_000, price: cents / 100 }
  const { id, _id } = (await ask('POST', '/products/new', body, staff)).data.data
  return { id, hex: _id, cents }
}

const addCustomer = async (ask: Ask, shelf: readonly Product[], i: number): Promise<Customer> => {
  const email = `customer${i}@example.com`
  const { id, _id } = await ask('POST', '/register', { email, password })
  const token = await logIn(ask, email)
  const lines = Array.from({ length: linesOfACart }, (_, n) => shelf[(i + n * 7) % shelf.length]!.id)
  for (const ProductId of lines) await ask('POST', '/cart', { ProductId, amount: 1 }, token)
  return { id, hex: _id, token, lines }
}

/** So many of them, some at the same time, in order. */
const each = async <Item>(count: number, atOnce: number, make: (i: number) => Promise<Item>): Promise<readonly Item[]> => {
  const items: Item[] = []
  let next = 0
  const worker = async () => {
    for (let i = next++; i < count; i = next++) items[i] = await make(i)
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  return items
}
