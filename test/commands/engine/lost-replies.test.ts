import { expect } from 'chai'
import { Unfinished } from '../../../src/commands/engine/context.js'
import { idOfInteger, type UserId } from '../../../src/domain/ids.js'
import { type AppendsThrough, connectStore } from '../../../src/eventstore/client.js'
import type { Store } from '../../../src/eventstore/store.js'
import { context, processOver } from '../../support/shop.js'
import { type StrictEventStore, startStrictEventStore } from '../../support/strict-eventstore.js'

let people = 0
const someone = (): UserId => idOfInteger(++people)! as UserId

/** An EventStoreDB drops the repeat of an append that is on its way: whoever repeats is answered by nobody. */
for (const through of ['direct', 'client'] satisfies AppendsThrough[]) {
  for (const cutsOff of [true, false]) {
    const how = cutsOff ? 'with the connection' : 'by itself'
    const what = `a reply lost ${how}, from a store that drops repeats, appending ${through === 'client' ? 'by the client' : 'directly'}`
    describe(what, function () {
      this.timeout(30_000)
      let node: StrictEventStore
      let store: Store
      before(async () => {
        node = await startStrictEventStore({ dropsRepeats: true, cutsOff })
        store = connectStore(node.url, { through })
      })
      after(async () => {
        await store.close()
        await node.stop()
      })
      const add = async (within: number) => {
        const { products, cart } = processOver(store)
        const { value } = await products.add(context(), { name: 'Tea', stock: 5 })
        const cartId = someone()
        return {
          name: `cart-${cartId}`,
          change: () => cart.addItem(context({ within }), { cartId, productId: value.productId, amount: 1 }),
        }
      }
      const losing = (count: number, appends: number): void => {
        Object.assign(node.behaviour, { losesReplies: count, appends })
      }

      it('ends as done, once, where it was written at once', async () => {
        const { name, change } = await add(8_000)
        losing(1, 0)
        const { revision } = await change()
        expect([revision, (await store.read(name)).length]).to.deep.equal([0, 1])
      })

      it('ends as done, once, where it is on its way when it is looked for and repeated', async () => {
        const { name, change } = await add(10_000)
        losing(1, 700)
        const { revision } = await change()
        losing(0, 0)
        expect([revision, (await store.read(name)).length]).to.deep.equal([0, 1])
      })

      it('is unfinished where the deadline leaves no time, and is not done twice by who asks again', async () => {
        const { name, change } = await add(300)
        losing(1, 1_000)
        const error = await change().then(
          () => undefined,
          (reason: unknown) => reason,
        )
        expect(error).to.be.instanceOf(Unfinished)
        losing(0, 0)
        expect((await store.read(name)).length).to.be.at.most(1)
      })

      if (cutsOff) return
      it('ends as done for each of several', async () => {
        const changes = await Promise.all(Array.from({ length: 6 }, () => add(10_000)))
        losing(changes.length, 300)
        const done = await Promise.all(changes.map(({ change }) => change()))
        losing(0, 0)
        expect(done.map(({ revision }) => revision)).to.deep.equal(changes.map(() => 0))
        for (const { name } of changes) expect(await store.read(name)).to.have.length(1)
      })
    })
  }
}
