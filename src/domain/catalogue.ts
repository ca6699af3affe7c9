import { type CartEvent, cartDescriptions } from './cart.js'
import type { EventDescription } from './description.js'
import { type DisclosureEvent, disclosureDescriptions } from './disclosure.js'
import { type LoginEvent, loginDescriptions } from './login.js'
import { type OrderEvent, orderDescriptions } from './order.js'
import { type ProductEvent, productDescriptions } from './product.js'
import { type UserEvent, userDescriptions } from './user.js'

/** Every event that the shop writes. */
export type ShopEvent = CartEvent | DisclosureEvent | LoginEvent | OrderEvent | ProductEvent | UserEvent

const inCategory = (category: string, events: { readonly [type: string]: Omit<EventDescription, 'category'> }) =>
  Object.entries(events).map(([type, described]): readonly [string, EventDescription] => [type, { category, ...described }])

/** Every event type of the shop, described. */
export const catalogue: ReadonlyMap<string, EventDescription> = new Map([
  ...inCategory('user', userDescriptions),
  ...inCategory('login', loginDescriptions),
  ...inCategory('product', productDescriptions),
  ...inCategory('cart', cartDescriptions),
  ...inCategory('order', orderDescriptions),
  ...inCategory('disclosure', disclosureDescriptions),
])

/** Event types that no log, export, topic or query may show. */
export const isSecret = (type: string): boolean => catalogue.get(type)?.secret === true

/** The names of an event's fields that tell who somebody is. */
export const personalFields = (type: string): readonly string[] => personalByType.get(type) ?? []

const personalByType: ReadonlyMap<string, readonly string[]> = new Map(
  [...catalogue].map(([type, { fields }]) => [type, Object.keys(fields).filter((name) => fields[name]!.personal)]),
)
