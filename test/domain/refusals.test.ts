import { expect } from 'chai'
import { type CartCommand, type CartEvent, cart } from '../../src/domain/cart.js'
import { type Decider, type DomainEvent, Rejected } from '../../src/domain/decider.js'
import { normaliseEmail } from '../../src/domain/email.js'
import { idOfInteger, type OrderId, type ProductId, type UserId } from '../../src/domain/ids.js'
import { type LoginCommand, type LoginEvent, login } from '../../src/domain/login.js'
import { type OrderCommand, type OrderEvent, order } from '../../src/domain/order.js'
import { type ProductCommand, type ProductEvent, product } from '../../src/domain/product.js'
import { type UserCommand, type UserEvent, user } from '../../src/domain/user.js'

/** The types of the events that a command causes, joined by `+`; `-` for none; what it is refused with in brackets. */
type Verdict = string

/** What becomes of every command in every state: a row a command, a column a state. */
const table = <State, Command extends { readonly type: string }, Event extends DomainEvent>(
  decider: Decider<State, Command, Event>,
  commands: { readonly [Type in Command['type']]: true },
  states: { readonly [name: string]: readonly Event[] },
  rows: readonly (readonly [Command, ...Verdict[]])[],
  what: (command: Command) => string = ({ type }) => type,
): void => {
  const names = Object.keys(states)
  it('stands in this table with every command', () =>
    expect([...new Set(rows.map(([{ type }]) => type))]).to.have.members(Object.keys(commands)))
  for (const [command, ...verdicts] of rows) {
    it(`${what(command)}: ${verdicts.map((verdict, i) => `${names[i]} ${verdict}`).join(', ')}`, () => {
      expect(verdicts).to.have.length(names.length)
      const found = Object.values(states).map((events) => verdictOf(decider, command, events))
      expect(Object.fromEntries(found.map((verdict, i) => [names[i], verdict]))).to.deep.equal(
        Object.fromEntries(verdicts.map((verdict, i) => [names[i], verdict])),
      )
    })
  }
}

const verdictOf = <State, Command, Event extends DomainEvent>(
  decider: Decider<State, Command, Event>,
  command: Command,
  events: readonly Event[],
): Verdict => {
  const state = events.reduce((before, event, revision) => decider.evolve(before, event, revision), decider.initial)
  try {
    const types = decider.decide(command, state).map(({ type }) => type)
    return types.join('+') || '-'
  } catch (error) {
    if (!(error instanceof Rejected)) throw error
    return `(${error.reason})`
  }
}

const at = '2026-01-01T00:00:00.000Z'
const ann: UserId = idOfInteger(1)!
const bob: UserId = idOfInteger(2)!
const tea: ProductId = idOfInteger(3)!
const milk: ProductId = idOfInteger(4)!
const orderId: OrderId = idOfInteger(5)!
const other: OrderId = idOfInteger(6)!

describe('each command in each state', () => {
  describe('of a login', () => {
    const claimed = (userId: UserId): LoginEvent => ({ type: 'EmailClaimed', data: { login: 'x', userId, at } })
    const claim = { type: 'ClaimEmail' as const, login: 'x', at }
    const release = { type: 'ReleaseEmail' as const, login: 'x', claimRevision: 0, at }
    table<typeof login.initial, LoginCommand, LoginEvent>(
      login,
      { ClaimEmail: true, ReleaseEmail: true },
      {
        free: [],
        claimed: [claimed(ann)],
        'claimed again': [claimed(ann), claimed(ann)],
        released: [claimed(ann), { type: 'EmailReleased', data: { login: 'x', userId: ann, at } }],
      },
      [
        [{ ...claim, userId: ann }, 'EmailClaimed', 'EmailClaimed', 'EmailClaimed', 'EmailClaimed'],
        [{ ...claim, userId: bob }, 'EmailClaimed', '(EmailTaken)', '(EmailTaken)', 'EmailClaimed'],
        // That the first claim was ended says nothing of a later one.
        [{ ...claim, userId: bob, ended: 0 }, 'EmailClaimed', 'EmailClaimed', '(EmailTaken)', 'EmailClaimed'],
        [{ ...release, userId: ann }, '-', 'EmailReleased', '-', '-'],
        [{ ...release, userId: bob }, '-', '-', '-', '-'],
      ],
      (command) =>
        `${command.type} by ${command.userId === ann ? 'Ann' : 'Bob'}${'ended' in command ? ' over an ended one' : ''}`,
    )
  })

  describe('of a user', () => {
    const email = normaliseEmail('ann@example.org')
    const claim = { login: 'x', claimRevision: 3 }
    const registered: UserEvent = { type: 'UserRegistered', data: { userId: ann, name: 'Ann', email, ...claim, at } }
    const password: UserEvent = { type: 'PasswordSet', data: { userId: ann, hash: 'h', at } }
    table<typeof user.initial, UserCommand, UserEvent>(
      user,
      {
        Register: true,
        Edit: true,
        VoidClaim: true,
        GrantRole: true,
        ResetPassword: true,
        UseOneTimePassword: true,
        RehashPassword: true,
        SignOut: true,
      },
      {
        unknown: [],
        'voids alone': [{ type: 'EmailClaimVoided', data: { userId: ann, ...claim, at } }],
        registered: [registered, password],
        erased: [registered, password, { type: 'UserErased', data: { userId: ann, at } }],
      },
      [
        [
          { type: 'Register', userId: ann, name: 'Ann', email, login: 'x', claimRevision: 4, hash: 'h', at },
          'UserRegistered+PasswordSet',
          'UserRegistered+PasswordSet',
          '(UserExists)',
          '(UserExists)',
        ],
        [
          { type: 'Register', userId: ann, name: 'Ann', email, ...claim, hash: 'h', at },
          'UserRegistered+PasswordSet',
          '(EmailTaken)',
          '(UserExists)',
          '(UserExists)',
        ],
        [{ type: 'Edit', userId: ann, name: 'Anna', at }, '(UserNotFound)', '(UserNotFound)', 'UserRenamed', '(UserNotFound)'],
        [{ type: 'VoidClaim', userId: ann, ...claim, at }, 'EmailClaimVoided', '-', 'EmailClaimVoided', 'EmailClaimVoided'],
        [
          { type: 'GrantRole', userId: ann, role: 'staff', at },
          '(UserNotFound)',
          '(UserNotFound)',
          'RoleGranted',
          '(UserNotFound)',
        ],
        [
          { type: 'ResetPassword', userId: ann, hash: 'i', oneTimeUntil: '2030-01-01T00:00:00.000Z', at },
          '(UserNotFound)',
          '(UserNotFound)',
          'PasswordSet',
          '(UserNotFound)',
        ],
        [
          { type: 'UseOneTimePassword', userId: ann, at },
          '(UserNotFound)',
          '(UserNotFound)',
          '(WrongPassword)',
          '(UserNotFound)',
        ],
        [
          { type: 'RehashPassword', userId: ann, was: 'h', hash: 'i', at },
          '(UserNotFound)',
          '(UserNotFound)',
          'PasswordRehashed',
          '(UserNotFound)',
        ],
        [{ type: 'SignOut', userId: ann, at }, '(UserNotFound)', '(UserNotFound)', 'SignedOut', '(UserNotFound)'],
      ],
    )
  })

  describe('of a product', () => {
    const id = { productId: tea }
    const step = { ...id, orderId, orderRevision: 0, at }
    const added: ProductEvent = { type: 'ProductAdded', data: { ...id, name: 'Tea', stock: 2, at } }
    const reserved: ProductEvent = { type: 'StockReserved', data: { ...step, quantity: 2, was: 0 } }
    const retired: ProductEvent = { type: 'ProductRetired', data: { ...id, at } }
    table<typeof product.initial, ProductCommand, ProductEvent>(
      product,
      { AddProduct: true, UpdateProduct: true, RetireProduct: true, Reserve: true, Settle: true, Take: true },
      { unknown: [], added: [added], reserved: [added, reserved], retired: [added, reserved, retired] },
      [
        [
          { type: 'AddProduct', ...id, name: 'Tea', stock: 1, at },
          'ProductAdded',
          '(ProductExists)',
          '(ProductExists)',
          '(ProductExists)',
        ],
        [
          { type: 'UpdateProduct', ...id, stock: 9, at },
          '(ProductNotFound)',
          'StockCounted',
          'StockCounted',
          '(ProductNotFound)',
        ],
        [{ type: 'RetireProduct', ...id, at }, '(ProductNotFound)', 'ProductRetired', 'ProductRetired', '(ProductNotFound)'],
        [
          { type: 'Reserve', ...step, orderId: other, quantity: 1 },
          '(ProductNotFound)',
          'StockReserved',
          '(StockShort)',
          '(ProductNotFound)',
        ],
        // An outcome is never refused: whatever became of the product, what the order holds of it is set right.
        [{ type: 'Settle', ...step, quantity: 0, fence: false }, '-', '-', 'StockReserved', 'StockReserved'],
        [
          { type: 'Settle', ...step, quantity: 0, fence: true },
          'StockReserved',
          'StockReserved',
          'StockReserved',
          'StockReserved',
        ],
        [{ type: 'Take', ...step }, '-', '-', 'StockTaken', 'StockTaken'],
      ],
    )
  })

  describe('of a cart', () => {
    const id = { cartId: ann }
    const added: CartEvent = { type: 'CartItemAdded', data: { ...id, productId: tea, amount: 1, at } }
    const started: CartEvent = { type: 'CheckoutStarted', data: { ...id, orderId, lines: [{ productId: tea, amount: 1 }], at } }
    const ended: CartEvent = { type: 'CheckedOut', data: { ...id, orderId, at } }
    table<typeof cart.initial, CartCommand, CartEvent>(
      cart,
      { AddItem: true, ChangeAmount: true, RemoveItem: true, StartCheckout: true, FinishCheckout: true },
      { empty: [], filled: [added], 'being checked out': [added, started], 'checked out': [added, started, ended] },
      [
        [
          { type: 'AddItem', ...id, productId: milk, amount: 1, at },
          'CartItemAdded',
          'CartItemAdded',
          'CartItemAdded',
          'CartItemAdded',
        ],
        [
          { type: 'ChangeAmount', ...id, productId: tea, amount: 2, at },
          '(LineNotFound)',
          'CartItemAmountChanged',
          'CartItemAmountChanged',
          '(LineNotFound)',
        ],
        [
          { type: 'RemoveItem', ...id, productId: tea, at },
          '(LineNotFound)',
          'CartItemRemoved',
          'CartItemRemoved',
          '(LineNotFound)',
        ],
        [{ type: 'StartCheckout', ...id, orderId, at }, '(CartEmpty)', 'CheckoutStarted', '(CheckoutOutstanding)', '(CartEmpty)'],
        [{ type: 'FinishCheckout', ...id, orderId, placed: true, at }, '-', '-', 'CheckedOut', '-'],
        [{ type: 'FinishCheckout', ...id, orderId: other, placed: false, at }, '-', '-', '-', '-'],
      ],
    )
  })

  describe('of an order', () => {
    const items = [{ productId: tea, quantity: 2, price: 100 }]
    const fewer = [{ productId: tea, quantity: 1, price: 100 }]
    const data = { orderId, customerId: ann, items, price: 200, status: 'new', at }
    const requested: OrderEvent = { type: 'OrderRequested', data }
    const placed: OrderEvent = { type: 'OrderPlaced', data }
    const rejected: OrderEvent = { type: 'OrderRejected', data: { orderId, reason: 'StockShort', at } }
    const settled: OrderEvent = { type: 'OrderSettled', data: { orderId, at } }
    const asked: OrderEvent = { type: 'OrderChangeRequested', data: { ...data, items: fewer, price: 100 } }
    const abandoned: OrderEvent = { type: 'OrderChangeAbandoned', data: { orderId, reason: 'StockShort', at } }
    const status = (word: string): OrderEvent => ({ type: 'OrderStatusChanged', data: { orderId, status: word, at } })
    const states = {
      none: [],
      requested: [requested],
      rejected: [requested, rejected],
      'rejected, settled': [requested, rejected, settled],
      placed: [requested, placed],
      'being changed': [requested, placed, asked],
      abandoned: [requested, placed, asked, abandoned],
      cancelled: [requested, placed, status('cancelled'), settled],
      shipped: [requested, placed, status('shipped'), settled],
    }
    const update = { type: 'UpdateOrder' as const, orderId, by: { userId: ann, staff: false }, at }
    const row = <Command extends OrderCommand>(command: Command, ...verdicts: Verdict[]): [Command, ...Verdict[]] => [
      command,
      ...verdicts,
    ]
    const [exists, missing, open, unsettled] = ['(OrderExists)', '(OrderNotFound)', '(NothingOpen)', '(OrderUnsettled)']
    const byWord = (command: OrderCommand): string => ('status' in command ? `${command.type} ${command.status}` : command.type)
    table<typeof order.initial, OrderCommand, OrderEvent>(
      order,
      { RequestOrder: true, UpdateOrder: true, Accept: true, GiveUp: true, Settle: true },
      states,
      [
        row(
          { type: 'RequestOrder', orderId, customerId: ann, items, status: 'new', at },
          'OrderRequested',
          exists,
          exists,
          'OrderRequested',
          ...[exists, exists, exists, exists, exists],
        ),
        row({ type: 'Accept', orderId, at }, open, 'OrderPlaced', open, open, open, 'OrderChanged', open, open, open),
        row(
          { type: 'GiveUp', orderId, reason: 'Unfinished', at },
          'OrderRejected',
          'OrderRejected',
          ...[open, open, open],
          'OrderChangeAbandoned',
          ...[open, open, open],
        ),
        row({ type: 'Settle', orderId, at }, '-', unsettled, 'OrderSettled', '-', '-', unsettled, 'OrderSettled', '-', '-'),
        row(
          { ...update, items: fewer },
          ...[missing, missing, missing, missing],
          'OrderChangeRequested',
          unsettled,
          unsettled,
          '(OrderCancelled)',
          '(StaffOnly)',
        ),
        row(
          { ...update, status: 'packed' },
          ...[missing, missing, missing, missing],
          'OrderStatusChanged',
          unsettled,
          unsettled,
          '(OrderCancelled)',
          '(StaffOnly)',
        ),
        row(
          { ...update, status: 'cancelled' },
          ...[missing, missing, missing, missing],
          'OrderStatusChanged',
          unsettled,
          unsettled,
          '-',
          '(StaffOnly)',
        ),
      ],
      byWord,
    )
  })
})
