/** A customer as the load knows them: what a client would keep. */
export type Customer = { readonly id: number; readonly hex: string; readonly token: string; readonly lines: readonly number[] }

export type Product = { readonly id: number; readonly hex: string; readonly cents: number }

/** All that a load needs to know of a shop. */
export type Target = {
  readonly port: number
  readonly customers: readonly Customer[]
  readonly products: readonly Product[]
  /** Whose passwords are hashed at the cost that a shop has by default. */
  readonly logins: readonly { readonly email: string; readonly password: string }[]
}

/** Of whom and of what the requests are, where that is less than all. */
export type Narrow = {
  /** So many, from the given on. */
  readonly customers?: number
  readonly from?: number
  readonly products?: number
  readonly items?: number
}

export type RequestName = 'floor' | 'add' | 'change' | 'cart' | 'products' | 'page' | 'order' | 'mix' | 'login'

/** The next request to send, as HTTP/1.1 has it. */
type Next = (target: Target, narrow: Narrow) => string

const below = (limit: number): number => Math.floor(Math.random() * limit)

const one = <Item>(list: readonly Item[], among = list.length, from = 0): Item => list[from + below(among)]!

const get = (path: string, token = ''): string => `GET ${path} HTTP/1.1\r\nHost: shop\r\n${bearer(token)}\r\n`

const bearer = (token: string): string => (token === '' ? '' : `Authorization: Bearer ${token}\r\n`)

/** `body` is ASCII. */
const send = (method: string, path: string, body: string, token = ''): string =>
  `${method} ${path} HTTP/1.1\r\nHost: shop\r\n${bearer(token)}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`

const add: Next = ({ customers }, narrow) => {
  const { id, token, lines } = one(customers, narrow.customers, narrow.from)
  return send('POST', '/cart', `{"UserId":${id},"ProductId":${one(lines)},"amount":1}`, token)
}

const change: Next = ({ customers }, narrow) => {
  const { id, token, lines } = one(customers, narrow.customers, narrow.from)
  // Seldom what it is already.
  return send('PUT', `/cart/${one(lines)}`, `{"UserId":${id},"amount":${1 + below(9_000)}}`, token)
}

const cart: Next = ({ customers }, narrow) => get('/cart', one(customers, narrow.customers, narrow.from).token)

const products: Next = () => get('/products')

const order: Next = ({ customers, products }, narrow) => {
  const { hex, token } = one(customers, narrow.customers, narrow.from)
  const chosen = new Set<Product>()
  while (chosen.size < (narrow.items ?? 3)) chosen.add(one(products, narrow.products))
  let cents = 0
  const items: string[] = []
  for (const product of chosen) {
    cents += product.cents
    items.push(`{"product_id":"${product.hex}","quantity":1}`)
  }
  const body = `{"customer_id":"${hex}","price":${cents / 100},"items":[${items.join(',')}],"status":"new"}`
  return send('POST', '/orders/new', body, token)
}

/** 80 % reads, 15 % cart, 5 % orders. */
const mix: Next = (target, narrow) => {
  const share = Math.random()
  if (share < 0.4) return products(target, narrow)
  if (share < 0.8) return cart(target, narrow)
  if (share < 0.9) return add(target, narrow)
  return share < 0.95 ? change(target, narrow) : order(target, narrow)
}

const login: Next = ({ logins }) => {
  const { email, password } = one(logins)
  return send('POST', '/login', `{"email":"${email}","password":"${password}"}`)
}

export const requests: { readonly [name in RequestName]: Next } = {
  floor: () => get('/'),
  add,
  change,
  cart,
  products,
  page: () => get('/products?limit=50'),
  order,
  mix,
  login,
}
