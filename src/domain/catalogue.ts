import type { CartEvent } from './cart.js'
import type { DomainEvent } from './decider.js'
import type { DisclosureEvent } from './disclosure.js'
import type { LoginEvent } from './login.js'
import type { OrderEvent } from './order.js'
import type { ProductEvent } from './product.js'
import type { UserEvent } from './user.js'

/** Every event that the shop writes. */
export type ShopEvent = CartEvent | DisclosureEvent | LoginEvent | OrderEvent | ProductEvent | UserEvent

/** What a field of an event is to somebody who reads the history: its kind, its meaning, and whether it tells who somebody is. */
export type Field = {
  readonly kind: 'id' | 'text' | 'integer' | 'cents' | 'list'
  readonly means: string
  /** Left out wherever personal data was not asked for. */
  readonly personal?: true
  /** The fields of each element of a list. */
  readonly of?: { readonly [field: string]: Field }
}

export type EventDescription = {
  readonly category: string
  readonly means: string
  /** No log, export, topic or query may show it, whoever asks. */
  readonly secret?: true
  /** Without `at`, which every event has. */
  readonly fields: { readonly [field: string]: Field }
}

const field =
  (kind: Exclude<Field['kind'], 'list'>) =>
  (means: string): Field => ({ kind, means })
const id = field('id')
const text = field('text')
const integer = field('integer')
const cents = field('cents')
const list = (means: string, of: Field['of'] & object): Field => ({ kind: 'list', means, of })
const personal = (described: Field): Field => ({ ...described, personal: true })

/** A description for every type and for every field of it: a new event doesn't compile until it has one. */
type Descriptions<Event extends DomainEvent> = {
  readonly [Type in Event['type']]: {
    readonly means: string
    readonly secret?: true
    readonly fields: { readonly [F in Exclude<keyof Extract<Event, { type: Type }>['data'], 'at'>]-?: Field }
  }
}

const productId = id('the product')
const orderId = id('the order')
const userId = id('the user')
const cartId = id('the cart, which has the id of its user')
const loginId = text('stands for an e-mail address, which cannot be told from it')
const claimRevision = integer("the revision, in the log-in's stream, of the claim on the e-mail address")
const lines = list('what is in the cart', { productId, amount: integer('pieces') })
const items = list('what is ordered', {
  productId,
  quantity: integer('pieces'),
  price: cents('of one piece, in cents, when it was ordered'),
})
const terms = { items, price: cents('of the whole order, in cents'), status: text("the order's status, in the customer's words") }
const step = {
  productId,
  orderId,
  orderRevision: integer("the revision of the order's event that asked for this"),
  was: integer('pieces that the order held of it before'),
}

const login: Descriptions<LoginEvent> = {
  EmailClaimed: { means: 'a user claims an e-mail address', fields: { login: loginId, userId } },
  EmailReleased: { means: 'a user gives an e-mail address up', fields: { login: loginId, userId } },
}

const user: Descriptions<UserEvent> = {
  UserRegistered: {
    means: 'somebody becomes a user',
    fields: {
      userId,
      name: personal(text("the user's name")),
      email: personal(text("the user's e-mail address")),
      login: loginId,
      claimRevision,
    },
  },
  PasswordSet: {
    means: 'a user has a new password',
    secret: true,
    fields: {
      userId,
      hash: text("the password's hash"),
      oneTimeUntil: text('until when it is good for one log-in, where it was given by an operator'),
    },
  },
  PasswordRehashed: {
    means: "a user's password is kept under another hash",
    secret: true,
    fields: { userId, hash: text("the password's hash") },
  },
  OneTimePasswordUsed: { means: 'a user has logged in with the password that an operator gave', fields: { userId } },
  UserRenamed: { means: 'a user has another name', fields: { userId, name: personal(text('the new name')) } },
  EmailChanged: {
    means: 'a user has another e-mail address',
    fields: { userId, email: personal(text('the new e-mail address')), login: loginId, claimRevision },
  },
  EmailClaimVoided: {
    means: 'a claim on an e-mail address that came to nothing is ended',
    fields: { userId, login: loginId, claimRevision },
  },
  RoleGranted: { means: 'a user is given a role', fields: { userId, role: text('customer, analyst or staff') } },
  SignedOut: { means: "a user's tokens are ended", fields: { userId } },
  UserErased: { means: 'a user is erased: their personal data is gone', fields: { userId } },
}

const product: Descriptions<ProductEvent> = {
  ProductAdded: {
    means: 'a product comes into the shop',
    fields: {
      productId,
      name: text("the product's name"),
      stock: integer('pieces that can be ordered'),
      price: cents('of one piece, in cents'),
    },
  },
  ProductRenamed: { means: 'a product has another name', fields: { productId, name: text('the new name') } },
  ProductPriced: { means: 'a product has another price', fields: { productId, price: cents('of one piece, in cents') } },
  StockCounted: {
    means: 'staff says how many pieces there are',
    fields: { productId, stock: integer('pieces that can be ordered from now on') },
  },
  StockReserved: {
    means: 'an order holds pieces of a product, or gives some back',
    fields: { ...step, quantity: integer('pieces that the order holds of it from now on') },
  },
  StockTaken: { means: 'the pieces that an order held have left the shop', fields: step },
  ProductRetired: { means: 'a product is no longer sold', fields: { productId } },
  ProductCarriedForward: {
    means: "a product's state, carried forward so that its older events need not be read again; says nothing new",
    fields: { part: integer('which part'), parts: integer('of so many'), carried: text('the state, as JSON') },
  },
}

const cart: Descriptions<CartEvent> = {
  CartItemAdded: {
    means: 'a customer puts a product into the cart',
    fields: { cartId, productId, amount: integer('pieces put in, beside those that were there') },
  },
  CartItemAmountChanged: {
    means: 'a customer wants another number of pieces',
    fields: { cartId, productId, amount: integer('pieces from now on') },
  },
  CartItemRemoved: { means: 'a customer takes a product out of the cart', fields: { cartId, productId } },
  CheckoutStarted: { means: 'a customer orders what is in the cart', fields: { cartId, orderId, lines } },
  CheckedOut: { means: 'the cart has become an order', fields: { cartId, orderId } },
  CheckoutFailed: { means: 'the cart could not become an order, and is as it was', fields: { cartId, orderId } },
}

const order: Descriptions<OrderEvent> = {
  OrderRequested: {
    means: 'an order is asked for; whether it is placed depends on the stock',
    fields: { orderId, customerId: userId, ...terms },
  },
  OrderPlaced: { means: 'an order is placed: this is a sale', fields: { orderId, customerId: userId, ...terms } },
  OrderRejected: { means: 'an order that was asked for is refused', fields: { orderId, reason: text('why') } },
  OrderChangeRequested: { means: 'a change of an order is asked for', fields: { orderId, ...terms } },
  OrderChanged: { means: 'an order has other items, price or status', fields: { orderId, ...terms } },
  OrderChangeAbandoned: { means: 'a change that was asked for is refused', fields: { orderId, reason: text('why') } },
  OrderRepriced: { means: 'an order has another price', fields: { orderId, price: terms.price } },
  OrderStatusChanged: {
    means: 'an order has another status, such as paid, shipped or cancelled',
    fields: { orderId, status: terms.status, price: cents('of the whole order, in cents, where it changed too') },
  },
  OrderSettled: { means: 'nothing remains to be done for the order in the stock', fields: { orderId } },
}

const disclosure: Descriptions<DisclosureEvent> = {
  PersonalDataDisclosed: {
    means: "a member of staff is shown other people's names and e-mail addresses",
    fields: { userId, asked: text('what was asked: the route, and of which events or views') },
  },
}

const inCategory = (category: string, events: { readonly [type: string]: Omit<EventDescription, 'category'> }) =>
  Object.entries(events).map(([type, described]): readonly [string, EventDescription] => [type, { category, ...described }])

/** Every event type of the shop, described. */
export const catalogue: ReadonlyMap<string, EventDescription> = new Map([
  ...inCategory('user', user),
  ...inCategory('login', login),
  ...inCategory('product', product),
  ...inCategory('cart', cart),
  ...inCategory('order', order),
  ...inCategory('disclosure', disclosure),
])

/** Event types that no log, export, topic or query may show. */
export const isSecret = (type: string): boolean => catalogue.get(type)?.secret === true

/** The names of an event's fields that tell who somebody is. */
export const personalFields = (type: string): readonly string[] => personalByType.get(type) ?? []

const personalByType: ReadonlyMap<string, readonly string[]> = new Map(
  [...catalogue].map(([type, { fields }]) => [type, Object.keys(fields).filter((name) => fields[name]!.personal)]),
)
