import { z } from 'zod'
import { position, recordsFrom } from '../api/schemas.js'
import { checked } from '../pipeline/body.js'
import { type Route, route } from '../pipeline/route.js'
import type { Http } from '../pipeline/services.js'

const recordView = z.object({
  topic: z.string(),
  partition: z.int(),
  offset: z.int(),
  key: z.string(),
  headers: z.record(z.string(), z.string()),
  value: z.unknown(),
  time: z.iso.datetime(),
  position: z.string(),
})

export const topicRoutes = ({ topic, flows }: Http): readonly Route[] => {
  return [
    route({
      method: 'GET',
      path: '/topics/orders/records',
      summary:
        'The public records of what happened to orders, by partition and offset, or after a position; as text/event-stream they are followed live, after Last-Event-ID',
      who: ['staff', 'analyst'],
      dialect: 'plain',
      kind: 'other',
      query: recordsFrom,
      answers: { status: 200, view: z.array(recordView), events: true },
      handle: async ({ query, header, prefers, caller }) => {
        if (prefers('application/json', 'text/event-stream') !== 'text/event-stream') return { view: await topic.records(query) }
        const { partition, after: first } = query
        const after = header('last-event-id') === '' ? first : checked(position, header('last-event-id'), 'Last-Event-ID')
        const from = { ...(partition !== undefined && { partition }), ...(after !== undefined && { after }) }
        // Once it has begun, a stream can't say any more that there is nothing to read from.
        await topic.records({ limit: 1 })
        return { events: flows(topic.events(from), caller) }
      },
    }),
  ]
}
