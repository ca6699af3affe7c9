import { expect } from 'chai'
import { Rejected } from '../../../src/domain/decider.js'
import { idOfInteger, type ProductId, type UserId } from '../../../src/domain/ids.js'
import { listReservations } from '../../../src/domain/reservations.js'
import { connectStore } from '../../../src/eventstore/client.js'
import type { RecordedEvent, Store } from '../../../src/eventstore/store.js'
import { startEventStore } from '../../support/eventstore.js'
import { cartNow, context, countAppends, processOver, productNow } from '../../support/shop.js'

/** A distant store: each read and each append takes so many milliseconds more. */
const distant = (store: Store, { read, append }: { read: number; append: number }): Store => {
  const after = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))
  return {
    ...store,
    read: async (...call) => {
      await after(read)
      return store.read(...call)
    },
    append: async (...call) => {
      await after(append)
      return store.append(...call)
    },
  }
}

describe('a process that follows the events of the whole shop', () => {
  let store: Store
  let close: () => Promise<unknown>
  let customers = 0
  before(async () => {
    const node = await startEventStore()
    store = connectStore(node.url)
    close = async () => {
      await store.close()
      await node.stop()
    }
  })
  after(() => close())

  const someone = (): UserId => idOfInteger(1_000 + ++customers)!
  const addProduct = async (stock: number): Promise<ProductId> =>
    (await processOver(store).products.add(context(), { name: 'Tea', stock })).value.productId
  const orderOf = (productId: ProductId) => ({
    customerId: someone(),
    items: [{ productId, quantity: 1 }],
    price: 100,
    status: 'new',
  })

  /** A process that is told of everything when `tell` says so, with the number of its reads and its appends. */
  const fed = async () => {
    let reads = 0
    const counted = countAppends({
      ...store,
      read: (...call) => {
        reads++
        return store.read(...call)
      },
    })
    let from = await store.last()
    const commands = processOver(counted.store, { isCurrent: () => true })
    const tell = async (): Promise<void> => {
      const events: RecordedEvent[] = []
      const after = from && { commit: from.position, prepare: from.preparePosition }
      for await (const event of store.readAll(after)) events.push(event)
      commands.onEvents(events)
      from = events.at(-1) ?? from
    }
    return { commands, tell, appends: counted.appends, reads: () => reads }
  }

  it('asks the store for nothing but the append of a cart, and the appends of an order', async () => {
    const productId = await addProduct(100)
    const here = await fed()
    const cartId = someone()
    await here.commands.cart.addItem(context(), { cartId, productId, amount: 1 })
    const before = here.reads()
    here.appends.length = 0
    await processOver(store).cart.addItem(context(), { cartId, productId, amount: 1 })
    await processOver(store).orders.place(context(), orderOf(productId))
    await here.tell()
    await here.commands.cart.addItem(context(), { cartId, productId, amount: 1 })
    expect(here.appends).to.deep.equal(['CartItemAdded to cart'])
    await here.commands.orders.place(context(), orderOf(productId))
    expect(here.appends.slice(1)).to.deep.equal(['OrderRequested to order', 'StockReserved to product', 'OrderPlaced to order'])
    expect(here.reads()).to.equal(before)
    expect((await cartNow(store, cartId)).lines.get(productId)).to.equal(3)
  })

  it('refuses a retired product as soon as it was told, and decides no refusal before the store has', async () => {
    const productId = await addProduct(1)
    const here = await fed()
    await here.commands.cart.addItem(context(), { cartId: someone(), productId, amount: 1 })
    await processOver(store).products.retire(context(), { productId })
    await here.tell()
    const before = here.reads()
    const error = await here.commands.cart
      .addItem(context(), { cartId: someone(), productId, amount: 1 })
      .catch((reason: unknown) => reason)
    expect(error).to.be.instanceOf(Rejected).with.property('reason', 'ProductNotFound')
    expect(here.reads()).to.be.greaterThan(before)
  })

  it('forgets what it was told with a gap, and reads it', async () => {
    const productId = await addProduct(5)
    const here = await fed()
    await here.commands.products.update(context(), { productId, stock: 6 })
    for (const stock of [7, 8]) await processOver(store).products.update(context(), { productId, stock })
    here.commands.onEvents((await store.read(`product-${productId}`)).slice(-1))
    expect((await here.commands.products.update(context(), { productId, name: 'Milk' })).value).to.include({ stock: 8 })
  })

  it('takes the price of today where none is named, though it was not told of it yet', async () => {
    const added = await processOver(store).products.add(context(), { name: 'Tea', stock: 9, price: 100 })
    const { productId } = added.value
    const here = await fed()
    const cartId = someone()
    await here.commands.cart.addItem(context(), { cartId, productId, amount: 1 })
    await processOver(store).products.update(context(), { productId, price: 120 })
    const { price: _, ...unpriced } = orderOf(productId)
    expect((await here.commands.orders.place(context(), unpriced)).value.price).to.equal(120)
    await processOver(store).products.update(context(), { productId, price: 130 })
    expect((await here.commands.cart.checkout(context(), { customerId: cartId })).value.price).to.equal(130)
  })

  for (const processes of [1, 2]) {
    const delays = { read: 150, append: 20 }
    it(`of ${processes}, on a distant store: one of 64 buyers gets the last unit, the others are told so, within 10 s`, async function () {
      this.timeout(30_000)
      const productId = await addProduct(1)
      const all = Array.from({ length: processes }, () => processOver(distant(store, delays)))
      const began = performance.now()
      const answers = await Promise.all(
        Array.from({ length: 64 }, (_, i) =>
          all[i % processes]!.orders.place(context(), orderOf(productId)).then(
            () => 'placed',
            (error: Rejected) => error.reason,
          ),
        ),
      )
      expect(performance.now() - began).to.be.lessThan(10_000)
      expect(answers.filter((answer) => answer === 'placed')).to.have.length(1)
      expect(answers.filter((answer) => answer === 'StockShort')).to.have.length(63)
      const { free, reservations } = await productNow(store, productId)
      expect([free, listReservations(reservations).length]).to.deep.equal([0, 1])
    })

    it(`of ${processes}, on a distant store: 64 changes of one cart all succeed within 30 s`, async function () {
      this.timeout(40_000)
      const [cartId, productId] = [someone(), await addProduct(1)]
      const all = Array.from({ length: processes }, () => processOver(distant(store, delays)))
      const began = performance.now()
      await Promise.all(
        Array.from({ length: 64 }, (_, i) => all[i % processes]!.cart.addItem(context(), { cartId, productId, amount: 1 })),
      )
      expect(performance.now() - began).to.be.lessThan(30_000)
      expect((await cartNow(store, cartId)).lines.get(productId)).to.equal(64)
    })
  }
})
