import { z } from 'zod'
import { asyncapi } from '../../bridge/asyncapi.js'
import { once } from '../../platform/async.js'
import { singleFlightFor } from '../../platform/single-flight.js'
import { openApi } from '../docs/openapi.js'
import { docsPage } from '../docs/page.js'
import { tagOf } from '../pipeline/etag.js'
import { type Rendered, type Route, route } from '../pipeline/route.js'
import type { Http } from '../pipeline/services.js'

const healthView = z.object({ ready: z.boolean(), parts: z.looseObject({}) })

/** What those who run the shop ask, and the description of all the rest: `shop` are the other routes. */
export const systemRoutes = ({ health, metrics, registry }: Http, shop: readonly Route[]): readonly Route[] => {
  // Anyone may ask, as often as they like, and each look costs queries.
  const looked = singleFlightFor(healthFor, async () => health())
  const measured = singleFlightFor(metricsFor, metrics)
  const own: Route[] = [
    route({
      method: 'GET',
      path: '/health/live',
      summary: 'Whether the process runs',
      who: 'anyone',
      dialect: 'plain',
      kind: 'other',
      answers: { status: 200, view: z.object({ live: z.literal(true) }) },
      handle: async () => ({ view: { live: true } }),
    }),

    route({
      method: 'GET',
      path: '/health/ready',
      summary: 'Whether it can serve, and how its parts are',
      who: 'anyone',
      dialect: 'plain',
      kind: 'other',
      answers: { status: 200, view: healthView },
      handle: async () => {
        const { ready, parts } = await looked()
        if (ready) return { view: { ready, parts } }
        return { status: 503, view: { msg: 'not ready', ready, parts }, headers: { 'Retry-After': '1' } }
      },
    }),

    route({
      method: 'GET',
      path: '/metrics',
      summary: "The shop's numbers, for Prometheus: of all processes that serve it on this machine",
      who: 'anyone',
      dialect: 'plain',
      kind: 'other',
      answers: { status: 200, type: registry.contentType },
      handle: async () => ({ text: await measured() }),
    }),

    route({
      method: 'GET',
      path: '/openapi.json',
      summary: 'This description, for programs',
      who: 'anyone',
      dialect: 'plain',
      kind: 'read',
      answers: { status: 200, view: z.looseObject({ openapi: z.string() }) },
      handle: async () => ({ rendered: forPrograms() }),
    }),

    route({
      method: 'GET',
      path: '/asyncapi.json',
      summary: "The description of the topic's records, for programs",
      who: 'anyone',
      dialect: 'plain',
      kind: 'read',
      answers: { status: 200, view: z.looseObject({ asyncapi: z.string() }) },
      handle: async () => ({ rendered: ofTheTopic() }),
    }),

    route({
      method: 'GET',
      path: '/docs',
      summary: 'This description, for people',
      who: 'anyone',
      dialect: 'plain',
      kind: 'read',
      answers: { status: 200, type: 'text/html; charset=utf-8' },
      handle: async () => ({ rendered: forPeople() }),
    }),
  ]

  const description = once(() => openApi([...shop, ...own]))
  const forPrograms = once(() => render(JSON.stringify(description())))
  const ofTheTopic = once(() => render(JSON.stringify(asyncapi())))
  const forPeople = once(() => render(docsPage(description())))
  return own
}

/** Milliseconds for which one look is told to all who ask. */
const healthFor = 250
const metricsFor = 1_000

const render = (text: string): Rendered => ({ text: Buffer.from(text), tag: tagOf(text) })
