import { randomBytes, randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { app } from './app.js'
import {
  aCustomer,
  anEmail,
  anOrder,
  aProduct,
  type Envelope,
  type Person,
  type Product,
  password,
  readAfterAll,
  refusedInEnvelope,
  send,
  theStaff,
} from './client.js'

type Data = {
  account: object
  streams: { stream: string; events: { type: string; by: string | null; data: Record<string, unknown> }[] }[]
}

describe('GET /users/:id/data', () => {
  const dataOf = async (person: Person, token = person.token): Promise<Data> => {
    const { status, body, text } = await send<Envelope<Data>>(`GET /users/${person._id}/data`, {
      token,
      headers: await readAfterAll(),
    })
    expect(status, text).to.equal(200)
    expect(text).to.not.match(/\$2[aby]\$/)
    return body.data.data
  }
  const typesOf = ({ streams }: Data) =>
    Object.fromEntries(streams.map(({ stream, events }) => [stream, events.map(({ type }) => type)]))

  it('gives all that is held of a person: the account, its e-mails, the cart, and every order that was placed or refused', async () => {
    const ann = await aCustomer('Ann')
    const tea = await aProduct({ stock: 3, price: 2 })
    await send('POST /cart', { token: ann.token, body: { ProductId: tea.id, amount: 1 } })
    const order = await anOrder(ann, [[tea, 1]])
    const refused = await aRefusedOrder(ann, tea)
    const second = anEmail()
    const edit = { token: ann.token, body: { old_password: password, name: 'Anna', email: second } }
    expect((await send(`PUT /users/edit/${ann._id}`, edit)).status).to.equal(200)

    const data = await dataOf(ann)
    expect(data.account).to.deep.equal({ id: ann.id, _id: ann._id, name: 'Anna', email: second })
    const types = typesOf(data)
    expect(types[`user-${ann._id}`]).to.deep.equal(['UserRegistered', 'PasswordSet', 'UserRenamed', 'EmailChanged'])
    expect(types[`cart-${ann._id}`]).to.deep.equal(['CartItemAdded'])
    expect(types[`order-${order._id}`]).to.deep.equal(['OrderRequested', 'OrderPlaced'])
    const logins = Object.entries(types).filter(([stream]) => stream.startsWith('login-'))
    expect(logins.map(([, list]) => list)).to.deep.equal([['EmailClaimed', 'EmailReleased'], ['EmailClaimed']])
    expect(types[`order-${refused}`]).to.deep.equal(['OrderRequested', 'OrderRejected', 'OrderSettled'])
    const [registered] = data.streams[0]!.events
    expect(registered).to.deep.include({ type: 'UserRegistered', by: 'anonymous' })
    expect(registered!.data).to.include({ name: 'Ann', email: ann.email })

    // Nothing that the store holds under this person's id is left out.
    const { store } = await app()
    const held = new Set<string>()
    for await (const { streamId, data: written } of store.readAll())
      if (JSON.stringify(written).includes(ann._id) && !streamId.startsWith('product-')) held.add(streamId)
    expect([...held]).to.have.members(Object.keys(types))
  })

  /** What two who want the last one leave behind: seldom, so it is written as it would have been. */
  const aRefusedOrder = async (person: Person, tea: Product): Promise<string> => {
    const [orderId, at] = [randomBytes(12).toString('hex'), new Date().toISOString()]
    const terms = { items: [{ productId: tea._id, quantity: 1, price: 200 }], price: 200, status: 'new' }
    const event = (type: string, data: object) => ({ id: randomUUID(), type, data: { orderId, ...data, at }, metadata: {} })
    const requested = event('OrderRequested', { customerId: person._id, ...terms })
    const settled = event('OrderSettled', {})
    const { store } = await app()
    await store.append(`order-${orderId}`, [requested, event('OrderRejected', { reason: 'StockShort' }), settled], -1)
    return orderId
  }

  it('gives nobody else’s: an e-mail that changed hands is each one’s own part of it', async () => {
    const [ann, ben] = [await aCustomer('Ann'), await aCustomer('Ben')]
    const body = { old_password: password, email: anEmail() }
    expect((await send(`PUT /users/edit/${ann._id}`, { token: ann.token, body })).status).to.equal(200)
    const taken = { old_password: password, email: ann.email }
    expect((await send(`PUT /users/edit/${ben._id}`, { token: ben.token, body: taken })).status).to.equal(200)
    expect(JSON.stringify(await dataOf(ben))).to.not.include(ann._id)
    expect(JSON.stringify(await dataOf(ann))).to.not.include(ben._id)
  })

  it('is for that person, and for staff, of whom it is put on record', async () => {
    const [ann, staff] = [await aCustomer('Ann'), await theStaff()]
    expect(typesOf(await dataOf(ann, staff.token))[`user-${ann._id}`]).to.include('UserRegistered')
    const recorded = await (await app()).store.read(`disclosure-${staff._id}`)
    expect(JSON.stringify(recorded.at(-1)!.data)).to.include(`GET /users/${ann._id}/data`)
    await refusedInEnvelope(`GET /users/${ann._id}/data`, { token: (await aCustomer()).token }, 404)
    await refusedInEnvelope('GET /users/x/data', { token: ann.token }, 404)
    await refusedInEnvelope(`GET /users/${ann._id}/data`, {}, 401)
  })
})
