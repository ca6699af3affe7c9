import { catalogue } from '../../domain/catalogue.js'
import type { Field } from '../../domain/description.js'
import type { CartRow } from '../../projections/cart.js'
import type { OrderRow } from '../../projections/order.js'
import type { ProductRow } from '../../projections/product.js'
import type { UserRow } from '../../projections/user.js'
import { snakeCase, typeOf } from './columns.js'

/** A column of a read model, as analysts see it. */
export type RowColumn = {
  readonly type: string
  readonly means: string
  readonly of?: Field['of']
  /** Left out wherever personal data was not asked for. */
  readonly personal?: true
}

/** Every column of a row. */
type Columns<Row> = { readonly [Name in keyof Row]-?: RowColumn }

export type ReadModel = {
  /** The projection's and the view's name. */
  readonly name: string
  /** What the streams' ids are called where events name them. */
  readonly id: string
  readonly means: string
  readonly columns: { readonly [name: string]: RowColumn }
}

const text = (means: string): RowColumn => ({ type: 'VARCHAR', means })
const integer = (means: string): RowColumn => ({ type: 'BIGINT', means })
const yesOrNo = (means: string): RowColumn => ({ type: 'BOOLEAN', means })
const time = (means: string): RowColumn => ({ type: 'TIMESTAMPTZ', means })
const list = (means: string, { of = {} }: Field): RowColumn => ({ type: typeOf({ kind: 'list', means, of }), means, of })

const items = catalogue.get('OrderPlaced')!.fields.items!
const lines = catalogue.get('CheckoutStarted')!.fields.lines!

const users: Columns<UserRow> = {
  name: { ...text("the user's name"), personal: true },
  email: { ...text("the user's e-mail address"), personal: true },
  role: text('customer, analyst or staff'),
  epoch: integer('rises with each new password or role'),
}
const products: Columns<ProductRow> = {
  name: text("the product's name"),
  stock: integer('pieces that can be ordered now'),
  price: integer('of one piece, in cents'),
  retired: yesOrNo('whether it is no longer sold'),
}
const carts: Columns<CartRow> = {
  lines: list('what is in the cart', lines),
  checkout_order_id: text('the order that the cart is becoming right now'),
  checkout_lines: list('what that order takes out of the cart', lines),
}
const orders: Columns<OrderRow> = {
  customer_id: text('the user who ordered'),
  items: list('what is ordered', items),
  price: integer('of the whole order, in cents'),
  status: text("the order's status, in the customer's words"),
  status_key: text('the status, without regard to case and spaces around it'),
  phase: text('requested, placed, rejected, cancelled or shipped'),
  placed: yesOrNo('whether it was ever placed: others are no sales'),
  settled: yesOrNo('whether nothing remains to be done for it in the stock'),
  placed_at: time('when it was placed'),
  updated_at: time('when it last changed'),
}

/** The shop as it is now, a row for each user, product, cart and order. */
export const readModels: readonly ReadModel[] = [
  { name: 'users', id: 'user_id', means: 'the users that there are', columns: users },
  { name: 'products', id: 'product_id', means: 'the products as they are now', columns: products },
  { name: 'carts', id: 'cart_id', means: 'what is in the carts now; a cart has the id of its user', columns: carts },
  { name: 'orders', id: 'order_id', means: 'the orders as they are now', columns: orders },
]

/** What every read model has beside its own columns. */
export const rowColumns: { readonly [name: string]: RowColumn } = {
  stream: text('the stream of events that the row is made of'),
  revision: integer('the revision of the last of them'),
  position: integer('the position of the last of them'),
}

/** The shown columns of a read model with its id first, in order; with those of personal data, or without. */
export const shownColumns = (
  { id, columns }: ReadModel,
  personal: boolean,
): readonly (readonly [name: string, column: RowColumn])[] => [
  [id, text('the id')],
  ...Object.entries(columns).filter(([, column]) => personal || !column.personal),
  ...Object.entries(rowColumns),
]

/** SQL of a list out of JSON, with the names of its fields in snake case. */
export const listFromJson = (json: string, of: Field['of'] & object): string => {
  const fields = Object.keys(of).map((name) => `${snakeCase(name)}: e."${name}"`)
  return `list_transform(from_json(${json}, '${listStructure(of)}'), lambda e: {${fields.join(', ')}})`
}

const listStructure = (of: Field['of'] & object): string =>
  JSON.stringify([Object.fromEntries(Object.entries(of).map(([name, field]) => [name, typeOf(field)]))])
