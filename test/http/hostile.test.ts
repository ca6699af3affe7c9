import { expect } from 'chai'
import fc from 'fast-check'
import { z } from 'zod'
import type { OpenApi, Operation } from '../../src/http/docs/openapi.js'
import { aCustomer, anOrder, aProduct, orderOf, password, type Reply, send, theStaff } from './client.js'

/** How many requests are tried; `HOSTILE_RUNS` asks for more. */
const runs = Number(process.env.HOSTILE_RUNS ?? 1_000)

/** Texts that have broken others. */
const trickyText = fc.constantFrom(
  '',
  ' ',
  '\u0000',
  'a\u0000b',
  '\u202e',
  '\ud800',
  '\u017fhipped',
  '__proto__',
  'constructor',
  "' or 1=1 --",
  '$' + '{7*7}',
  '../../etc/passwd',
  '<script>alert(1)</script>',
  '%00',
  '{{',
  'NaN',
  '-0',
  '1e999',
  '9'.repeat(400),
  'é'.repeat(200),
  '🔑'.repeat(130),
  'a'.repeat(5_000),
)

const trickyNumber = fc.oneof(
  fc.constantFrom(0, -0, -1, 1.5, 2 ** 31, 2 ** 53, 2 ** 53 + 2, 2 ** 63, 1e308, -1e308, 5e-324, 0.1 + 0.2),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
)

const deep = fc.nat(2_000).map((levels) => JSON.parse(`${'['.repeat(levels)}1${']'.repeat(levels)}`) as unknown)

const tricky: fc.Arbitrary<unknown> = fc.oneof(
  trickyText,
  trickyNumber,
  fc.constantFrom(null, true, false, [], {}, [[]], [null], { toString: 1, valueOf: 'x' }, { length: 5 }),
  fc.string({ unit: 'binary', maxLength: 50 }),
  fc.jsonValue({ maxDepth: 4 }),
  deep,
  fc.array(fc.constant(1), { minLength: 50, maxLength: 3_000 }),
)

/** A body that would do, with some fields replaced, left out, or put in. */
const twisted = (good: object) => {
  const names = Object.keys(good)
  const change = fc.tuple(
    fc.oneof(
      fc.constantFrom(...(names.length > 0 ? names : ['x'])),
      fc.constantFrom('__proto__', 'constructor', 'role', 'toString'),
      trickyText,
    ),
    fc.option(tricky, { nil: undefined }),
  )
  return fc.array(change, { minLength: 1, maxLength: 3 }).map((changes) => {
    const body: Record<string, unknown> = Object.assign(Object.create(null), good)
    for (const [name, value] of changes) {
      if (value === undefined) delete body[name]
      else Object.defineProperty(body, name, { value, enumerable: true, configurable: true, writable: true })
    }
    return JSON.stringify(body)
  })
}

/** What is no twisted body: any JSON, cut off, doubled, huge, no JSON at all. */
const anyBody = (good: object) => {
  const text = JSON.stringify(good)
  return fc.oneof(
    { weight: 6, arbitrary: twisted(good) },
    { weight: 1, arbitrary: fc.json() },
    { weight: 1, arbitrary: fc.nat(text.length).map((at) => text.slice(0, at)) },
    { weight: 1, arbitrary: fc.constant(text.replace('}', `,${text.slice(1)}`)) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 200 }) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        `${'['.repeat(40_000)}`,
        `{"a":"${'x'.repeat(110_000)}"}`,
        `${'{"a":'.repeat(9_000)}1`,
        '\ufeff{}',
      ),
    },
  )
}

const names = [
  'limit',
  'after',
  'before',
  'from',
  'to',
  'asOf',
  'position',
  'revision',
  'customer_id',
  'status',
  'type',
  'stream',
  'actor',
]
const queryValue = fc.oneof(
  trickyText.filter((text) => !/[\ud800-\udfff]/.test(text) || text.length > 1),
  trickyNumber.map(String),
  fc.constantFrom(
    '1',
    '0',
    '-1',
    '2026-01-01T00:00:00Z',
    '9223372036854775807',
    '18446744073709551616',
    '1d',
    'product-',
    'paid',
  ),
)
/** A path and a query are UTF-8: half a surrogate pair can't be in them. */
const wellFormed = (text: string): string => Buffer.from(text).toString()

/** The same name may come twice, and any name may. */
const anyQuery = fc
  .array(fc.tuple(fc.oneof(fc.constantFrom(...names), fc.constant('x[y]'), fc.constant('__proto__')), queryValue), {
    maxLength: 4,
  })
  .map((pairs) => pairs.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(wellFormed(value))}`).join('&'))

const pathPart = fc.oneof(
  fc.constantFrom(
    '1',
    '0',
    '-1',
    '00000000000000000000000g',
    'f'.repeat(24),
    '9007199254740993',
    'user-1',
    '$all',
    '%00',
    '%ff',
    'product-1',
  ),
  queryValue.map((value) => encodeURIComponent(wellFormed(value.slice(0, 100))).replace(/^\.+$/, 'x') || 'x'),
)

const headerOf = (name: string) =>
  fc
    .oneof(
      fc.constantFrom('*', '"1-x"', 'W/"1-x"', '""', '1', '-1', '0', 'x'.repeat(300), '18446744073709551616', ','),
      fc.string({
        unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
        minLength: 1,
        maxLength: 60,
      }),
    )
    .map((value) => ({ [name]: value }))
const anyHeaders = fc.oneof(
  { weight: 4, arbitrary: fc.constant({}) },
  ...[
    'idempotency-key',
    'if-match',
    'if-none-match',
    'last-event-id',
    'x-correlation-id',
    'traceparent',
    'accept',
    'content-encoding',
  ].map((name) => ({ weight: 1, arbitrary: headerOf(name) })),
)

describe('hostile requests', () => {
  let operations: { line: string; operation: Operation; good: object }[]
  let token: { customer: string; staff: string }

  before(async () => {
    const { paths } = (await send<OpenApi>('GET /openapi.json')).body
    const [ann, staff, tea] = [await aCustomer(), await theStaff(), await aProduct({ stock: 1_000, price: 2 })]
    const order = await anOrder(ann, [[tea, 1]])
    token = { customer: ann.token, staff: staff.token }
    const user = { email: ann.email, password, confirm_password: password, name: 'Ann' }
    const good: { readonly [line: string]: object } = {
      'POST /register': user,
      'POST /users/register': user,
      'POST /login': user,
      'POST /users/login': user,
      'PUT /users/edit/{id}': { old_password: password, name: 'Anna', email: ann.email },
      'POST /products/new': { name: 'Milk', stock: 3, price: 1.5 },
      'PUT /products/update': { _id: tea._id, name: 'Tea', stock: 1_000, price: 2 },
      'POST /cart': { UserId: ann.id, ProductId: tea.id, amount: 1 },
      'PUT /cart/{id}': { UserId: ann.id, amount: 1 },
      'POST /cart/checkout': { price: 2, status: 'new' },
      'POST /history/sql': { sql: 'select 1 as one', personal: false },
      'POST /orders/new': orderOf(ann, [[tea, 1]]),
      'PUT /orders/update': { _id: order._id, price: 2, items: [{ product_id: tea._id, quantity: 1 }], status: 'paid' },
    }
    operations = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => {
        const line = `${method.toUpperCase()} ${path}`
        return { line, operation, good: good[line] ?? {} }
      }),
    )
  })

  /** Each schema is made once. */
  const schemas = new Map<unknown, z.ZodType>()
  const schemaOf = (json: object): z.ZodType => {
    const made = schemas.get(json) ?? z.fromJSONSchema(json as Parameters<typeof z.fromJSONSchema>[0])
    schemas.set(json, made)
    return made
  }

  /** No 5xx, a status that the route says it has, and a body that fits what it says of it. */
  const expectDescribed = (line: string, { responses }: Operation, { status, headers, text, body }: Reply): void => {
    const said = `${line} answered ${status} ${text.slice(0, 300)}`
    expect(status, said).to.be.lessThan(500)
    const response = responses[status]
    expect(response, `${said}, which is not described`).to.not.equal(undefined)
    const type = headers.get('content-type')?.split(';')[0] ?? ''
    if (!/json$/.test(type)) return
    const described = (response!.content as { [type: string]: { schema: object } })[type]
    expect(described, `${said} as ${type}, which is not described`).to.not.equal(undefined)
    const { error } = schemaOf(described!.schema).safeParse(body)
    expect(error?.message, said).to.equal(undefined)
  }

  it(`are answered as the routes say, without a 5xx: ${runs} of them`, async function () {
    this.timeout(60_000 + runs * 100)
    const request = fc.nat(operations.length - 1).chain((at) => {
      const { line, operation, good } = operations[at]!
      const [method, template = ''] = line.split(' ')
      return fc.record({
        at: fc.constant(at),
        path: pathPart.map((part) => template.replace(/\{\w+\}/, part)),
        query: method === 'GET' ? anyQuery : fc.constant(''),
        body: operation.requestBody ? anyBody(good) : fc.constant(undefined),
        headers: anyHeaders,
        who: fc.constantFrom('nobody' as const, 'customer' as const, 'staff' as const, 'staff' as const),
      })
    })
    await fc.assert(
      fc.asyncProperty(request, async ({ at, path, query, body, headers, who }) => {
        const { line, operation } = operations[at]!
        const [method] = line.split(' ')
        const reply = await send(`${method} ${path}${query && `?${query}`}`, {
          ...(who !== 'nobody' && { token: token[who] }),
          ...(body !== undefined && { raw: body }),
          headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
        })
        // A path that names nothing is no route's: what it names there says the router.
        if (/no such route|percent-encoded|no path/.test(reply.text)) expect(reply.status).to.be.oneOf([400, 404])
        else expectDescribed(line, operation, reply)
      }),
      { numRuns: runs, endOnFailure: false },
    )
  })
})
