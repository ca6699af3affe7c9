import { randomUUID } from 'node:crypto'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { idOfInteger, type UserId } from '../../src/domain/ids.js'
import { connectStore } from '../../src/eventstore/client.js'
import { noStream, PositionLost } from '../../src/eventstore/store.js'
import { WrongStore } from '../../src/projections/engine/checkpoint.js'
import { type Envelope, sendTo } from '../http/client.js'
import { startAppOn, type TestApp } from '../support/app.js'
import { createDatabase, type TestDatabase } from '../support/postgres.js'
import { type StrictEventStore, startStrictEventStore } from '../support/strict-eventstore.js'
import { until } from '../support/until.js'

/** The store is put back to an older state, and has grown since: what was known of it before stands inside a record now. */
for (const as2310 of [false, true]) {
  describe(`a restored event store that has grown, as ${as2310 ? '23.10' : '24.10'} tells it`, function () {
    this.timeout(60_000)
    let folder: string
    let database: TestDatabase
    let node: StrictEventStore
    let env: NodeJS.ProcessEnv
    const serve = async (data: string, port?: number): Promise<void> => {
      node = await startStrictEventStore({ as2310 }, { folder: join(folder, data) }, port)
      env = { TILLROLL_DATA: folder, DATABASE_URL: database.url, EVENTSTORE_URL: node.url }
    }

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'tillroll-grown-'))
      database = await createDatabase()
      await serve('newer')
      const older = await startAppOn(env)
      await aProduct(older, 'kept')
      await older.stop()
      await node.stop()
      await cp(join(folder, 'newer'), join(folder, 'older'), { recursive: true })
    })
    after(async () => {
      await node.stop()
      await database.drop()
      await rm(folder, { recursive: true })
    })

    const aProduct = async (app: TestApp, name: string): Promise<void> => {
      const context = { actor: 'system', correlationId: randomUUID(), deadline: performance.now() + 5_000 } as const
      const { value, position } = await app.commands.products.add(context, { name, stock: 1 })
      const price = 1
      const items = [{ productId: value.productId, quantity: 1 }]
      const order = { customerId: idOfInteger(7)! as UserId, items, price, status: 'new' }
      await app.commands.orders.place({ ...context, deadline: performance.now() + 5_000 }, order)
      const { status } = await sendTo(app.url, 'GET /products', { headers: { 'Read-After': `${position}` } })
      expect(status).to.equal(200)
    }

    /** Everything that the read models and the topic stand at, is inside this one event. */
    const grow = async (): Promise<void> => {
      const store = connectStore(node.url)
      const data = { padding: 'x'.repeat(200_000) }
      await store.append(`note-${randomUUID()}`, [{ id: randomUUID(), type: 'NoteTaken', data, metadata: {} }], noStream)
      await store.close()
    }
    /** Of the one topic. */
    const stateOf = (app: TestApp): { state?: string; position?: string; head?: string } => ({ ...app.bridges()?.[0] })
    const refusal = async (work: Promise<TestApp>): Promise<Error> =>
      work.then(
        async (app) => {
          await app.stop()
          throw new Error('it started')
        },
        (error: Error) => error,
      )

    it('is named, by the shop that runs and by the one that starts', async () => {
      await serve('newer')
      const running = await startAppOn(env)
      await aProduct(running, 'lost')
      await until(() => stateOf(running).position !== undefined && stateOf(running).position === stateOf(running).head)
      const { port } = node
      await node.stop()
      await serve('older')
      await grow()
      await node.stop()
      await serve('older', port)
      const reason = await running.failed
      expect(reason).to.satisfy((error: unknown) => error instanceof PositionLost || error instanceof WrongStore)
      expect((reason as Error).message).to.match(/--start-over/)
      await running.stop()

      const refused = await refusal(startAppOn(env))
      expect(refused).to.be.instanceOf(WrongStore)
      expect(refused.message).to.match(/the event store has none: it was restored to an earlier state.*--start-over/)
    })

    it('is not what a store that is away is taken for', async () => {
      node.behaviour.refuses = { code: 14, message: 'Server Is Not Ready' }
      const starting = startAppOn(env).catch((error: Error) => error)
      setTimeout(() => (node.behaviour.refuses = undefined), 1_000)
      expect(await starting).to.be.instanceOf(WrongStore)
    })

    it('is taken once the read models start over; the bridge says how the topic is continued', async () => {
      const app = await startAppOn(env, { startOver: true })
      await until(async () => (await sendTo(app.url, 'GET /health/ready', {})).status === 200)
      const { body } = await sendTo<Envelope<readonly { name: string }[]>>(app.url, 'GET /products', {})
      expect(JSON.stringify(body)).to.contain('kept').and.not.contain('lost')
      await until(() => stateOf(app).state === 'stopped')
      expect(JSON.stringify(app.bridges())).to.match(
        /it was put back to an older state.*tillroll bridge replay --to orders.v2 --live/,
      )
      await app.stop()
    })
  })
}
