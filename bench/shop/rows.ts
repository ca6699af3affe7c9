import type { Load } from './load.js'
import type { Narrow, RequestName } from './requests.js'

export type Row = {
  readonly name: string
  readonly request: RequestName
  readonly narrow?: Narrow
  /** At so many alone, whatever the run is at. */
  readonly connections?: number
  /** What goes on at the same time, and is not counted. */
  readonly beside?: Pick<Load, 'request' | 'connections'>
  /** The name of the row that it is to be held against. */
  readonly against?: string
  /** Events that the one cart must have got before. */
  readonly events?: number
}

const basic: { readonly [key: string]: Row } = {
  add: { name: 'POST /cart', request: 'add' },
  change: { name: 'PUT /cart/:id', request: 'change' },
  cart: { name: 'GET /cart', request: 'cart' },
  products: { name: 'GET /products (50)', request: 'products' },
  order: { name: 'POST /orders/new (3 items)', request: 'order' },
  mix: { name: 'mix 80/15/5', request: 'mix' },
}

const calm = 'GET /products, nobody logs in'
const login: readonly Row[] = [
  { name: 'POST /login', request: 'login', connections: 8 },
  { name: calm, request: 'products', connections: 16 },
  {
    name: 'GET /products while 8 log in',
    request: 'products',
    connections: 16,
    beside: { request: 'login', connections: 8 },
    against: calm,
  },
]

const anyProduct = 'POST /orders/new (1 item)'
const ownCart = 'PUT /cart/:id, any cart'
const hot: readonly Row[] = [
  { name: anyProduct, request: 'order', narrow: { items: 1 }, connections: 64 },
  {
    name: '... all of one product',
    request: 'order',
    narrow: { items: 1, products: 1 },
    connections: 64,
    against: anyProduct,
  },
  { name: ownCart, request: 'change', connections: 64 },
  { name: '... all of one cart', request: 'change', narrow: { customers: 1 }, connections: 64, against: ownCart },
  {
    name: '... all of one cart that has 10,000 events',
    request: 'change',
    narrow: { from: 1, customers: 1 },
    connections: 64,
    against: ownCart,
    events: 10_000,
  },
]

const groups: { readonly [key: string]: readonly Row[] } = {
  ...Object.fromEntries(Object.entries(basic).map(([key, row]) => [key, [row]])),
  login,
  hot,
}

/** The rows of a comma-separated list of keys. Throws for a key that there is none of. */
export const rowsOf = (keys: string): readonly Row[] =>
  keys.split(',').flatMap((key) => {
    const rows = groups[key]
    if (!rows) throw new Error(`there is no row ${key}: the rows are ${Object.keys(groups).join(', ')}`)
    return rows
  })

/** Those of a look, and all. */
export const quickRows = Object.keys(basic).join(',')
export const allRows = Object.keys(groups).join(',')
/** Where there are more products, a page of as many takes the place of the list. */
export const growthRows = (): readonly Row[] => [
  ...rowsOf('add,change,cart,order'),
  { name: 'GET /products?limit=50', request: 'page' },
]
