import { z } from 'zod'
import { ceType, headers, type PublicType, schemas } from './public-schema.js'

/** The public record as AsyncAPI 3.0, for consumers of the topic; the same whatever keeps it. */
export const asyncapi = (): object => ({
  asyncapi: '3.0.0',
  info: {
    title: 'Tillroll: orders',
    version: '1.0.0',
    description:
      'What happened to each order, as CloudEvents 1.0 in binary mode. The key is the order’s `_id`: all records of an order are in one ' +
      'partition, in order. A consumer that reads what is committed (`isolation.level=read_committed`) sees each event once. Partitions ' +
      'are chosen as Java’s clients do (murmur2). A later generation of the topic (`orders.v2`) holds the same events again.',
    license: { name: 'MIT' },
  },
  defaultContentType: 'application/json',
  channels: {
    orders: {
      address: 'orders',
      title: 'Orders',
      messages: perType((type) => ({ $ref: `#/components/messages/${type}` })),
      bindings: { kafka: { bindingVersion: '0.5.0', topicConfiguration: { 'cleanup.policy': ['delete'], 'retention.ms': -1 } } },
    },
  },
  operations: {
    publishOrders: {
      action: 'send',
      channel: { $ref: '#/channels/orders' },
      summary: 'Every accepted change of an order',
      messages: types.map((type) => ({ $ref: `#/channels/orders/messages/${type}` })),
    },
  },
  components: {
    messages: perType((type) => ({
      name: ceType(type),
      title: type,
      summary: schemas[type].description ?? type,
      contentType: 'application/json',
      headers: schemaOf(headers.extend({ ce_type: z.literal(ceType(type)) })),
      payload: schemaOf(schemas[type]),
      bindings: {
        kafka: { bindingVersion: '0.5.0', key: { type: 'string', pattern: '^[0-9a-f]{24}$', description: 'The order’s _id' } },
      },
    })),
  },
})

const types = Object.keys(schemas) as readonly PublicType[]

const perType = <T>(of: (type: PublicType) => T): { readonly [type: string]: T } =>
  Object.fromEntries(types.map((type) => [type, of(type)]))

/** AsyncAPI's own schema language is a superset of draft 7. Members may be added: a consumer must not refuse those it doesn't know. */
const schemaOf = (schema: z.ZodType): object => {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { target: 'draft-7', io: 'input' })
  return json
}
