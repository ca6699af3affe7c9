import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { idOfInteger, type OrderId, type ProductId, type UserId } from '../../src/domain/ids.js'
import { listReservations } from '../../src/domain/reservations.js'
import { createOrderRecovery } from '../../src/processes/order.js'
import { startTestApp, type TestApp } from '../support/app.js'
import { cartNow, context, orderNow, processOver, productNow, Stopped, withHook } from '../support/shop.js'
import { until } from '../support/until.js'

const someone = (): UserId => idOfInteger(1 + Math.floor(Math.random() * 2 ** 50))!

describe('recovery', () => {
  describe('in a running shop', () => {
    let app: TestApp
    before(async () => {
      app = await startTestApp({ RECOVERY_DELAY: '300', COMMAND_DEADLINE: '200' })
    })
    after(() => app.stop())

    const stopBefore = (type: string) =>
      processOver(
        withHook(app.store, ({ events }) => {
          if (events.some((event) => event.type === type)) throw new Stopped()
        }),
      )
    const addProduct = async (): Promise<ProductId> =>
      (await processOver(app.store).products.add(context(), { name: 'Tea', stock: 5 })).value.productId

    it('gives up an order that was left open, and gives back what it held', async () => {
      const productId = await addProduct()
      const order = { customerId: someone(), items: [{ productId, quantity: 3 }], price: 7, status: 'new' }
      const outcome = await stopBefore('OrderPlaced')
        .orders.place(context(), order)
        .catch((error) => error)
      expect(outcome).to.be.instanceOf(Stopped)
      const [[orderId]] = listReservations((await productNow(app.store, productId)).reservations) as [readonly [OrderId, unknown]]
      await until(async () => (await orderNow(app.store, orderId)).settled)
      expect(await orderNow(app.store, orderId)).to.include({ phase: 'rejected', placed: false })
      expect(await productNow(app.store, productId)).to.include({ free: 5 })
    })

    it('finishes a cancellation, and ends a checkout', async () => {
      const productId = await addProduct()
      const customerId = someone()
      const { value } = await processOver(app.store).orders.place(context(), {
        customerId,
        items: [{ productId, quantity: 2 }],
        price: 7,
        status: 'new',
      })
      const cancel = { orderId: value.orderId, by: { userId: customerId, staff: false }, status: 'cancelled' }
      const cancelling = stopBefore('StockReserved').orders.update(context(), cancel)
      expect(await cancelling.catch((error) => error)).to.be.instanceOf(Stopped)
      await processOver(app.store).cart.addItem(context(), { cartId: customerId, productId, amount: 1 })
      const checkout = stopBefore('CheckedOut').cart.checkout(context(), { customerId, price: 7 })
      expect(await checkout.catch((error) => error)).to.be.instanceOf(Stopped)
      await until(async () => (await orderNow(app.store, value.orderId)).settled)
      await until(async () => (await cartNow(app.store, customerId)).checkout === undefined)
      expect((await cartNow(app.store, customerId)).lines.size).to.equal(0)
      expect(await productNow(app.store, productId)).to.include({ free: 4 })
    })
  })

  it('takes up what has stood still for the delay, and nothing that moves', async () => {
    const [still, moving] = [idOfInteger(101)!, idOfInteger(102)!]
    const taken: string[] = []
    let [revision, now] = [0, 0]
    const recovery = createOrderRecovery({
      orders: { recover: async (_, id) => taken.push(id) as never },
      cart: { recoverCheckout: async () => undefined },
      unsettledOrders: async () => [
        { id: still, progress: 0 },
        { id: moving, progress: revision++ },
      ],
      outstandingCheckouts: async () => [],
      delay: 40,
      deadline: 1_000,
      onError: (error) => expect.fail(String(error)),
      clock: () => now,
    })
    const lookAt = async (milliseconds: number) => {
      now = milliseconds
      await recovery.look(new AbortController().signal)
      return taken
    }
    expect(await lookAt(0)).to.deep.equal([])
    expect(await lookAt(39)).to.deep.equal([])
    expect(await lookAt(40)).to.deep.equal([still])
  })

  it('tells of what failed, goes on with the others, and tries again after the delay', async () => {
    const ids = [idOfInteger(103)!, idOfInteger(104)!]
    const [told, taken]: [string[], string[]] = [[], []]
    let now = 0
    const recovery = createOrderRecovery({
      orders: {
        recover: async (_, id) => {
          taken.push(id)
          if (id === ids[0]) throw new Error(randomUUID())
          return undefined as never
        },
      },
      cart: { recoverCheckout: async () => undefined },
      unsettledOrders: async () => ids.map((id) => ({ id, progress: 0 })),
      outstandingCheckouts: async () => [],
      delay: 20,
      deadline: 1_000,
      onError: (_, what) => told.push(what),
      clock: () => now,
    })
    const failuresAt = async (milliseconds: number) => {
      now = milliseconds
      await recovery.look(new AbortController().signal)
      return told.length
    }
    expect(await failuresAt(0)).to.equal(0)
    expect(await failuresAt(20)).to.equal(1)
    expect(taken).to.include(ids[1])
    // Watched anew from the next look on.
    expect(await failuresAt(30)).to.equal(1)
    expect(await failuresAt(49)).to.equal(1)
    expect(await failuresAt(50)).to.equal(2)
    expect(new Set(told)).to.deep.equal(new Set([`order-${ids[0]}`]))
  })
})
