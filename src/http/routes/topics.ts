import { z } from 'zod'
import type { Http } from '../deps.js'
import { type Route, route } from '../route.js'
import { recordsFrom } from '../schemas.js'

const recordView = z.looseObject({ partition: z.int(), offset: z.int() })

export const topicRoutes = ({ topic }: Http): readonly Route[] => [
  route({
    method: 'GET',
    path: '/topics/orders/records',
    summary: 'The public records of what happened to orders, by partition and offset',
    who: ['staff', 'analyst'],
    dialect: 'plain',
    kind: 'other',
    query: recordsFrom,
    answers: { status: 200, view: z.array(recordView) },
    handle: async ({ query: { partition, offset = 0, limit = 100 } }) => ({
      view: await topic.records({ ...(partition !== undefined && { partition }), offset, limit }),
    }),
  }),
]
