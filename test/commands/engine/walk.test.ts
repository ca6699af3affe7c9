import { expect } from 'chai'
import { KeyReused, Unfinished } from '../../../src/commands/engine/context.js'
import type { Commands } from '../../../src/commands/index.js'
import { Rejected } from '../../../src/domain/decider.js'
import { type Email, normaliseEmail } from '../../../src/domain/email.js'
import { idOfInteger, type OrderId, type ProductId, type UserId } from '../../../src/domain/ids.js'
import { listReservations, reservationOf } from '../../../src/domain/reservations.js'
import { quantityOf } from '../../../src/domain/terms.js'
import { connectStore } from '../../../src/eventstore/client.js'
import type { RecordedEvent, Store } from '../../../src/eventstore/store.js'
import { startEventStore } from '../../support/eventstore.js'
import {
  cartNow,
  context,
  countAppends,
  orderNow,
  processOver,
  productNow,
  Stopped,
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

type Answer = 'done' | 'busy' | 'stopped' | 'conflict' | (string & {})

type Scenario<World> = {
  readonly name: string
  readonly begin: (store: Store) => Promise<World>
  readonly act: (commands: Commands, world: World) => Promise<unknown>
  /** What another process does in between, before the append of this index. */
  readonly rival?: (world: World, store: Store, index: number) => Promise<unknown>
  /** What a process that nothing disturbs answers, and appends. */
  readonly answer: Answer
  readonly appends: readonly string[]
  /** What another process does while this one sleeps, after recovery. */
  readonly meanwhile?: (world: World, store: Store) => Promise<unknown>
  /** What a sleeper may answer besides, because others came in between. */
  readonly mayAnswer?: readonly Answer[]
  /** Whether the answer of the late sleeper agrees with what is in the store in the end. */
  readonly agrees?: (store: Store, world: World, answer: Answer) => Promise<void>
}

const answerOf = (work: Promise<unknown>): Promise<Answer> =>
  work.then(
    () => 'done',
    (error) => {
      if (error instanceof Stopped) return 'stopped'
      if (error instanceof Unfinished) return 'busy'
      if (error instanceof Rejected) return error.reason
      if (error instanceof KeyReused) return 'KeyReused'
      throw error
    },
  )

// ---------------------------------------------------------------- orders and stock

type StockWorld = {
  readonly customerId: UserId
  readonly tea: ProductId
  readonly milk: ProductId
  readonly orderId?: OrderId
  readonly since: RecordedEvent
}

/** Any event marks where a scenario begins. */
const mark = async (store: Store): Promise<RecordedEvent> => {
  await processOver(store).products.add(context(), { name: 'mark', stock: 0 })
  return (await store.last())!
}

const customer = (): UserId => idOfInteger(1 + Math.floor(Math.random() * 2 ** 50))!

const beginStock =
  (stock: { tea: number; milk: number }, order?: { tea: number; milk: number }, inCart?: { tea: number; milk: number }) =>
  async (store: Store): Promise<StockWorld> => {
    const { products, orders, cart } = processOver(store)
    const customerId = customer()
    const since = await mark(store)
    // Added one after the other, and taken in the order of their ids, which is the order of reservation.
    const ids = [
      await products.add(context(), { name: 'A', stock: 100 }),
      await products.add(context(), { name: 'B', stock: 100 }),
    ]
      .map(({ value }) => value.productId)
      .sort()
    const [tea, milk] = ids as [ProductId, ProductId]
    await products.update(context(), { productId: tea, stock: stock.tea + (order?.tea ?? 0) })
    await products.update(context(), { productId: milk, stock: stock.milk + (order?.milk ?? 0) })
    const world = { customerId, tea, milk, since }
    if (inCart) {
      await cart.addItem(context(), { cartId: customerId, productId: tea, amount: inCart.tea })
      await cart.addItem(context(), { cartId: customerId, productId: milk, amount: inCart.milk })
    }
    if (!order) return world
    const placed = await orders.place(context(), { customerId, items: itemsOf(world, order), price: 100, status: 'new' })
    return { ...world, orderId: placed.value.orderId }
  }

const itemsOf = ({ tea, milk }: Pick<StockWorld, 'tea' | 'milk'>, amounts: { tea: number; milk: number }) =>
  [
    { productId: tea, quantity: amounts.tea },
    { productId: milk, quantity: amounts.milk },
  ].filter(({ quantity }) => quantity > 0)

const customersOrders = async (store: Store, { customerId, since }: StockWorld): Promise<OrderId[]> => {
  const found = new Set<OrderId>()
  for await (const { streamId, data } of store.readAll({ commit: since.position, prepare: since.preparePosition })) {
    if (streamId.startsWith('order-') && (data as { customerId?: UserId }).customerId === customerId)
      found.add(streamId.slice(6) as OrderId)
    if (streamId === `cart-${customerId}` && (data as { orderId?: OrderId }).orderId)
      found.add((data as { orderId: OrderId }).orderId)
  }
  return [...found]
}

const recoverAll = async (store: Store, world: StockWorld): Promise<void> => {
  const { orders, cart } = processOver(store)
  for (const orderId of await customersOrders(store, world)) {
    if ((await store.read(`order-${orderId}`)).length > 0) await orders.recover(context({ actor: 'system' }), orderId)
  }
  await cart.recoverCheckout(context({ actor: 'system' }), world.customerId)
}

/** Exactly what accepted, unshipped orders ask for is held; no unit is lost or made; nothing is unsettled; no line is lost. */
const assertStockHolds = async (store: Store, world: StockWorld): Promise<void> => {
  const orderIds = await customersOrders(store, world)
  const orders = await Promise.all(orderIds.map((id) => orderNow(store, id)))
  expect(orders.every(({ settled, open }) => settled && !open)).to.equal(true)
  for (const productId of [world.tea, world.milk]) {
    const events = await store.read(`product-${productId}`)
    const { free, reservations } = await productNow(store, productId)
    expect(free).to.be.at.least(0)
    let holds = 0
    for (const [i, { phase, terms }] of orders.entries()) {
      const wanted = phase === 'placed' ? quantityOf(terms, productId) : 0
      expect(reservationOf(reservations, orderIds[i]!)?.quantity ?? 0).to.equal(wanted)
      holds += wanted
    }
    const others = listReservations(reservations)
      .filter(([id]) => !orderIds.includes(id))
      .reduce((sum, [, { quantity }]) => sum + quantity, 0)
    expect(free + holds + others).to.equal(unitsOf(events))
  }
  const { checkout } = await cartNow(store, world.customerId)
  expect(checkout).to.equal(undefined)
  await assertNoLineLost(store, world, orders)
}

/** Counted in, less what was taken out: an account of its own, that shares no code with the domain's fold. */
const unitsOf = (events: readonly RecordedEvent[]): number => {
  const held = new Map<string, number>()
  let units = 0
  for (const { type, data } of events) {
    const { orderId, stock, quantity } = data as { orderId: string; stock: number; quantity: number }
    if (type === 'ProductAdded' || type === 'StockCounted') units = stock + [...held.values()].reduce((a, b) => a + b, 0)
    if (type === 'StockReserved') held.set(orderId, quantity)
    if (type === 'StockTaken') {
      units -= held.get(orderId) ?? 0
      held.set(orderId, 0)
    }
  }
  return units
}

const assertNoLineLost = async (store: Store, world: StockWorld, orders: readonly Awaited<ReturnType<typeof orderNow>>[]) => {
  const cartEvents = await store.read(`cart-${world.customerId}`)
  if (cartEvents.length === 0) return
  const { lines } = await cartNow(store, world.customerId)
  for (const productId of [world.tea, world.milk]) {
    const added = cartEvents
      .map(({ type, data }) => ({ type, ...(data as { productId?: string; amount: number }) }))
      .filter((event) => event.type === 'CartItemAdded' && event.productId === productId)
      .reduce((sum, { amount }) => sum + amount, 0)
    const ordered = orders.filter(({ placed }) => placed).reduce((sum, { terms }) => sum + quantityOf(terms, productId), 0)
    expect(ordered + (lines.get(productId) ?? 0)).to.equal(added)
  }
}

function stockScenarios(): Scenario<StockWorld>[] {
  const placeBoth = (commands: Commands, world: StockWorld) =>
    commands.orders.place(context({ within: 60_000 }), {
      customerId: world.customerId,
      items: itemsOf(world, { tea: 1, milk: 2 }),
      price: 100,
      status: 'new',
    })
  const isPlaced = async (store: Store, world: StockWorld, answer: Answer) => {
    const placed = (await Promise.all((await customersOrders(store, world)).map((id) => orderNow(store, id)))).filter(
      (order) => order.placed,
    )
    if (answer === 'done') expect(placed).to.have.length(1)
    if (answer !== 'done' && answer !== 'busy') expect(placed).to.have.length(0)
  }
  const update = (more: object) => (commands: Commands, world: StockWorld) =>
    commands.orders.update(context({ within: 60_000 }), {
      orderId: world.orderId!,
      by: { userId: world.customerId, staff: true },
      ...more,
    })

  return [
    {
      name: 'placing an order',
      begin: beginStock({ tea: 1, milk: 2 }),
      act: placeBoth,
      answer: 'done',
      appends: ['OrderRequested to order', 'StockReserved to product', 'StockReserved to product', 'OrderPlaced to order'],
      agrees: isPlaced,
    },
    {
      name: 'placing an order whose last unit goes meanwhile',
      begin: beginStock({ tea: 1, milk: 2 }),
      act: placeBoth,
      rival: async (world, store, index) => {
        if (index > 0) return
        const one = { customerId: customer(), items: itemsOf(world, { tea: 0, milk: 1 }), price: 1, status: 'new' }
        await processOver(store).orders.place(context(), one)
      },
      answer: 'StockShort',
      appends: [
        'OrderRequested to order',
        'StockReserved to product',
        'StockReserved to product',
        'OrderRejected to order',
        'StockReserved to product',
        'OrderSettled to order',
      ],
      agrees: isPlaced,
    },
    {
      name: 'changing an order, one item up and one down',
      begin: beginStock({ tea: 2, milk: 1 }, { tea: 1, milk: 2 }),
      meanwhile: async ({ orderId, customerId, tea, milk }, store) => {
        const { terms } = await orderNow(store, orderId!)
        const items = itemsOf({ tea, milk }, { tea: quantityOf(terms, tea), milk: 3 })
        await processOver(store).orders.update(context(), { orderId: orderId!, by: { userId: customerId, staff: true }, items })
      },
      act: (commands, world) => update({ items: itemsOf(world, { tea: 2, milk: 1 }) })(commands, world),
      answer: 'done',
      appends: [
        'OrderChangeRequested to order',
        'StockReserved to product',
        'OrderChanged to order',
        'StockReserved to product',
        'OrderSettled to order',
      ],
      agrees: async (store, world, answer) => {
        const { terms } = await orderNow(store, world.orderId!)
        if (answer === 'done') expect(quantityOf(terms, world.tea)).to.equal(2)
      },
    },
    {
      name: 'cancelling an order',
      begin: beginStock({ tea: 0, milk: 0 }, { tea: 1, milk: 2 }),
      act: update({ status: 'cancelled' }),
      answer: 'done',
      appends: ['OrderStatusChanged to order', 'StockReserved to product', 'StockReserved to product', 'OrderSettled to order'],
    },
    {
      name: 'shipping an order',
      begin: beginStock({ tea: 0, milk: 0 }, { tea: 1, milk: 2 }),
      act: update({ status: 'shipped' }),
      answer: 'done',
      appends: ['OrderStatusChanged to order', 'StockTaken to product', 'StockTaken to product', 'OrderSettled to order'],
    },
    {
      name: 'checking out a cart',
      begin: beginStock({ tea: 5, milk: 5 }, undefined, { tea: 1, milk: 2 }),
      act: (commands, world) => commands.cart.checkout(context({ within: 60_000 }), { customerId: world.customerId, price: 100 }),
      answer: 'done',
      appends: [
        'CheckoutStarted to cart',
        'OrderRequested to order',
        'StockReserved to product',
        'StockReserved to product',
        'OrderPlaced to order',
        'CheckedOut to cart',
      ],
      agrees: isPlaced,
    },
  ]
}

// ---------------------------------------------------------------- e-mail claims

type EmailWorld = {
  /** The e-mail that is wanted, and the one that the user has where there is a user. */
  readonly wanted: Email
  readonly had?: Email
  readonly userId?: UserId
  readonly since: RecordedEvent
  /** The passwords of those who came in between. */
  readonly rivals: Map<UserId, string>
}

const password = 'the password of the one who sleeps'

/** Others want each of the e-mails; in the end each has one owner, who can log in, and nobody is without. */
const assertEmailHolds = async (store: Store, world: EmailWorld, answer?: Answer): Promise<void> => {
  const { users } = processOver(store)
  for (const email of [world.wanted, ...(world.had ? [world.had] : [])]) {
    const rivals = `the password of a rival for ${email}`
    const outcome = await users.register(context(), { email, password: rivals }).catch((error: Error) => error)
    if (!(outcome instanceof Error)) world.rivals.set(outcome.value.userId, rivals)
    else expect(outcome).to.be.instanceOf(Rejected).with.property('reason', 'EmailTaken')
  }
  const owners = new Map<Email, UserId>()
  for (const userId of await usersSince(store, world.since)) {
    const { registered, email } = await userNow(store, userId)
    if (!registered || email === '') continue
    expect(owners.has(email)).to.equal(false)
    owners.set(email, userId)
    const account = await users.logIn(context(), { email, password: world.rivals.get(userId) ?? password })
    expect(account.value.userId).to.equal(userId)
  }
  expect(owners.has(world.wanted)).to.equal(true)
  if (world.had) expect(owners.has(world.had)).to.equal(true)
  if (answer === 'done') expect(world.rivals.has(owners.get(world.wanted)!)).to.equal(false)
  if (answer === 'EmailTaken') expect(world.rivals.has(owners.get(world.wanted)!)).to.equal(true)
}

const usersSince = async (store: Store, since: RecordedEvent): Promise<Set<UserId>> => {
  const found = new Set<UserId>()
  for await (const { streamId } of store.readAll({ commit: since.position, prepare: since.preparePosition })) {
    if (streamId.startsWith('user-')) found.add(streamId.slice(5) as UserId)
  }
  return found
}

function emailScenarios(): Scenario<EmailWorld>[] {
  let count = 0
  const address = (name: string) => normaliseEmail(`${name}-${++count}@example.org`)
  const begin = async (store: Store): Promise<EmailWorld> => {
    return { wanted: address('wanted'), since: await mark(store), rivals: new Map() }
  }
  return [
    {
      name: 'registering',
      begin,
      act: (commands, { wanted }) => commands.users.register(context({ within: 60_000 }), { email: wanted, password }),
      answer: 'done',
      appends: ['EmailClaimed to login', 'UserRegistered+PasswordSet to user'],
      mayAnswer: ['EmailTaken'],
    },
    {
      name: 'changing the e-mail',
      begin: async (store) => {
        const world = await begin(store)
        const had = address('had')
        const { value } = await processOver(store).users.register(context(), { email: had, password })
        return { ...world, had, userId: value.userId }
      },
      act: (commands, { userId, wanted }) =>
        commands.users.edit(context({ within: 60_000 }), { userId: userId!, oldPassword: password, email: wanted }),
      answer: 'done',
      appends: ['EmailClaimed to login', 'EmailChanged to user', 'EmailReleased to login'],
      mayAnswer: ['EmailTaken'],
    },
  ]
}

/**
 * A stop, and a sleep, before every append of an order, a change, a cancellation, a shipment, a checkout, a registration and an
 * e-mail change; then recovery, which may be at work at any time; then what the late sleeper makes of it.
 */
describe('a process that stops or sleeps between two steps', () => {
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

  for (const scenario of stockScenarios()) {
    describe(scenario.name, () => {
      walk(scenario, async (world) => {
        await recoverAll(store, world)
        await assertStockHolds(store, world)
      })
    })
  }

  for (const scenario of emailScenarios()) {
    describe(scenario.name, () => walk(scenario, (world, answer) => assertEmailHolds(store, world, answer)))
  }

  /** `settle` makes good and checks: after the stop, while the sleeper sleeps, and again when it has woken. */
  function walk<World>(scenario: Scenario<World>, settle: (world: World, answer?: Answer) => Promise<void>) {
    const withRival = (world: World): Store =>
      withHook(store, async (_, index) => void (await scenario.rival?.(world, store, index)))

    it('is done, and leaves everything settled', async () => {
      const world = await scenario.begin(store)
      const counted = countAppends(withRival(world))
      const answer = await answerOf(scenario.act(processOver(counted.store), world))
      expect(answer).to.equal(scenario.answer)
      expect(counted.appends).to.deep.equal(scenario.appends)
      await settle(world, answer)
    })

    for (const [n, name] of scenario.appends.entries()) {
      it(`stops before ${name} (${n + 1} of ${scenario.appends.length})`, async () => {
        const world = await scenario.begin(store)
        let gone = false
        const stopping = withHook(withRival(world), (_, index) => {
          gone ||= index === n
          if (gone) throw new Stopped()
        })
        const answer = await answerOf(scenario.act(processOver(stopping), world))
        expect(gone).to.equal(true)
        await settle(world)
        expect(answer).to.equal('stopped')
      })

      it(`sleeps before ${name} (${n + 1} of ${scenario.appends.length})`, async () => {
        const world = await scenario.begin(store)
        const asleep = gate()
        const woken = gate()
        const sleeping = withHook(withRival(world), async (_, index) => {
          if (index !== n) return
          asleep.open()
          await woken.opened
        })
        const finished = answerOf(scenario.act(processOver(sleeping), world))
        await asleep.opened
        await settle(world)
        await scenario.meanwhile?.(world, store)
        woken.open()
        const answer = await finished
        await settle(world, answer)
        expect(answer).to.be.oneOf(['done', 'busy', scenario.answer, ...(scenario.mayAnswer ?? [])])
        await scenario.agrees?.(store, world, answer)
      })
    }
  }
})
