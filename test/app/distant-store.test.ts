import { expect } from 'chai'
import { anEmail, type Envelope, sendTo } from '../http/client.js'
import { startTestApp, type TestApp } from '../support/app.js'
import { type StrictEventStore, startStrictEventStore } from '../support/strict-eventstore.js'

type Product = { readonly _id: string }

const many = 64

/** An event store for which a read takes 150 ms and an append 20: over TLS, a read pays for the check of the password. */
describe('hot spots on a distant event store', function () {
  this.timeout(120_000)
  for (const through of ['direct', 'client']) {
    for (const count of through === 'direct' ? [1, 2] : [2]) {
      describe(`with ${count === 1 ? 'one process' : 'two processes'}, appending by the ${through === 'client' ? 'client' : 'shop itself'}`, () => {
        let node: StrictEventStore
        let apps: readonly TestApp[]
        before(async () => {
          node = await startStrictEventStore()
          const one = await startTestApp({
            EVENTSTORE_URL: node.url,
            EVENTSTORE_APPENDS: through,
            COMMAND_DEADLINE: '10000',
            RECOVERY_DELAY: '20000',
          })
          apps = count === 1 ? [one] : [one, await one.another('api')]
        })
        after(async () => {
          for (const app of [...apps].reverse()) await app.stop()
          await node.stop()
        })
        const slow = (): void => {
          Object.assign(node.behaviour, { reads: 150, appends: 20 })
        }
        afterEach(() => {
          Object.assign(node.behaviour, { reads: 0, appends: 0 })
        })

        const person = async () => {
          const [{ url }] = apps as [TestApp]
          const credentials = { email: anEmail(), password: 'a password' }
          const { body } = await sendTo<Envelope<{ _id: string }>>(url, 'POST /users/register', {
            body: { name: 'Kim', confirm_password: 'a password', ...credentials },
          })
          const logIn = async () => {
            const { body } = await sendTo<{ access_token: string }>(url, 'POST /login', { body: credentials })
            return { authorization: `Bearer ${body.access_token}` }
          }
          return { _id: body.data.data._id, email: credentials.email, headers: await logIn(), logIn }
        }
        const product = async (stock: number): Promise<string> => {
          const staff = await person()
          await apps[0]!.grant(staff.email, 'staff')
          const { status, body, text } = await sendTo<Envelope<Product>>(apps[0]!.url, 'POST /products/new', {
            body: { name: 'Tea', stock, price: 2 },
            headers: await staff.logIn(),
          })
          expect(status, text).to.equal(201)
          return body.data.data._id
        }
        /** The statuses of as many requests at once, and the milliseconds until the last was answered. */
        const atOnce = async (ask: (url: string, i: number) => Promise<{ status: number }>) => {
          const began = performance.now()
          const replies = await Promise.all(Array.from({ length: many }, (_, i) => ask(apps[i % apps.length]!.url, i)))
          return { statuses: replies.map(({ status }) => status), took: performance.now() - began }
        }

        it('the last unit is sold once, and the others are told so', async () => {
          const _id = await product(1)
          const buyers = await Promise.all(Array.from({ length: 4 }, person))
          slow()
          const { statuses, took } = await atOnce((url, i) => {
            const { _id: customer_id, headers } = buyers[i % buyers.length]!
            const body = { customer_id, price: 2, items: [{ product_id: _id, quantity: 1 }], status: 'new' }
            return sendTo(url, 'POST /orders/new', { headers, body })
          })
          expect(statuses.filter((status) => status === 201)).to.have.length(1)
          expect(statuses.filter((status) => status === 409)).to.have.length(many - 1)
          expect(took).to.be.lessThan(10_000)
        })

        it('every change of one cart succeeds', async () => {
          const _id = await product(1_000)
          const { headers } = await person()
          slow()
          const { statuses, took } = await atOnce((url) =>
            sendTo(url, 'POST /cart', { headers, body: { ProductId: _id, amount: 1 } }),
          )
          expect(statuses.filter((status) => status === 201)).to.have.length(many)
          expect(took).to.be.lessThan(30_000)
        })
      })
    }
  }
})
