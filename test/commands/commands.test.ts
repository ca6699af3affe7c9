import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { KeyReused, PreconditionFailed, Unfinished } from '../../src/commands/engine/context.js'
import { Rejected } from '../../src/domain/decider.js'
import { normaliseEmail } from '../../src/domain/email.js'
import { idOfInteger, type ProductId, type UserId } from '../../src/domain/ids.js'
import { listReservations } from '../../src/domain/reservations.js'
import { connectStore } from '../../src/eventstore/client.js'
import { type Store, StoreUnavailable } from '../../src/eventstore/store.js'
import { NewerEvent } from '../../src/eventstore/upcast.js'
import { refusalOf } from '../../src/http/pipeline/errors.js'
import { startEventStore } from '../support/eventstore.js'
import { cartNow, context, keyOf, orderNow, processOver, productNow, typesOf, withHook } from '../support/shop.js'

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
const someone = (): UserId => idOfInteger(1 + Math.floor(Math.random() * 2 ** 50))!
let mails = 0
const email = () => normaliseEmail(`person-${++mails}@example.org`)

describe('commands', () => {
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

  const addProduct = async (stock: number, price?: number): Promise<ProductId> =>
    (await processOver(store).products.add(context(), { name: 'Tea', stock, ...(price !== undefined && { price }) })).value
      .productId
  const lastRevision = async (streamId: string) =>
    (await store.read(streamId, { direction: 'backwards', maxCount: 1 }))[0]?.revision

  it('refuse, as passing and in words, what a later release has changed', async () => {
    const cartId = idOfInteger(777_001)! as UserId
    const data = { cartId, productId: idOfInteger(777_002)!, amount: 1, at: '2026-01-01T00:00:00.000Z' }
    const event = { id: randomUUID(), type: 'CartItemAdded', data, metadata: { correlationId: 'x', schema: 2 } }
    await store.append(`cart-${cartId}`, [event as never], -1)
    const remove = processOver(store).cart.removeItem(context(), { cartId, productId: data.productId as ProductId })
    const error = await remove.catch((thrown: unknown) => thrown)
    expect(error).to.be.instanceOf(NewerEvent)
    expect(refusalOf(error)).to.include({ status: 503 }).and.to.have.property('message').that.contains('later release')
  })

  describe('two processes with a cache each', () => {
    it('change through one what was added through the other', async () => {
      const [one, other] = [processOver(store), processOver(store)]
      const [cartId, productId] = [someone(), await addProduct(5)]
      await one.cart.addItem(context(), { cartId, productId, amount: 1 })
      await other.cart.changeAmount(context(), { cartId, productId, amount: 4 })
      await one.cart.addItem(context(), { cartId, productId, amount: 1 })
      expect((await cartNow(store, cartId)).lines.get(productId)).to.equal(5)
    })

    it('do not refuse, nor do nothing, by what the cache says', async () => {
      const [one, other] = [processOver(store), processOver(store)]
      const [cartId, productId] = [someone(), await addProduct(5)]
      await one.cart.addItem(context(), { cartId, productId, amount: 1 })
      await other.cart.removeItem(context(), { cartId, productId })
      expect(await reason(one.cart.changeAmount(context(), { cartId, productId, amount: 1 }))).to.equal('LineNotFound')
      await other.cart.addItem(context(), { cartId, productId, amount: 2 })
      expect(await reason(one.cart.changeAmount(context(), { cartId: someone(), productId, amount: 2 }))).to.equal('LineNotFound')
      await one.cart.changeAmount(context(), { cartId, productId, amount: 3 })
      expect((await cartNow(store, cartId)).lines.get(productId)).to.equal(3)
    })

    it('see a changed price at once, whatever they knew', async () => {
      const [one, other] = [processOver(store), processOver(store)]
      const productId = await addProduct(5, 100)
      const order = (price: number) => ({ customerId: someone(), items: [{ productId, quantity: 1 }], price, status: 'new' })
      await one.orders.place(context(), order(100))
      await other.products.update(context(), { productId, price: 120 })
      expect(await reason(one.orders.place(context(), order(100)))).to.equal('PriceDiffers')
      await one.orders.place(context(), order(120))
      expect((await productNow(store, productId)).free).to.equal(3)
    })

    it('end a password at both', async () => {
      const [one, other] = [processOver(store), processOver(store)]
      const address = email()
      const { value } = await one.users.register(context(), { email: address, password: 'old password' })
      await other.users.logIn(context(), { email: address, password: 'old password' })
      const edited = await one.users.edit(context(), {
        userId: value.userId,
        oldPassword: 'old password',
        newPassword: 'new password',
      })
      expect(edited.value.epoch).to.equal(value.epoch + 1)
      expect(await reason(other.users.logIn(context(), { email: address, password: 'old password' }))).to.equal('WrongPassword')
      await other.users.logIn(context(), { email: address, password: 'new password' })
    })

    it('sell the last unit once', async () => {
      const productId = await addProduct(1)
      const pair = [processOver(store), processOver(store)]
      const buyers = Array.from({ length: 12 }, (_, i) => pair[i % 2]!)
      const answers = await Promise.all(
        buyers.map(({ orders }) =>
          orders.place(context(), { customerId: someone(), items: [{ productId, quantity: 1 }], price: 1, status: 'new' }).then(
            () => 'placed',
            (error) => (error as Rejected).reason,
          ),
        ),
      )
      expect(answers.filter((answer) => answer === 'placed')).to.have.length(1)
      expect(answers.filter((answer) => answer === 'StockShort')).to.have.length(11)
      const { free, reservations } = await productNow(store, productId)
      expect([free, listReservations(reservations).length]).to.deep.equal([0, 1])
    })
  })

  describe('a store whose answers are lost', () => {
    /** Every append is written, and then its first answer is lost. */
    const lossy = (): Store => {
      const lost = new Set<string>()
      return {
        ...store,
        append: async (streamId, events, at, timeout) => {
          const answer = await store.append(streamId, events, at, timeout)
          const id = events[0]!.id
          if (lost.has(id)) return answer
          lost.add(id)
          throw new StoreUnavailable('the answer was lost')
        },
      }
    }

    it('does a command once', async () => {
      const productId = await addProduct(3)
      const cartId = someone()
      const { cart, orders } = processOver(lossy())
      await cart.addItem(context(), { cartId, productId, amount: 1 })
      expect((await cartNow(store, cartId)).lines.get(productId)).to.equal(1)
      await orders.place(context(), { customerId: cartId, items: [{ productId, quantity: 2 }], price: 5, status: 'new' })
      expect((await productNow(store, productId)).free).to.equal(1)
    })

    it('is given up at the deadline, and nothing is claimed about it', async () => {
      const productId = await addProduct(3)
      const dead: Store = { ...store, append: () => Promise.reject(new StoreUnavailable('no answer')) }
      const begun = performance.now()
      const error = await failure(
        processOver(dead).cart.addItem(context({ within: 200 }), { cartId: someone(), productId, amount: 1 }),
      )
      expect(error).to.be.instanceOf(Unfinished)
      expect(performance.now() - begun).to.be.lessThan(5_000)
    })
  })

  describe('an idempotency key', () => {
    it('creates a product once, and answers alike', async () => {
      const key = keyOf(`product-${Math.random()}`)
      const first = await processOver(store).products.add(context({ key }), { name: 'Tea', stock: 1 })
      await processOver(store).products.update(context(), { productId: first.value.productId, stock: 9 })
      const second = await processOver(store).products.add(context({ key }), { name: 'Tea', stock: 1 })
      expect(second.value).to.deep.equal(first.value)
      const other = keyOf(key.commandId.slice('command-'.length), 'other')
      expect(
        await failure(processOver(store).products.add(context({ key: other }), { name: 'Milk', stock: 1 })),
      ).to.be.instanceOf(KeyReused)
    })

    it('creates once when it comes many times at once', async () => {
      const key = keyOf(`many-${Math.random()}`)
      const added = await Promise.all(
        Array.from({ length: 8 }, () => processOver(store).products.add(context({ key }), { name: 'Tea', stock: 1 })),
      )
      expect(new Set(added.map(({ value }) => value.productId)).size).to.equal(1)
      expect(await lastRevision(`product-${added[0]!.value.productId}`)).to.equal(0)
    })

    it('takes the next id where a stranger has the first', async () => {
      const key = keyOf(`clash-${Math.random()}`)
      const { idOfKey } = await import('../../src/commands/engine/idempotency/command-key.js')
      const strangers = { id: crypto.randomUUID(), type: 'ProductAdded', data: { name: 'x', stock: 1, at: '' }, metadata: {} }
      await store.append(`product-${idOfKey(key, 0)}`, [strangers], -1)
      const { value } = await processOver(store).products.add(context({ key }), { name: 'Tea', stock: 1 })
      expect(value.productId).to.equal(idOfKey(key, 1))
      expect((await processOver(store).products.add(context({ key }), { name: 'Tea', stock: 1 })).value).to.deep.equal(value)
    })

    it('adds to a cart once, also when more was added since', async () => {
      const [cartId, productId, key] = [someone(), await addProduct(9), keyOf(`cart-${Math.random()}`)]
      await processOver(store).cart.addItem(context({ key }), { cartId, productId, amount: 1 })
      await processOver(store).cart.addItem(context(), { cartId, productId, amount: 5 })
      const again = await processOver(store).cart.addItem(context({ key }), { cartId, productId, amount: 1 })
      expect(again.value.lines).to.deep.equal([{ productId, amount: 1 }])
      expect((await cartNow(store, cartId)).lines.get(productId)).to.equal(6)
    })

    it('does not remember what was refused', async () => {
      const [cartId, productId, key] = [someone(), await addProduct(9), keyOf(`refused-${Math.random()}`)]
      expect(await reason(processOver(store).cart.removeItem(context({ key }), { cartId, productId }))).to.equal('LineNotFound')
      await processOver(store).cart.addItem(context(), { cartId, productId, amount: 1 })
      await processOver(store).cart.removeItem(context({ key }), { cartId, productId })
      expect((await cartNow(store, cartId)).lines.size).to.equal(0)
    })

    it('places an order once, and answers as it was placed, whatever came since', async () => {
      const [customerId, productId, key] = [someone(), await addProduct(5), keyOf(`order-${Math.random()}`)]
      const order = { customerId, items: [{ productId, quantity: 2 }], price: 7, status: 'new' }
      const first = await processOver(store).orders.place(context({ key }), order)
      await processOver(store).orders.update(context(), {
        orderId: first.value.orderId,
        by: { userId: customerId, staff: false },
        status: 'cancelled',
      })
      const again = await processOver(store).orders.place(context({ key }), order)
      expect(again.value).to.deep.equal(first.value)
      expect((await productNow(store, productId)).free).to.equal(5)
    })

    it('places an order again that was rejected', async () => {
      const [customerId, productId, key] = [someone(), await addProduct(1), keyOf(`rejected-${Math.random()}`)]
      const order = { customerId, items: [{ productId, quantity: 1 }], price: 7, status: 'new' }
      // The unit goes between the look and the request: the order is requested, and rejected.
      let raced = false
      const racing = withHook(store, async () => {
        if (raced) return
        raced = true
        await processOver(store).products.update(context(), { productId, stock: 0 })
      })
      expect(await reason(processOver(racing).orders.place(context({ key }), order))).to.equal('StockShort')
      await processOver(store).products.update(context(), { productId, stock: 1 })
      const { value } = await processOver(store).orders.place(context({ key }), order)
      expect(typesOf(await store.read(`order-${value.orderId}`))).to.deep.equal([
        'OrderRequested',
        'OrderRejected',
        'OrderSettled',
        'OrderRequested',
        'OrderPlaced',
      ])
    })

    it('updates an order once', async () => {
      const [customerId, productId, key] = [someone(), await addProduct(9), keyOf(`update-${Math.random()}`)]
      const { value } = await processOver(store).orders.place(context(), {
        customerId,
        items: [{ productId, quantity: 2 }],
        price: 7,
        status: 'new',
      })
      const input = { orderId: value.orderId, by: { userId: customerId, staff: false }, items: [{ productId, quantity: 4 }] }
      const first = await processOver(store).orders.update(context({ key }), input)
      await processOver(store).orders.update(context(), { ...input, items: [{ productId, quantity: 1 }] })
      const again = await processOver(store).orders.update(context({ key }), input)
      expect(again.value).to.deep.equal(first.value)
      expect((await productNow(store, productId)).free).to.equal(8)
    })

    it('answers a cancellation alike, with the settlement that it had waited for', async () => {
      const [customerId, productId, key] = [someone(), await addProduct(9), keyOf(`cancel-${Math.random()}`)]
      const { value } = await processOver(store).orders.place(context(), {
        customerId,
        items: [{ productId, quantity: 2 }],
        price: 7,
        status: 'new',
      })
      const input = { orderId: value.orderId, by: { userId: customerId, staff: false }, status: 'cancelled' }
      const first = await processOver(store).orders.update(context({ key }), input)
      const again = await processOver(store).orders.update(context({ key }), input)
      expect(again).to.deep.equal(first)
      expect(again.revision).to.equal(await lastRevision(`order-${value.orderId}`))
    })

    it('settles on its repeat what the first could not', async () => {
      const [customerId, productId, key] = [someone(), await addProduct(9), keyOf(`unsettled-${Math.random()}`)]
      const { value } = await processOver(store).orders.place(context(), {
        customerId,
        items: [{ productId, quantity: 2 }],
        price: 7,
        status: 'new',
      })
      const input = { orderId: value.orderId, by: { userId: customerId, staff: false }, status: 'cancelled' }
      const stopping = withHook(store, ({ streamId }) => {
        if (streamId.startsWith('product-')) throw new Error('stopped')
      })
      await failure(processOver(stopping).orders.update(context({ key }), input))
      expect((await orderNow(store, value.orderId)).settled).to.equal(false)
      await processOver(store).orders.update(context({ key }), input)
      expect((await orderNow(store, value.orderId)).settled).to.equal(true)
      expect((await productNow(store, productId)).free).to.equal(9)
    })

    it('checks a cart out once', async () => {
      const [customerId, productId, key] = [someone(), await addProduct(9, 250), keyOf(`checkout-${Math.random()}`)]
      await processOver(store).cart.addItem(context(), { cartId: customerId, productId, amount: 2 })
      const first = await processOver(store).cart.checkout(context({ key }), { customerId })
      expect(first.value).to.include({ price: 500, status: 'new' })
      await processOver(store).cart.addItem(context(), { cartId: customerId, productId, amount: 1 })
      const again = await processOver(store).cart.checkout(context({ key }), { customerId })
      expect(again.value).to.deep.equal(first.value)
      expect((await cartNow(store, customerId)).lines.get(productId)).to.equal(1)
    })

    it('registers once, and is another request with another password', async () => {
      const [address, key] = [email(), keyOf(`register-${Math.random()}`)]
      const first = await processOver(store).users.register(context({ key }), { email: address, password: 'a password' })
      const again = await processOver(store).users.register(context({ key }), { email: address, password: 'a password' })
      expect(again.value).to.deep.equal(first.value)
      expect(
        await failure(processOver(store).users.register(context({ key }), { email: address, password: 'another one' })),
      ).to.be.instanceOf(KeyReused)
      expect(await reason(processOver(store).users.register(context(), { email: address, password: 'a password' }))).to.equal(
        'EmailTaken',
      )
    })

    it('edits once, before the old password is looked at', async () => {
      const [address, key] = [email(), keyOf(`edit-${Math.random()}`)]
      const { value } = await processOver(store).users.register(context(), { email: address, password: 'a password' })
      const input = { userId: value.userId, oldPassword: 'a password', newPassword: 'a new password', name: 'Ann' }
      const first = await processOver(store).users.edit(context({ key }), input)
      const again = await processOver(store).users.edit(context({ key }), input)
      expect(again.value).to.deep.equal(first.value)
      for (const other of [{ newPassword: 'yet another' }, { oldPassword: 'another old one' }]) {
        expect(await failure(processOver(store).users.edit(context({ key }), { ...input, ...other }))).to.be.instanceOf(KeyReused)
      }
    })
  })

  it('takes no order of staff for somebody who is not there', async () => {
    const productId = await addProduct(5)
    const order = { customerId: someone(), items: [{ productId, quantity: 1 }], price: 1, status: 'new' }
    expect(await reason(processOver(store).orders.place(context({ actor: someone() }), order))).to.equal('UserNotFound')
    expect((await productNow(store, productId)).free).to.equal(5)
  })

  it('tells what a refusal rests on', async () => {
    const productId = await addProduct(5)
    let highest = 0n
    const told = context({ onPosition: (position) => (highest = position > highest ? position : highest) })
    const order = { customerId: someone(), items: [{ productId, quantity: 6 }], price: 1, status: 'new' }
    expect(await reason(processOver(store).orders.place(told, order))).to.equal('StockShort')
    expect(highest).to.equal((await store.read(`product-${productId}`))[0]!.position)
  })

  describe('a condition', () => {
    it('refuses where the stream has moved on, and a cache does not decide it', async () => {
      const [one, other] = [processOver(store), processOver(store)]
      const { value, revision } = await one.products.add(context(), { name: 'Tea', stock: 1 })
      const changed = await other.products.update(context({ ifMatch: [revision] }), { productId: value.productId, stock: 2 })
      expect(
        await failure(one.products.update(context({ ifMatch: [revision] }), { productId: value.productId, stock: 3 })),
      ).to.be.instanceOf(PreconditionFailed)
      await one.products.update(context({ ifMatch: [changed.revision] }), { productId: value.productId, stock: 3 })
      expect((await productNow(store, value.productId)).free).to.equal(3)
    })
  })

  describe('users', () => {
    it('log in with what they registered, and are refused alike for a wrong password and an unknown e-mail', async () => {
      const { users } = processOver(store)
      const address = email()
      const { value } = await users.register(context(), { email: address, password: 'pässwörd → 長い', name: 'Ann' })
      expect((await users.logIn(context(), { email: address, password: 'pässwörd → 長い' })).value).to.deep.equal(value)
      expect(await reason(users.logIn(context(), { email: address, password: 'pässwörd → 長' }))).to.equal('WrongPassword')
      expect(await reason(users.logIn(context(), { email: email(), password: 'pässwörd → 長い' }))).to.equal('WrongPassword')
    })

    it('have passwords of which every character counts', async () => {
      const { users } = processOver(store)
      const address = email()
      const long = 'x'.repeat(127)
      await users.register(context(), { email: address, password: `${long}a` })
      expect(await reason(users.logIn(context(), { email: address, password: `${long}b` }))).to.equal('WrongPassword')
    })

    it('move to another e-mail, and leave the old one to others', async () => {
      const { users } = processOver(store, { claimYoung: 60_000 })
      const [before, after] = [email(), email()]
      const { value } = await users.register(context(), { email: before, password: 'a password' })
      await users.edit(context(), { userId: value.userId, oldPassword: 'a password', email: after })
      expect(await reason(users.logIn(context(), { email: before, password: 'a password' }))).to.equal('WrongPassword')
      expect((await users.logIn(context(), { email: after, password: 'a password' })).value.userId).to.equal(value.userId)
      await users.register(context(), { email: before, password: 'somebody else' })
      expect(await reason(users.edit(context(), { userId: value.userId, oldPassword: 'a password', email: before }))).to.equal(
        'EmailTaken',
      )
    })

    it('respect a young claim, and take over an old one', async () => {
      let gone = false
      const stopping = withHook(store, (_, index) => {
        gone ||= index === 1
        if (gone) throw new Error('stopped')
      })
      const address = email()
      await failure(processOver(stopping).users.register(context(), { email: address, password: 'a password' }))
      const polite = processOver(store, { claimYoung: 60_000 })
      expect(await reason(polite.users.register(context(), { email: address, password: 'a password' }))).to.equal('EmailTaken')
      const later = processOver(store, { claimYoung: 60_000, clock: () => Date.now() + 61_000 })
      await later.users.register(context(), { email: address, password: 'a password' })
    })

    it('are granted a role, by e-mail', async () => {
      const { users } = processOver(store)
      const address = email()
      const { value } = await users.register(context(), { email: address, password: 'a password' })
      const granted = await users.grantRole(context({ actor: 'system' }), { email: address, role: 'staff' })
      expect(granted.value).to.include({ userId: value.userId, role: 'staff', epoch: value.epoch + 1 })
      expect(await reason(users.grantRole(context(), { email: email(), role: 'staff' }))).to.equal('UserNotFound')
    })
  })

  describe('a long stream', () => {
    it('is read page by page, and what was read by the deadline is not read again', async () => {
      const [cartId, productId, at] = [someone(), await addProduct(5), '2026-01-01T00:00:00.000Z']
      for (let i = 0; i < 17; i++) {
        const events = Array.from({ length: 100 }, () => ({
          id: crypto.randomUUID(),
          type: 'CartItemAdded',
          data: { cartId, productId, amount: 1, at },
          metadata: {},
        }))
        await store.append(`cart-${cartId}`, events, i * 100 - 1)
      }
      const asked: (number | undefined)[] = []
      let patience = 2
      const slow: Store = {
        ...store,
        read: async (streamId, options) => {
          if (streamId !== `cart-${cartId}`) return store.read(streamId, options)
          if (patience-- <= 0) throw new StoreUnavailable('no answer')
          asked.push(options?.from)
          return store.read(streamId, options)
        },
      }
      const { cart } = processOver(slow)
      const change = (within: number) => cart.changeAmount(context({ within }), { cartId, productId, amount: 3 })
      expect(await failure(change(800))).to.be.instanceOf(Unfinished)
      patience = 100
      expect((await change(10_000)).value.lines).to.deep.equal([{ productId, amount: 3 }])
      // In between, the conflict of an append at what is remembered makes sure that the store was not put back.
      expect(asked.filter((from) => from !== undefined)).to.deep.equal([0, 500, 1_000, 1_500])
    })

    it('closes its books, loads from there, and remembers its keys', async () => {
      const productId = await addProduct(1_000)
      const { products, orders } = processOver(store)
      const key = keyOf(`books-${Math.random()}`)
      await products.update(context({ key }), { productId, name: 'Green tea' })
      const customerId = someone()
      const { value } = await orders.place(context(), {
        customerId,
        items: [{ productId, quantity: 3 }],
        price: 1,
        status: 'new',
      })
      for (let i = 0; i < 310; i++) await products.update(context(), { productId, stock: 1_000 + i })
      const types = typesOf(await store.read(`product-${productId}`))
      expect(types.filter((type) => type === 'ProductCarriedForward')).to.have.length(1)

      let read = 0
      const counting: Store = {
        ...store,
        read: async (streamId, options) => {
          const events = await store.read(streamId, options)
          read += events.length
          return events
        },
      }
      const fresh = processOver(counting)
      await fresh.orders.update(context(), {
        orderId: value.orderId,
        by: { userId: customerId, staff: false },
        status: 'cancelled',
      })
      expect((await productNow(store, productId)).free).to.equal(1_312)
      expect(listReservations((await productNow(store, productId)).reservations).length).to.equal(0)
      expect(read).to.be.lessThan(types.length + 20)
      const repeated = await fresh.products.update(context({ key }), { productId, name: 'Green tea' })
      expect(repeated.value).to.include({ name: 'Green tea', stock: 1_000 })
    })
  })

  it('catches up with a stream that others wrote much to, from where its books were closed', async () => {
    const productId = await addProduct(1)
    const [behind, busy] = [processOver(store), processOver(store)]
    await behind.products.update(context(), { productId, stock: 2 })
    for (let i = 0; i < 620; i++) await busy.products.update(context(), { productId, stock: 3 + i })
    const changed = await behind.products.update(context(), { productId, name: 'Green tea' })
    expect(changed.value).to.include({ name: 'Green tea', stock: 622 })
  })

  it('asks for the price of today where a checkout names none', async () => {
    const [one, other] = [processOver(store), processOver(store)]
    const [customerId, productId] = [someone(), await addProduct(5, 100)]
    await one.cart.addItem(context(), { cartId: customerId, productId, amount: 1 })
    await other.products.update(context(), { productId, price: 120 })
    expect((await one.cart.checkout(context(), { customerId })).value.price).to.equal(120)
  })

  it('says the sum where a price changes between the look and the reservation', async () => {
    const productId = await addProduct(5, 100)
    let changed = false
    const racing = withHook(store, async () => {
      if (changed) return
      changed = true
      await processOver(store).products.update(context(), { productId, price: 120 })
    })
    const order = { customerId: someone(), items: [{ productId, quantity: 2 }], price: 200, status: 'new' }
    const error = (await failure(processOver(racing).orders.place(context(), order))) as Rejected
    expect([error.reason, error.detail]).to.deep.equal(['PriceDiffers', { sum: 240 }])
    expect(listReservations((await productNow(store, productId)).reservations).length).to.equal(0)
  })

  it('begins nothing after its deadline', async () => {
    const productId = await addProduct(5)
    const before = (await store.last())!.position
    const late = context({ within: -1 })
    const order = { customerId: someone(), items: [{ productId, quantity: 1 }], price: 1, status: 'new' }
    expect(await failure(processOver(store).orders.place(late, order))).to.be.instanceOf(Unfinished)
    expect((await store.last())!.position).to.equal(before)
  })

  it('puts no retired product into a cart, whatever a cache says', async () => {
    const [one, other] = [processOver(store), processOver(store)]
    const productId = await addProduct(5)
    await one.cart.addItem(context(), { cartId: someone(), productId, amount: 1 })
    await other.products.retire(context(), { productId })
    expect(await reason(one.cart.addItem(context(), { cartId: someone(), productId, amount: 1 }))).to.equal('ProductNotFound')
  })

  it('stamps an event not before the one that precedes it', async () => {
    const productId = await addProduct(1)
    const behind = processOver(store, { clock: () => Date.now() - 3_600_000 })
    await behind.products.update(context(), { productId, stock: 2 })
    const [added, counted] = await store.read(`product-${productId}`)
    expect((counted!.data as { at: string }).at).to.equal((added!.data as { at: string }).at)
  })

  it('writes who did what, and no personal data outside of the user stream', async () => {
    const since = (await store.last())!
    const [address, name] = [email(), 'Quite Unusual Name']
    const commands = processOver(store)
    const { value } = await commands.users.register(context(), { email: address, password: 'a password', name })
    const productId = await addProduct(3)
    const actor = { actor: value.userId }
    await commands.cart.addItem(context(actor), { cartId: value.userId, productId, amount: 1 })
    const { value: placed } = await commands.cart.checkout(context(actor), { customerId: value.userId, price: 5 })
    expect((await orderNow(store, placed.orderId)).customerId).to.equal(value.userId)
    for await (const { streamId, data, metadata } of store.readAll({ commit: since.position, prepare: since.preparePosition })) {
      const text = JSON.stringify([data, metadata])
      expect(text).not.to.include('a password')
      if (!streamId.startsWith('user-')) expect(`${streamId} ${text}`).not.to.include(address).and.not.to.include(name)
      if (streamId.startsWith('cart-')) expect(metadata.actor).to.equal(value.userId)
    }
  })
})
