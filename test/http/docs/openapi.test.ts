import { expect } from 'chai'
import type { OpenApi } from '../../../src/http/docs/openapi.js'
import { send } from '../client.js'

describe('GET /openapi.json', () => {
  let document: OpenApi
  before(async () => {
    document = (await send<OpenApi>('GET /openapi.json')).body
  })

  const documented = [
    'POST /register',
    'POST /login',
    'GET /products',
    'GET /cart',
    'POST /cart',
    'PUT /cart/{id}',
    'DELETE /cart/{id}',
    'POST /users/register',
    'POST /users/login',
    'PUT /users/edit/{id}',
    'GET /users/{id}',
    'POST /orders/new',
    'PUT /orders/update',
    'POST /products/new',
    'PUT /products/update',
    'GET /products/{id}',
    'DELETE /products/{id}',
    'GET /orders',
    'GET /orders/{id}',
    'GET /orders/{id}/history',
    'POST /cart/checkout',
    'GET /topics/orders/records',
    'GET /health/live',
    'GET /health/ready',
    'GET /metrics',
    'GET /openapi.json',
    'GET /asyncapi.json',
    'GET /docs',
  ]

  it('describes every route, and each is there', async () => {
    const described = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    )
    expect(document.openapi).to.equal('3.1.0')
    expect(described).to.include.members(documented)
    for (const line of described) {
      const { status, text } = await send(line.replace('{id}', '1'))
      expect(status, line).not.to.equal(405)
      expect(text, line).not.to.include('no such route')
    }
  })

  it('says what a request takes, in JSON Schema, as it is checked', () => {
    const body = document.paths['/orders/new']!.post!.requestBody as unknown as { content: Record<string, { schema: object }> }
    expect(body.content['application/json']!.schema).to.deep.nested.include({
      'properties.items.minItems': 1,
      'properties.items.maxItems': 100,
      'properties.items.items.properties.quantity.maximum': 10_000,
      'properties.price.multipleOf': 0.01,
      'properties.status.maxLength': 40,
    })
    expect(body.content['application/json']!.schema)
      .to.have.property('required')
      .that.has.members(['customer_id', 'price', 'items', 'status'])
  })

  it('says what a query takes', () => {
    const parameters = (path: string) => document.paths[path]!.get!.parameters
    const schema = (path: string, name: string) => parameters(path).find((parameter) => parameter.name === name)?.schema
    expect(schema('/products', 'limit')).to.include({ type: 'integer', minimum: 1, maximum: 1_000 })
    expect(schema('/cart', 'asOf')).to.include({ type: 'string', format: 'date-time' })
    expect(schema('/products', 'after')).to.have.nested.property('anyOf[0].minimum', 1)
  })

  it('says each answer in its dialect, and as a problem', () => {
    const { responses } = document.paths['/orders/update']!.put!
    expect(Object.keys(responses)).to.deep.equal([
      '200',
      '400',
      '401',
      '403',
      '404',
      '408',
      '409',
      '412',
      '413',
      '414',
      '415',
      '422',
      '429',
      '431',
      '503',
    ])
    expect(responses['200']!.content).to.deep.nested.include({
      'application/json.schema.properties.status': { const: 201 },
      'application/json.schema.properties.message': { const: 'success' },
    })
    expect(responses['414']!.content).to.have.all.keys('application/json')
    expect(responses['409']!.content).to.have.all.keys('application/json', 'application/problem+json')
    const plain = document.paths['/cart']!.post!.responses['400']!.content
    expect(plain).to.deep.nested.include({ 'application/json.schema.required': ['msg'] })
  })
})
