import { expect } from 'chai'
import type { Commands } from '../../../src/commands/index.js'
import { createCommands } from '../../../src/commands/index.js'
import { makeId, type ProductId, type UserId } from '../../../src/domain/ids.js'
import { connectStore } from '../../../src/eventstore/client.js'
import { type RecordedEvent, type Store, StoreUnavailable } from '../../../src/eventstore/store.js'
import { startEventStore } from '../../support/eventstore.js'
import { cartNow, context, emailKey, productNow } from '../../support/shop.js'

type Counted = { readonly store: Store; readonly calls: { reads: number; appends: number; events: number } }

const counting = (store: Store): Counted => {
  const calls = { reads: 0, appends: 0, events: 0 }
  return {
    calls,
    store: {
      ...store,
      read: (...asked) => {
        calls.reads++
        return store.read(...asked)
      },
      append: (streamId, events, ...at) => {
        calls.appends++
        calls.events += events.length
        return store.append(streamId, events, ...at)
      },
    },
  }
}

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))

/** As far away as a node whose every read checks a password. */
const distant = (store: Store): Store => ({
  ...store,
  read: async (...asked) => {
    await pause(150)
    return store.read(...asked)
  },
  append: async (...asked) => {
    await pause(20)
    return store.append(...asked)
  },
})

/** The first answer to each append is lost, and a repeat is dropped, as a node does that has not indexed the first one yet. */
const losing = (store: Store, dropped: () => void): Store => ({
  ...store,
  append: async (streamId, events, at) => {
    const known = await store.read(streamId, { from: at + 1, maxCount: 1 })
    if (known[0]?.id === events[0]?.id) {
      dropped()
      await pause(2_500)
    } else await store.append(streamId, events, at)
    throw new StoreUnavailable('no answer')
  },
})

let last = 0
const aUser = () => makeId(1_000_000_000, ++last) as UserId
const outcomeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (error: Error) => ('reason' in error ? String(error.reason) : error.name),
  )

describe('commands that ask the store for nothing but the append', function () {
  this.timeout(60_000)
  let store: Store
  let stop: () => Promise<void>
  before(async () => {
    const node = await startEventStore()
    store = connectStore(node.url)
    stop = async () => {
      await store.close()
      await node.stop()
    }
  })
  after(() => stop())

  const settings = { emailKey, bcryptCost: 4, claimYoung: 0, cacheStreams: 1_000 }
  const knowing = (over: Store, isCurrent = true): Commands => createCommands(over, settings, { isCurrent: () => isCurrent })
  const staff = (within = 10_000) => context({ actor: 'system', within })
  const aProduct = async (stock: number, price?: number): Promise<ProductId> => {
    const input = { name: 'Tea', stock, ...(price !== undefined && { price }) }
    return (await knowing(store).products.add(staff(), input)).value.productId
  }
  const addTo = (commands: Commands, cartId: UserId, productId: ProductId, within?: number) =>
    commands.cart.addItem(context({ actor: cartId, ...(within !== undefined && { within }) }), { cartId, productId, amount: 1 })
  const buy = (commands: Commands, customerId: UserId, ids: readonly ProductId[], within = 10_000) =>
    commands.orders.place(context({ actor: customerId, within }), {
      customerId,
      items: ids.map((productId) => ({ productId, quantity: 1 })),
      price: 5 * ids.length,
      status: 'new',
    })
  /** All that was written, as the feed would tell it. */
  const eventsOf = async (...names: readonly string[]): Promise<readonly RecordedEvent[]> =>
    (await Promise.all(names.map((name) => store.read(name)))).flat().sort((a, b) => Number(a.position - b.position))

  it('are a change of a cart that is known', async () => {
    const [cartId, productId] = [aUser(), await aProduct(9)]
    const { store: counted, calls } = counting(store)
    const commands = knowing(counted)
    await addTo(commands, cartId, productId)
    Object.assign(calls, { reads: 0, appends: 0 })
    await addTo(commands, cartId, productId)
    await commands.cart.changeAmount(context(), { cartId, productId, amount: 5 })
    expect(calls).to.include({ reads: 0, appends: 2 })
  })

  it('are an order of known products: its request, a reservation each, its acceptance', async () => {
    const products = [await aProduct(9, 5), await aProduct(9, 5), await aProduct(9, 5)]
    const { store: counted, calls } = counting(store)
    const commands = knowing(counted)
    await buy(commands, aUser(), products)
    Object.assign(calls, { reads: 0, appends: 0 })
    await buy(commands, aUser(), products)
    expect(calls).to.include({ reads: 0, appends: 5 })
  })

  it('are also those on what another process has written, once the feed has told it', async () => {
    const [cartId, productId] = [aUser(), await aProduct(9)]
    const { store: counted, calls } = counting(store)
    const [here, there] = [knowing(counted), knowing(store)]
    await addTo(here, cartId, productId)
    for (let i = 0; i < 3; i++) await addTo(there, cartId, productId)
    here.onEvents(await eventsOf(`cart-${cartId}`))
    Object.assign(calls, { reads: 0, appends: 0 })
    await addTo(here, cartId, productId)
    expect(calls).to.include({ reads: 0, appends: 1 })
    expect((await cartNow(store, cartId)).lines.get(productId)).to.equal(5)
  })

  it('where the feed has left something out, find the conflict, and are done all the same', async () => {
    const [cartId, productId] = [aUser(), await aProduct(9)]
    const [here, there] = [knowing(store), knowing(store)]
    await addTo(here, cartId, productId)
    for (let i = 0; i < 3; i++) await addTo(there, cartId, productId)
    here.onEvents((await eventsOf(`cart-${cartId}`)).slice(-1))
    await addTo(here, cartId, productId)
    expect((await cartNow(store, cartId)).lines.get(productId)).to.equal(5)
  })

  it('do not take what is known for what is so: what was retired meanwhile is found at the checkout, and a refusal is read', async () => {
    const [cartId, productId] = [aUser(), await aProduct(9, 5)]
    const [here, there] = [knowing(store), knowing(store)]
    await addTo(here, cartId, productId)
    await there.products.retire(staff(), { productId })
    // The feed is late: the cart takes it, as it would have a moment ago.
    await addTo(here, cartId, productId)
    expect(await outcomeOf(here.cart.checkout(context({ actor: cartId }), { customerId: cartId }))).to.equal('ProductNotFound')
    here.onEvents(await eventsOf(`product-${productId}`))
    expect(await outcomeOf(addTo(here, cartId, productId))).to.equal('ProductNotFound')
    // A process whose feed is not alive asks the store.
    expect(await outcomeOf(addTo(knowing(store, false), cartId, productId))).to.equal('ProductNotFound')
  })

  it('share their appends to a product that many buy', async () => {
    const productId = await aProduct(1_000, 5)
    const { store: counted, calls } = counting(distant(store))
    const commands = knowing(counted)
    await buy(commands, aUser(), [productId])
    Object.assign(calls, { reads: 0, appends: 0, events: 0 })
    await Promise.all(Array.from({ length: 64 }, () => buy(commands, aUser(), [productId])))
    expect((await productNow(store, productId)).free).to.equal(1_000 - 65)
    expect(calls).to.include({ reads: 0, events: 3 * 64 })
    // A request and an acceptance each, and what is between them in few appends.
    expect(calls.appends - 2 * 64).to.be.lessThan(10)
  })

  for (const processes of [1, 2]) {
    it(`sell the last unit once to 64 at a distance, in ${processes} process(es), and tell the others at once`, async () => {
      const productId = await aProduct(1, 5)
      const far = Array.from({ length: processes }, () => knowing(distant(store)))
      const began = performance.now()
      const buyers = Array.from({ length: 64 }, (_, i) => outcomeOf(buy(far[i % processes]!, aUser(), [productId], 10_000)))
      const outcomes = await Promise.all(buyers)
      expect(outcomes.filter((one) => one === 'done')).to.have.length(1)
      expect(outcomes.filter((one) => one === 'StockShort')).to.have.length(63)
      expect(performance.now() - began).to.be.lessThan(10_000)
      expect((await productNow(store, productId)).free).to.equal(0)
    })

    it(`change one cart 64 times at a distance, in ${processes} process(es)`, async () => {
      const [cartId, productId] = [aUser(), await aProduct(9)]
      const far = Array.from({ length: processes }, () => knowing(distant(store)))
      const changes = Array.from({ length: 64 }, (_, i) => outcomeOf(addTo(far[i % processes]!, cartId, productId, 30_000)))
      expect(new Set(await Promise.all(changes))).to.deep.equal(new Set(['done']))
      expect((await cartNow(store, cartId)).lines.get(productId)).to.equal(64)
    })
  }

  it('are done where each answer is lost, and a repeat would be dropped', async () => {
    const [cartId, productId] = [aUser(), await aProduct(9, 5)]
    let dropped = 0
    const commands = knowing(losing(store, () => dropped++))
    await addTo(commands, cartId, productId)
    await buy(commands, aUser(), [productId])
    expect((await cartNow(store, cartId)).lines.get(productId)).to.equal(1)
    expect((await productNow(store, productId)).free).to.equal(8)
    expect(dropped).to.equal(0)
  })
})
