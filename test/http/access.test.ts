import { expect } from 'chai'
import type { OpenApi } from '../../src/http/docs/openapi.js'
import {
  aCustomer,
  anEmail,
  anOrder,
  aProduct,
  logIn,
  type Order,
  orderOf,
  type Person,
  type Product,
  password,
  type Request,
  readAfterAll,
  send,
  theAnalyst,
  theStaff,
} from './client.js'

type Scene = { readonly owner: Person; readonly tea: Product; readonly order: Order }

type Row = {
  /** The route's path and body, about what belongs to the owner. */
  readonly path?: (scene: Scene) => string
  readonly body?: (scene: Scene) => unknown
  /** What nobody, another customer, the owner, an analyst and staff get, in this order. */
  readonly answers: readonly [nobody: number, other: number, owner: number, analyst: number, staff: number]
}

const open = [200, 200, 200, 200, 200] as const
const past = [401, 403, 403, 200, 200] as const
const staffs = (status: number) => [401, 403, 403, 403, status] as const
const everybodysOwn = (status: number) => [401, status, status, status, status] as const
const line = ({ owner, tea }: Scene) => ({ UserId: owner.id, ProductId: tea.id, amount: 1 })

/** Who may do what: a route without its line here fails. */
const matrix: { readonly [route: string]: Row } = {
  'POST /register': { body: () => ({ email: anEmail(), password }), answers: [201, 201, 201, 201, 201] },
  'POST /login': { body: ({ owner: { email } }) => ({ email, password }), answers: open },
  'POST /users/register': {
    body: () => ({ name: 'New', email: anEmail(), password, confirm_password: password }),
    answers: [201, 201, 201, 201, 201],
  },
  'POST /users/login': { body: ({ owner: { email } }) => ({ email, password }), answers: open },
  'PUT /users/edit/{id}': {
    path: ({ owner }) => `/users/edit/${owner.id}`,
    body: () => ({ old_password: password, name: 'Anna' }),
    answers: [401, 404, 200, 404, 404],
  },
  'GET /users/{id}': { path: ({ owner }) => `/users/${owner.id}`, answers: [401, 404, 200, 404, 200] },
  'GET /users/{id}/data': { path: ({ owner }) => `/users/${owner.id}/data`, answers: [401, 404, 200, 404, 200] },
  'GET /products': { answers: open },
  'GET /products/{id}': { path: ({ tea }) => `/products/${tea.id}`, answers: open },
  'POST /products/new': { body: () => ({ name: 'Milk', stock: 1 }), answers: staffs(201) },
  'PUT /products/update': { body: ({ tea }) => ({ _id: tea._id, stock: 9 }), answers: staffs(200) },
  'DELETE /products/{id}': { path: ({ tea }) => `/products/${tea.id}`, answers: staffs(200) },
  'GET /cart': { answers: everybodysOwn(200) },
  'POST /cart': { body: line, answers: [401, 403, 201, 403, 403] },
  'PUT /cart/{id}': {
    path: ({ tea }) => `/cart/${tea.id}`,
    body: ({ owner }) => ({ UserId: owner.id, amount: 2 }),
    answers: [401, 403, 200, 403, 403],
  },
  // A cart is its caller's alone: the same product is not in the others' carts.
  'DELETE /cart/{id}': { path: ({ tea }) => `/cart/${tea.id}`, answers: [401, 404, 200, 404, 404] },
  'POST /cart/checkout': { body: () => ({ price: 2 }), answers: [401, 400, 201, 400, 400] },
  'POST /orders/new': { body: ({ owner, tea }) => orderOf(owner, [[tea, 1]]), answers: [401, 403, 201, 403, 201] },
  'PUT /orders/update': { body: ({ order }) => ({ _id: order._id, status: 'gift' }), answers: [401, 404, 200, 404, 200] },
  'GET /orders': { path: ({ owner }) => `/orders?customer_id=${owner._id}`, answers: [401, 403, 200, 403, 200] },
  'GET /orders/{id}': { path: ({ order }) => `/orders/${order._id}`, answers: [401, 404, 200, 404, 200] },
  'GET /orders/{id}/history': { path: ({ order }) => `/orders/${order._id}/history`, answers: [401, 404, 200, 200, 200] },
  'GET /topics/orders/records': { answers: past },
  'GET /history/events': { answers: past },
  'GET /history/streams/{stream}': { path: ({ owner }) => `/history/streams/user-${owner._id}`, answers: past },
  'GET /history/diff': { path: () => '/history/diff?from=1h', answers: past },
  'GET /history/stats': { answers: past },
  'POST /history/sql': { body: () => ({ sql: 'select * from users' }), answers: past },
  'GET /health/live': { answers: open },
  'GET /health/ready': { answers: open },
  'GET /metrics': { answers: open },
  'GET /openapi.json': { answers: open },
  'GET /asyncapi.json': { answers: open },
  'GET /docs': { answers: open },
}

describe('who may do what', () => {
  const aScene = async (): Promise<Scene> => {
    const [owner, tea] = await Promise.all([aCustomer('Olga Canary'), aProduct({ stock: 10, price: 2 })])
    const order = await anOrder(owner, [[tea, 1]])
    await send('POST /cart', { token: owner.token, body: { ProductId: tea.id, amount: 1 } })
    return { owner, tea, order }
  }

  const routes = async (): Promise<string[]> => {
    const { paths } = (await send<OpenApi>('GET /openapi.json')).body
    return Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    )
  }

  it('is said of every route, and of no other', async () => {
    expect(Object.keys(matrix)).to.have.members(await routes())
  })

  for (const [route, { path, body, answers }] of Object.entries(matrix)) {
    it(`${route}: ${answers.join(', ')}`, async () => {
      const [method, template = ''] = route.split(' ')
      const scene = await aScene()
      const { owner, order } = scene
      const callers = [undefined, await aCustomer('Ben'), owner, await theAnalyst(), await theStaff()]
      const got: number[] = []
      for (const [who, caller] of callers.entries()) {
        // The owner's token may have ended with what another row did; each row has an owner of its own.
        const request: Request = {
          ...(caller && { token: caller.token }),
          ...(body && { body: body(scene) }),
          ...(method === 'GET' && { headers: await readAfterAll() }),
        }
        const { status, text } = await send(`${method} ${path?.(scene) ?? template}`, request)
        got.push(status)
        // Whoever is no owner and not staff sees nothing that is the owner's, whatever the status.
        if (who < 2 && !route.endsWith('login'))
          for (const secret of [owner.name, owner.email, order._id]) expect(text, route).to.not.contain(secret)
      }
      expect(got).to.deep.equal(answers)
    })
  }

  it('is not changed by what is sent beside what a route takes', async () => {
    const ann = await aCustomer()
    const { token } = ann
    const more = {
      role: 'staff',
      epoch: 99,
      userId: (await theStaff())._id,
      erased: true,
      hash: 'x',
      phase: 'shipped',
      settled: false,
      revision: 7,
      at: '2000-01-01T00:00:00.000Z',
      actor: 'system',
      by: { staff: true },
      type: 'GrantRole',
      constructor: { prototype: { role: 'staff' } },
    }
    const tea = await aProduct({ stock: 5, price: 2 })
    const poisoned = (body: object) =>
      `{"__proto__":{"role":"staff","staff":true},${JSON.stringify({ ...more, ...body }).slice(1)}`
    const headers = { 'content-type': 'application/json' }
    const post = (at: string, body: object) => send(at, { token, raw: poisoned(body), headers })
    expect((await post(`PUT /users/edit/${ann._id}`, { old_password: password, name: 'Anna' })).status).to.equal(200)
    const ordered = await post('POST /orders/new', orderOf(ann, [[tea, 1]]))
    expect(ordered.status).to.equal(201)
    const { data } = (ordered.body as { data: { data: Order } }).data
    expect(data).to.include({ customer_id: ann._id, status: 'new' })
    expect((await post('PUT /orders/update', { _id: data._id, status: 'paid' })).status).to.equal(200)
    expect((await post('POST /cart', { ProductId: tea.id, amount: 1 })).status).to.equal(201)
    const again = await logIn(ann.email)
    for (const line of ['POST /products/new', 'GET /history/events'])
      expect((await send(line, { token: again.token, body: line.startsWith('POST') ? {} : undefined })).status, line).to.equal(
        403,
      )
    const { body } = await send<{ data: { data: object } }>(`GET /users/${ann._id}`, { token, headers: await readAfterAll() })
    expect(body.data.data).to.deep.equal({ id: ann.id, _id: ann._id, email: ann.email, name: 'Anna' })
    expect(Object.keys(Object.prototype)).to.deep.equal([])
  })
})
