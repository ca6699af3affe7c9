import { z } from 'zod'

/**
 * What others are promised: the public records, each of a version of its own that says nothing about how the shop stores its events.
 * A member may be added to a version; whatever else changes is the next version, under a new `ce_type`.
 */
const hex = z.string().regex(/^[0-9a-f]{24}$/)

const identity = z
  .object({ _id: hex, id: z.number().int().min(1).max(Number.MAX_SAFE_INTEGER).optional() })
  .meta({ description: 'One identity in its two spellings: 24 hex digits, and the integer where it has one' })

const money = z.number().min(0).multipleOf(0.01).meta({ description: 'A decimal number with at most two places' })

const items = z
  .array(z.object({ product: identity, quantity: z.number().int().min(1), price: money.optional() }))
  .meta({ description: 'All items; `price` is that of one piece when it was ordered, where the product had one' })

const status = z.string().meta({ description: "The client's word for where the order stands" })
const at = z.iso.datetime().meta({ description: 'When it happened; the same as ce_time' })

export const schemas = {
  OrderPlaced: z
    .object({ order: identity, customer: identity, items, price: money, status, at })
    .meta({ description: 'An order was accepted, and its goods are reserved' }),
  OrderItemsChanged: z
    .object({ order: identity, items, price: money, status, at })
    .meta({ description: 'The items of an order were changed: how it stands now' }),
  OrderRepriced: z.object({ order: identity, price: money, at }).meta({ description: 'The total of an order was changed' }),
  OrderStatusChanged: z
    .object({ order: identity, status, price: money.optional(), at })
    .meta({ description: 'The status of an order was changed, and its total where `price` is there' }),
} as const

export type PublicType = keyof typeof schemas
export type PublicData = { readonly [Type in PublicType]: z.infer<(typeof schemas)[Type]> }

const versions: { readonly [Type in PublicType]: number } = {
  OrderPlaced: 1,
  OrderItemsChanged: 1,
  OrderRepriced: 1,
  OrderStatusChanged: 1,
}

/** The header `ce_type` of a public record. */
export const ceType = (type: PublicType): string => `tillroll.${type}.v${versions[type]}`

/** The attributes of CloudEvents 1.0 in binary mode, as they are in the record's headers. */
export const headers = z.object({
  ce_specversion: z.literal('1.0'),
  ce_id: z
    .uuid()
    .meta({ description: "The event's id: the same event has the same id wherever and however often it is published" }),
  ce_source: z.string().meta({ description: 'The event store that it comes from: /stores/<store id>/orders' }),
  ce_type: z.string(),
  ce_time: z.iso.datetime(),
  ce_subject: hex.meta({ description: "The order's _id, which is the record's key" }),
  'content-type': z.literal('application/json'),
  traceparent: z.string().optional(),
  ce_revision: z.string().regex(/^\d+$/).meta({ description: "The event's revision in the order's stream: it rises, with gaps" }),
  ce_position: z
    .string()
    .regex(/^\d+$/)
    .meta({ description: "The event's commit position in the store: it rises, over all orders" }),
  ce_replayed: z
    .literal('true')
    .optional()
    .meta({ description: 'Written by a replay, before this generation of the topic became live' }),
})
