import { STATUS_CODES } from 'node:http'
import { z } from 'zod'
import type { Dialect } from '../pipeline/errors.js'
import type { Route } from '../pipeline/route.js'

type Json = { readonly [key: string]: unknown }

export type OpenApi = {
  readonly openapi: string
  readonly info: { readonly title: string; readonly version: string; readonly description: string }
  readonly paths: { readonly [path: string]: { readonly [method: string]: Operation } }
  readonly components: Json
}

export type Operation = {
  readonly summary: string
  readonly description: string
  readonly security?: readonly Json[]
  readonly parameters: readonly Parameter[]
  readonly requestBody?: { readonly required: boolean; readonly content: Json }
  readonly responses: { readonly [status: string]: { readonly description: string; readonly content?: Json } }
}

export type Parameter = { readonly name: string; readonly in: string; readonly required: boolean; readonly schema: Json }

/** The OpenAPI 3.1 document of the routes, from the same schemas that check requests. */
export const openApi = (routes: readonly Route[]): OpenApi => {
  const paths: Record<string, Record<string, Operation>> = {}
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Tillroll',
      version: '1',
      description:
        'A shop. Money is a decimal number with at most two places; an id is an integer or 24 hexadecimal digits, and both are accepted everywhere.',
    },
    paths,
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
        access_token: { type: 'apiKey', in: 'header', name: 'access_token' },
      },
    },
  }
}

const operation = (route: Route): Operation => ({
  summary: route.summary,
  description: who(route),
  ...(route.who !== 'anyone' && { security: [{ bearer: [] }, { access_token: [] }] }),
  parameters: parameters(route),
  ...(route.body && { requestBody: { required: isNeeded(route.body), content: json(schemaOf(route.body, 'input')) } }),
  responses: responses(route),
})

const who = ({ who: may }: Route): string => {
  if (may === 'anyone') return 'For anyone.'
  return may === 'user' ? 'For whoever is logged in.' : `For ${may.join(' and ')}.`
}

const schemaOf = (schema: z.ZodType, io: 'input' | 'output'): Json => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io })
  return rest
}

/** A body all of whose fields may be left out may itself be. */
const isNeeded = (schema: z.ZodType): boolean => !schema.safeParse({}).success

const json = (schema: Json): Json => ({ 'application/json': { schema } })

const plainText = (type: string): Json => ({ [type]: { schema: { type: 'string' } } })

const header = (name: string, schema: Json = {}): Parameter => ({
  name,
  in: 'header',
  required: false,
  schema: { type: 'string', ...schema },
})

const headersOf = {
  read: [header('If-None-Match'), header('Read-After', { pattern: '^[0-9]{1,20}$' })],
  command: [header('Idempotency-Key', { pattern: '^[ -~]{1,255}$' }), header('If-Match')],
  other: [],
} satisfies { readonly [Kind in Route['kind']]: readonly Parameter[] }

const parameters = ({ path, query, kind }: Route): readonly Parameter[] => {
  const ids = path.includes(':id')
    ? [
        {
          name: 'id',
          in: 'path',
          required: true,
          schema: { type: 'string', description: 'An integer id or 24 hexadecimal digits' },
        },
      ]
    : []
  const streams = path.includes(':stream')
    ? [{ name: 'stream', in: 'path', required: true, schema: { type: 'string', description: 'Such as product-1' } }]
    : []
  const { properties = {}, required = [] } = query ? schemaOf(query, 'input') : {}
  const queries = Object.entries(properties as { [name: string]: Json }).map(([name, schema]) => ({
    name,
    in: 'query',
    required: (required as readonly string[]).includes(name),
    schema,
  }))
  return [...ids, ...streams, ...queries, ...headersOf[kind]]
}

const responses = (route: Route): Operation['responses'] => {
  const { status, view, type, events, lines, media = [] } = route.answers
  const success = view ? json(dressed(route, schemaOf(view, 'output'))) : plainText(type ?? 'text/plain')
  const errors = errorsOf(route).map((error) => [
    String(error),
    {
      description: STATUS_CODES[error]!,
      content: beforeRoutes.includes(error) ? json(object({ msg: text })) : errorContent(route.dialect, error),
    },
  ])
  return {
    [status]: {
      description: STATUS_CODES[status]!,
      content: {
        ...success,
        ...(lines && plainText('application/x-ndjson')),
        ...(events && plainText('text/event-stream')),
        ...Object.assign({}, ...media.map(plainText)),
      },
    },
    ...(route.kind === 'read' && { 304: { description: STATUS_CODES[304]! } }),
    ...Object.fromEntries(errors),
  }
}

const dressed = ({ dialect, answers }: Route, schema: Json): Json =>
  dialect === 'plain'
    ? schema
    : object({
        status: { const: answers.bodyStatus ?? answers.status },
        message: { const: answers.message ?? 'success' },
        data: object({ data: schema }),
      })

const object = (properties: { readonly [name: string]: Json }): Json => ({
  type: 'object',
  properties,
  required: Object.keys(properties),
})

/** What is answered before a request has come to any route: it took too long, or its path or headers did. */
const beforeRoutes: readonly number[] = [408, 414, 431]

/** What a route of this kind can answer, and what it names itself. */
const errorsOf = ({ who: may, kind, query, body, answers }: Route): readonly number[] => {
  const errors = new Set([...(answers.errors ?? []), ...beforeRoutes])
  errors.add(429).add(503)
  if (may !== 'anyone') errors.add(401)
  if (may !== 'anyone' && may !== 'user') errors.add(403)
  if (query || body || kind !== 'other') errors.add(400)
  if (body) errors.add(413).add(415)
  if (kind === 'command') errors.add(422)
  return [...errors].sort((a, b) => a - b)
}

const text = { type: 'string' }

const errorContent = (dialect: Dialect, status: number): Json => ({
  'application/json': {
    schema:
      dialect === 'plain'
        ? object({ msg: text })
        : object({ status: { const: status }, message: { const: 'error' }, data: object({ data: text }) }),
  },
  'application/problem+json': { schema: object({ type: text, title: text, status: { const: status }, detail: text }) },
})
