import { expect } from 'chai'
import { carriedParts, newestCarried } from '../../../src/commands/engine/carry-forward.js'
import { type CommandKey, Unfinished } from '../../../src/commands/engine/context.js'
import { idOfKey } from '../../../src/commands/engine/idempotency/command-key.js'
import { emptyStream } from '../../../src/commands/engine/stream-state.js'
import type { Commands } from '../../../src/commands/index.js'
import { Rejected } from '../../../src/domain/decider.js'
import { type Email, normaliseEmail } from '../../../src/domain/email.js'
import { idOfInteger, type OrderId, type ProductId, type UserId } from '../../../src/domain/ids.js'
import { product } from '../../../src/domain/product.js'
import { listReservations } from '../../../src/domain/reservations.js'
import { connectStore } from '../../../src/eventstore/client.js'
import { noStream, type RecordedEvent, type Store, StoreUnavailable } from '../../../src/eventstore/store.js'
import { startEventStore } from '../../support/eventstore.js'
import {
  type Append,
  cartNow,
  context,
  keyOf,
  orderNow,
  processOver,
  productNow,
  Stopped,
  typesOf,
  userNow,
  withHook,
} from '../../support/shop.js'

const gate = () => {
  let open: () => void = () => undefined
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open }
}

/** Who comes waits until so many have come. */
const meeting = (size: number) => {
  const { opened, open } = gate()
  let come = 0
  return () => {
    if (++come >= size) open()
    return opened
  }
}

const failure = (work: Promise<unknown>): Promise<Error> =>
  work.then(
    () => {
      throw new Error('it did not fail')
    },
    (error) => error,
  )
const reason = async (work: Promise<unknown>): Promise<string> => {
  const error = await failure(work)
  expect(error).to.be.instanceOf(Rejected)
  return (error as Rejected).reason
}

const writes = (type: string, { events }: Pick<Append, 'events'>): boolean => events.some((event) => event.type === type)

/** A process that falls asleep once, before (or after) the first append of which `where` is true. */
const sleeper = (store: Store, where: (append: Append, index: number) => boolean, when: 'before' | 'after' = 'before') => {
  const [asleep, woken] = [gate(), gate()]
  let slept = false
  let index = 0
  const append: Store['append'] = async (streamId, events, at, timeout) => {
    const sleeps = where({ streamId, events, at }, index++) && !slept
    slept ||= sleeps
    const sleep = async () => {
      asleep.open()
      await woken.opened
    }
    if (sleeps && when === 'before') await sleep()
    const answer = await store.append(streamId, events, at, timeout)
    if (sleeps && when === 'after') await sleep()
    return answer
  }
  return { store: { ...store, append }, asleep: asleep.opened, wake: woken.open }
}

const stoppingBefore = (store: Store, type: string): Store => {
  let gone = false
  return withHook(store, (append) => {
    gone ||= writes(type, append)
    if (gone) throw new Stopped()
  })
}

const stoppingAfter = (store: Store, type: string): Store => {
  let gone = false
  return withHook(store, (append) => {
    if (gone) throw new Stopped()
    gone = writes(type, append)
  })
}

/** A store that tells when a category has been read so often: whoever waits for a stream reads it again and again. */
const tellingReads = (store: Store, category: string, times: number) => {
  const reached = gate()
  let reads = 0
  const read: Store['read'] = (streamId, options) => {
    if (streamId.startsWith(`${category}-`) && ++reads === times) reached.open()
    return store.read(streamId, options)
  }
  return { store: { ...store, read }, reached: reached.opened }
}

const someone = (): UserId => idOfInteger(1 + Math.floor(Math.random() * 2 ** 50))!
const freshKey = (): CommandKey => keyOf(`interleaving-${someone()}`)
let mails = 0
const address = (name: string) => normaliseEmail(`${name}-${++mails}@interleavings.example.org`)
const password = 'the password of the one who moves'

describe('processes that come in between each other', () => {
  let store: Store
  let close: () => Promise<unknown>
  before(async () => {
    const node = await startEventStore()
    store = connectStore(node.url)
    close = async () => {
      await store.close()
      await node.stop()
    }
  })
  after(() => close())

  /** Another process each time, which knows nothing yet. */
  const fresh = (): Commands => processOver(store)

  const addProduct = async (stock: number): Promise<ProductId> =>
    (await fresh().products.add(context(), { name: 'Tea', stock })).value.productId
  /** Two products in the order of their reservation. */
  const addTwo = async (stock: number): Promise<[tea: ProductId, milk: ProductId]> =>
    [await addProduct(stock), await addProduct(stock)].sort() as [ProductId, ProductId]
  const count = (productId: ProductId, stock: number) => fresh().products.update(context(), { productId, stock })
  const stockOf = async (productId: ProductId) => {
    const { free, reservations } = await productNow(store, productId)
    return {
      free,
      held: Object.fromEntries(listReservations(reservations).map(([orderId, { quantity }]) => [orderId, quantity])),
    }
  }

  const one = (...productIds: ProductId[]) => productIds.map((productId) => ({ productId, quantity: 1 }))
  const orderOf = (...productIds: ProductId[]) => ({
    customerId: someone(),
    items: one(...productIds),
    price: 100,
    status: 'new',
  })
  const take = async (productId: ProductId): Promise<OrderId> =>
    (await fresh().orders.place(context(), orderOf(productId))).value.orderId
  const orderTypes = async (orderId: OrderId) => typesOf(await store.read(`order-${orderId}`))
  const updateOf = (orderId: OrderId, customerId: UserId, more: object) => ({
    orderId,
    by: { userId: customerId, staff: false },
    ...more,
  })

  describe('a request that was given up, and settled by a helping command', () => {
    for (const n of [1, 2]) {
      it(`keeps a late order out of its products: asleep before reservation ${n}`, async () => {
        const [tea, milk] = await addTwo(3)
        const [key, order] = [freshKey(), orderOf(tea, milk)]
        const orderId = idOfKey(key, 0)
        const late = sleeper(store, (_, index) => index === n)
        const answer = failure(processOver(late.store).orders.place(context({ key }), order))
        await late.asleep
        const recovering = processOver(stoppingAfter(store, 'OrderRejected'))
        expect(await failure(recovering.orders.recover(context(), orderId))).to.be.instanceOf(Stopped)
        // It settles what was given up, and is gone before a request of its own would come in the late one's way.
        const helping = processOver(stoppingBefore(store, 'OrderRequested'))
        expect(await failure(helping.orders.place(context({ key }), order))).to.be.instanceOf(Stopped)
        late.wake()
        expect(await answer).to.be.instanceOf(Unfinished)
        for (const productId of [tea, milk]) expect(await stockOf(productId)).to.deep.equal({ free: 3, held: {} })
        await fresh().orders.place(context({ key }), order)
        for (const productId of [tea, milk]) expect(await stockOf(productId)).to.deep.equal({ free: 2, held: { [orderId]: 1 } })
      })

      it(`keeps a late change out of its products: asleep before reservation ${n}`, async () => {
        const [tea, milk] = await addTwo(3)
        const order = orderOf(tea, milk)
        const { orderId } = (await fresh().orders.place(context(), order)).value
        const items = order.items.map((item) => ({ ...item, quantity: 3 }))
        const late = sleeper(store, (_, index) => index === n)
        const answer = failure(processOver(late.store).orders.update(context(), updateOf(orderId, order.customerId, { items })))
        await late.asleep
        const recovering = processOver(stoppingAfter(store, 'OrderChangeAbandoned'))
        expect(await failure(recovering.orders.recover(context(), orderId))).to.be.instanceOf(Stopped)
        await fresh().orders.update(context(), updateOf(orderId, order.customerId, { status: 'packed' }))
        late.wake()
        expect(await answer).to.be.instanceOf(Unfinished)
        for (const productId of [tea, milk]) expect(await stockOf(productId)).to.deep.equal({ free: 2, held: { [orderId]: 1 } })
        const { settled, terms } = await orderNow(store, orderId)
        expect(settled).to.equal(true)
        expect(terms).to.deep.include({
          status: 'packed',
          items: [...order.items].sort((a, b) => (a.productId < b.productId ? -1 : 1)),
        })
      })
    }
  })

  describe('orders', () => {
    it('reserve in one order of products, so that of two over the same last units one is placed', async () => {
      const [tea, milk] = await addTwo(1)
      const [looked, reserved] = [meeting(2), meeting(2)]
      const placing = [orderOf(tea, milk), orderOf(milk, tea)].map(async (order) => {
        let first: string | undefined
        const waiting = withHook(store, async (append, index) => {
          if (index === 0) await looked()
          if (!append.streamId.startsWith('product-')) return
          first ??= append.streamId
          if (append.streamId !== first) await reserved()
        })
        const placed = processOver(waiting).orders.place(context(), order)
        // One that gets no further is not waited for.
        const answer = await placed.then(() => 'placed').catch((error) => error.reason)
        void reserved()
        return answer
      })
      expect(await Promise.all(placing)).to.have.members(['placed', 'StockShort'])
      for (const productId of [tea, milk]) {
        const { free, held } = await stockOf(productId)
        expect([free, ...Object.values(held)]).to.deep.equal([0, 1])
      }
    })

    it('wait for the first under the same key, and answer like it', async () => {
      const productId = await addProduct(3)
      const [key, order] = [freshKey(), orderOf(productId)]
      const first = sleeper(store, (append) => writes('OrderPlaced', append))
      const answer = processOver(first.store).orders.place(context({ key }), order)
      await first.asleep
      const second = tellingReads(store, 'order', 3)
      const again = processOver(second.store).orders.place(context({ key }), order)
      await second.reached
      first.wake()
      expect(await again).to.deep.equal(await answer)
      expect((await stockOf(productId)).free).to.equal(2)
    })

    for (const { name, counted } of [
      { name: 'refused', counted: false },
      { name: 'placed', counted: true },
    ]) {
      it(`are settled before the same key asks again, and is ${name}`, async () => {
        const [tea, milk] = await addTwo(1)
        const [key, order] = [freshKey(), orderOf(tea, milk)]
        const orderId = idOfKey(key, 0)
        let rival: OrderId | undefined
        const raced = withHook(store, async () => {
          rival ??= await take(milk)
        })
        const stopping = processOver(stoppingAfter(raced, 'OrderRejected'))
        expect(await failure(stopping.orders.place(context({ key }), order))).to.be.instanceOf(Stopped)
        expect((await orderNow(store, orderId)).settled).to.equal(false)
        expect(await stockOf(tea)).to.deep.equal({ free: 0, held: { [orderId]: 1 } })

        const rejected = ['OrderRequested', 'OrderRejected', 'OrderSettled']
        if (counted) {
          await count(milk, 1)
          await fresh().orders.place(context({ key }), order)
          expect(await orderTypes(orderId)).to.deep.equal([...rejected, 'OrderRequested', 'OrderPlaced'])
          expect(await stockOf(tea)).to.deep.equal({ free: 0, held: { [orderId]: 1 } })
          expect(await stockOf(milk)).to.deep.equal({ free: 0, held: { [orderId]: 1, [rival!]: 1 } })
        } else {
          expect(await reason(fresh().orders.place(context({ key }), order))).to.equal('StockShort')
          expect(await orderTypes(orderId)).to.deep.equal(rejected)
          expect(await stockOf(tea)).to.deep.equal({ free: 1, held: {} })
          expect(await stockOf(milk)).to.deep.equal({ free: 0, held: { [rival!]: 1 } })
        }
      })
    }

    it('take the next id of a key where a stranger has the first', async () => {
      const productId = await addProduct(3)
      const [key, order] = [freshKey(), orderOf(productId)]
      const data = { orderId: idOfKey(key, 0), reason: 'Unfinished', at: '2026-01-01T00:00:00.000Z' }
      await store.append(
        `order-${data.orderId}`,
        [{ id: crypto.randomUUID(), type: 'OrderRejected', data, metadata: {} }],
        noStream,
      )
      const first = await fresh().orders.place(context({ key }), order)
      expect(first.value.orderId).to.equal(idOfKey(key, 1))
      expect(await fresh().orders.place(context({ key }), order)).to.deep.equal(first)
      expect(await orderTypes(data.orderId)).to.deep.equal(['OrderRejected'])
    })

    for (const { status, stock } of [
      { status: 'cancelled', stock: 3 },
      { status: 'shipped', stock: 2 },
    ]) {
      it(`are ${status} once that is written, though their products can't be reached by the deadline`, async () => {
        const productId = await addProduct(3)
        const { orderId } = (await fresh().orders.place(context(), orderOf(productId))).value
        let written = false
        const unreachable = (streamId: string) => written && streamId.startsWith('product-')
        const lame: Store = {
          ...store,
          read: async (streamId, options) => {
            if (unreachable(streamId)) throw new StoreUnavailable('no answer')
            return store.read(streamId, options)
          },
          append: async (streamId, events, at, timeout) => {
            if (unreachable(streamId)) throw new StoreUnavailable('no answer')
            const answer = await store.append(streamId, events, at, timeout)
            written ||= writes('OrderStatusChanged', { events })
            return answer
          },
        }
        const update = { orderId, by: { userId: someone(), staff: true }, status }
        expect((await processOver(lame).orders.update(context({ within: 250 }), update)).value.status).to.equal(status)
        expect((await orderNow(store, orderId)).settled).to.equal(false)
        await fresh().orders.recover(context({ actor: 'system' }), orderId)
        expect((await orderNow(store, orderId)).settled).to.equal(true)
        expect(await stockOf(productId)).to.deep.equal({ free: stock, held: {} })
      })
    }
  })

  describe('what a process has cached', () => {
    it('refuses no order when it looks at the products', async () => {
      const productId = await addProduct(0)
      const here = fresh()
      expect(await reason(here.orders.place(context(), orderOf(productId)))).to.equal('StockShort')
      await count(productId, 5)
      await here.orders.place(context(), orderOf(productId))
      expect((await stockOf(productId)).free).to.equal(4)
    })

    it('refuses no order when it reserves', async () => {
      const productId = await addProduct(1)
      let begun = false
      const here: Commands = processOver(
        withHook(store, async () => {
          if (begun) return
          begun = true
          // The last unit goes through the same process, whose cache says so; that more have come, it doesn't know.
          await here.orders.place(context(), orderOf(productId))
          await count(productId, 5)
        }),
      )
      await here.orders.place(context(), orderOf(productId))
      expect((await stockOf(productId)).free).to.equal(4)
    })

    it('decides no update of an order', async () => {
      const productId = await addProduct(9)
      const [here, there] = [fresh(), fresh()]
      const order = orderOf(productId)
      const { orderId } = (await here.orders.place(context(), order)).value
      const update = (more: object) => updateOf(orderId, order.customerId, more)
      await there.orders.update(context(), update({ status: 'packed' }))
      await here.orders.update(context(), update({ status: 'new' }))
      expect((await orderNow(store, orderId)).terms?.status).to.equal('new')
      await there.orders.update(context(), { ...update({ status: 'shipped' }), by: { userId: someone(), staff: true } })
      const more = update({ items: [{ productId, quantity: 2 }] })
      expect(await reason(here.orders.update(context({ within: 2_000 }), more))).to.equal('StaffOnly')
      expect(await stockOf(productId)).to.deep.equal({ free: 8, held: {} })
    })
  })

  describe('a checkout', () => {
    const fill = (cartId: UserId, productId: ProductId, amount: number) =>
      fresh().cart.addItem(context(), { cartId, productId, amount })
    const cartTypes = async (cartId: UserId) => typesOf(await store.read(`cart-${cartId}`))

    /** The last unit goes after the look at the products and before the request, once. */
    const raced = (productId: ProductId): Store => {
      let taken = false
      return withHook(store, async (append) => {
        if (taken || !writes('OrderRequested', append)) return
        taken = true
        await take(productId)
      })
    }

    it('that is refused is outstanding no longer, and keeps the lines', async () => {
      const [tea, milk] = await addTwo(1)
      const customerId = someone()
      for (const productId of [tea, milk]) await fill(customerId, productId, 1)
      expect(await reason(processOver(raced(milk)).cart.checkout(context(), { customerId, price: 100 }))).to.equal('StockShort')
      const { checkout, lines } = await cartNow(store, customerId)
      expect(checkout).to.equal(undefined)
      expect([...lines]).to.have.deep.members([
        [tea, 1],
        [milk, 1],
      ])
      expect(await stockOf(tea)).to.deep.equal({ free: 1, held: {} })
      expect(await cartTypes(customerId)).to.deep.equal(['CartItemAdded', 'CartItemAdded', 'CheckoutStarted', 'CheckoutFailed'])
    })

    it('that was refused after its request is done under the same key, as another order', async () => {
      const productId = await addProduct(1)
      const [customerId, key] = [someone(), freshKey()]
      await fill(customerId, productId, 1)
      const input = { customerId, price: 100 }
      expect(await reason(processOver(raced(productId)).cart.checkout(context({ key }), input))).to.equal('StockShort')
      expect(await orderTypes(idOfKey(key, 0))).to.deep.equal(['OrderRequested', 'OrderRejected', 'OrderSettled'])
      await count(productId, 1)
      const { value } = await fresh().cart.checkout(context({ key }), input)
      expect(value.orderId).to.equal(idOfKey(key, 1))
      expect(await orderTypes(value.orderId)).to.deep.equal(['OrderRequested', 'OrderPlaced'])
      expect((await cartNow(store, customerId)).lines.size).to.equal(0)
    })

    it('that was recovered keeps its key, and the line that was added since', async () => {
      const [tea, milk] = await addTwo(5)
      const [customerId, key] = [someone(), freshKey()]
      await fill(customerId, tea, 2)
      const input = { customerId, price: 100 }
      const stopping = processOver(stoppingBefore(store, 'CheckedOut'))
      expect(await failure(stopping.cart.checkout(context({ key }), input))).to.be.instanceOf(Stopped)
      await fresh().cart.recoverCheckout(context({ actor: 'system' }), customerId)
      await fill(customerId, milk, 1)
      const { value } = await fresh().cart.checkout(context({ key }), input)
      expect(value).to.deep.include({ orderId: idOfKey(key, 0), items: [{ productId: tea, quantity: 2 }] })
      expect([...(await cartNow(store, customerId)).lines]).to.deep.equal([[milk, 1]])
      expect((await cartTypes(customerId)).filter((type) => type === 'CheckoutStarted')).to.have.length(1)
    })

    it('waits for the first under the same key, and answers like it', async () => {
      const productId = await addProduct(5)
      const [customerId, key] = [someone(), freshKey()]
      await fill(customerId, productId, 2)
      const input = { customerId, price: 100 }
      const first = sleeper(store, (append) => writes('CheckedOut', append))
      const answer = processOver(first.store).cart.checkout(context({ key }), input)
      await first.asleep
      const second = tellingReads(store, 'cart', 3)
      const again = processOver(second.store).cart.checkout(context({ key }), input)
      await second.reached
      first.wake()
      expect(await again).to.deep.equal(await answer)
      expect((await stockOf(productId)).free).to.equal(3)
    })

    it('takes the next id of its key where a stranger has the first', async () => {
      const productId = await addProduct(5)
      const [customerId, key] = [someone(), freshKey()]
      await fill(customerId, productId, 1)
      const data = { orderId: idOfKey(key, 0), reason: 'Unfinished', at: '2026-01-01T00:00:00.000Z' }
      await store.append(
        `order-${data.orderId}`,
        [{ id: crypto.randomUUID(), type: 'OrderRejected', data, metadata: {} }],
        noStream,
      )
      const { value } = await fresh().cart.checkout(context({ key }), { customerId, price: 100 })
      expect(value.orderId).to.equal(idOfKey(key, 1))
    })
  })

  describe('a condition with a key, sent twice', () => {
    /** Each time by another process: the second is no 412, though the stream has moved on with the first. */
    const twice = async (
      key: CommandKey,
      ifMatch: number,
      ask: (commands: Commands, conditional: ReturnType<typeof context>) => Promise<unknown>,
    ) => {
      const first = await ask(fresh(), context({ key, ifMatch: [ifMatch] }))
      expect(await ask(fresh(), context({ key, ifMatch: [ifMatch] }))).to.deep.equal(first)
    }

    it('is answered alike for a product', async () => {
      const { value, revision } = await fresh().products.add(context(), { name: 'Tea', stock: 1 })
      await twice(freshKey(), revision, ({ products }, conditional) =>
        products.update(conditional, { productId: value.productId, name: 'Green tea', stock: 7 }),
      )
    })

    it('is answered alike for an order', async () => {
      const order = { ...orderOf(), items: [{ productId: await addProduct(5), quantity: 2 }] }
      const { value, revision } = await fresh().orders.place(context(), order)
      const items = order.items.map((item) => ({ ...item, quantity: 1 }))
      await twice(freshKey(), revision, ({ orders }, conditional) =>
        orders.update(conditional, updateOf(value.orderId, order.customerId, { items })),
      )
    })

    it('is answered alike for a user', async () => {
      const { value, revision } = await fresh().users.register(context(), { email: address('condition'), password })
      await twice(freshKey(), revision, ({ users }, conditional) =>
        users.edit(conditional, { userId: value.userId, oldPassword: password, name: 'Ann', email: address('conditional') }),
      )
    })

    it('is answered alike for a checkout', async () => {
      const [cartId, productId] = [someone(), await addProduct(5)]
      const { revision } = await fresh().cart.addItem(context(), { cartId, productId, amount: 1 })
      await twice(freshKey(), revision, ({ cart }, conditional) => cart.checkout(conditional, { customerId: cartId, price: 100 }))
    })
  })

  describe('e-mails', () => {
    const register = async (email: Email, secret = password): Promise<UserId> =>
      (await fresh().users.register(context(), { email, password: secret })).value.userId
    const moveTo = (users: Commands['users'], userId: UserId, email: Email) =>
      users.edit(context(), { userId, oldPassword: password, email })
    const logIn = async (email: Email, secret = password): Promise<UserId> =>
      (await fresh().users.logIn(context(), { email, password: secret })).value.userId

    for (const { name, type, when } of [
      { name: 'before it looks at the old claim', type: 'EmailChanged', when: 'after' },
      { name: 'before it releases the old claim', type: 'EmailReleased', when: 'before' },
    ] as const) {
      it(`stay with a user who comes back to the old one while the change sleeps ${name}`, async () => {
        const [old, next] = [address('old'), address('next')]
        const userId = await register(old)
        const late = sleeper(store, (append) => writes(type, append), when)
        const moving = moveTo(processOver(late.store).users, userId, next)
        await late.asleep
        await moveTo(fresh().users, userId, old)
        late.wake()
        await moving
        expect(await logIn(old)).to.equal(userId)
        expect(await reason(register(old, 'somebody else'))).to.equal('EmailTaken')
        expect(await reason(logIn(next))).to.equal('WrongPassword')
      })
    }

    it('may be claimed by another where an unfinished claim is dated in the future', async () => {
      const email = address('future')
      const settings = { claimYoung: 60_000 }
      const ahead = processOver(stoppingBefore(store, 'UserRegistered'), { ...settings, clock: () => Date.now() + 3_600_000 })
      expect(await failure(ahead.users.register(context(), { email, password }))).to.be.instanceOf(Stopped)
      const { value } = await processOver(store, settings).users.register(context(), { email, password: 'somebody else' })
      expect(await logIn(email, 'somebody else')).to.equal(value.userId)
    })

    it('are logged in with only where the user says so, whoever claims', async () => {
      const [old, wanted] = [address('old'), address('wanted')]
      const userId = await register(old)
      const stopping = processOver(stoppingBefore(store, 'EmailChanged'))
      expect(await failure(moveTo(stopping.users, userId, wanted))).to.be.instanceOf(Stopped)
      expect(await reason(logIn(wanted))).to.equal('WrongPassword')
      const granting = fresh().users.grantRole(context({ actor: 'system' }), { email: wanted, role: 'staff' })
      expect(await reason(granting)).to.equal('UserNotFound')
      expect(await logIn(old)).to.equal(userId)
    })

    for (const type of ['EmailClaimed', 'EmailChanged', 'EmailReleased']) {
      it(`have one owner each when a user moves twice, asleep before ${type}`, async () => {
        const [old, here, there] = [address('old'), address('here'), address('there')]
        const userId = await register(old)
        const late = sleeper(store, (append) => writes(type, append))
        const moving = moveTo(processOver(late.store).users, userId, here)
        await late.asleep
        await moveTo(fresh().users, userId, there)
        late.wake()
        await moving

        // One whose change was not written yet is decided again, on the e-mail that there is now.
        const [won, lost] = type === 'EmailReleased' ? [there, here] : [here, there]
        const { email: own } = await userNow(store, userId)
        expect(own).to.equal(won)
        expect(await logIn(won)).to.equal(userId)
        expect(await reason(register(won, 'somebody else'))).to.equal('EmailTaken')
        for (const left of [old, lost]) {
          expect(await reason(logIn(left))).to.equal('WrongPassword')
          const owner = await register(left, 'somebody else')
          expect(await logIn(left, 'somebody else')).to.equal(owner)
        }
        expect(await logIn(won)).to.equal(userId)
      })
    }
  })
})

describe('carried parts of which some are missing', () => {
  const at = '2026-01-01T00:00:00.000Z'
  const productId = idOfInteger(1)!
  /** In three parts, for its length. */
  const partsOf = (letter: string) => {
    const name = letter.repeat(400_000)
    const state = product.evolve(product.initial, { type: 'ProductAdded', data: { productId, name, stock: 5, at } }, 0)
    return carriedParts(product, { ...emptyStream(state), at })
  }
  const renamed = { type: 'ProductRenamed', data: { productId, name: 'x', at } }
  const recorded = (events: readonly { type: string; data: object }[]): RecordedEvent[] =>
    events
      .map((event, revision) => ({
        ...event,
        id: `${revision}`,
        metadata: {},
        streamId: `product-${productId}`,
        revision,
        position: BigInt(revision),
        preparePosition: BigInt(revision),
        created: new Date(at),
      }))
      .reverse()

  const [older, newer] = [partsOf('o'), partsOf('n')]
  const [first, second, third] = newer

  it('are as long as this test takes them to be', () => {
    expect([older.length, newer.length]).to.deep.equal([3, 3])
  })

  for (const { name, torn } of [
    { name: 'the last is missing', torn: [first!, second!] },
    { name: 'the middle is missing', torn: [first!, third!] },
    { name: 'the first is missing', torn: [second!, third!] },
    { name: 'another event stands between', torn: [first!, second!, renamed, third!] },
    { name: 'they begin anew', torn: [first!, second!, renamed, first!, second!] },
  ]) {
    it(`give way to the complete set before them where ${name}`, () => {
      const carried = newestCarried(product, recorded([renamed, ...older, renamed, ...torn]))
      expect(carried?.newer).to.equal(1 + torn.length)
      expect(carried?.carried.revision).to.equal(3)
      expect(carried?.carried.state.name[0]).to.equal('o')
    })

    it(`are ignored where ${name} and there is no other set`, () => {
      expect(newestCarried(product, recorded([renamed, ...torn]))).to.equal(undefined)
    })
  }

  it('give way to the newest of complete sets', () => {
    const carried = newestCarried(product, recorded([...older, renamed, ...newer, renamed]))
    expect(carried?.newer).to.equal(1)
    expect(carried?.carried.revision).to.equal(6)
    expect(carried?.carried.state.name[0]).to.equal('n')
  })
})
