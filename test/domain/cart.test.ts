import { expect } from 'chai'
import { cart } from '../../src/domain/cart.js'
import { idOfInteger, type OrderId, type ProductId, type UserId } from '../../src/domain/ids.js'
import { scenarios } from '../support/given.js'

const at = '2026-01-01T00:00:00.000Z'
const cartId = '000000000000000000000001' as UserId
const tea = '0000000000000000000000a1' as ProductId
const milk = '0000000000000000000000a2' as ProductId
const orderId = '0000000000000000000000b1' as OrderId
const added = (productId: ProductId, amount: number) => ({
  type: 'CartItemAdded' as const,
  data: { cartId, productId, amount, at },
})
const changed = (productId: ProductId, amount: number) => ({
  type: 'CartItemAmountChanged' as const,
  data: { cartId, productId, amount, at },
})
const removed = (productId: ProductId) => ({ type: 'CartItemRemoved' as const, data: { cartId, productId, at } })
const started = { type: 'CheckoutStarted' as const, data: { cartId, orderId, lines: [{ productId: tea, amount: 2 }], at } }
const checkedOut = { type: 'CheckedOut' as const, data: { cartId, orderId, at } }
const failed = { type: 'CheckoutFailed' as const, data: { cartId, orderId, at } }
const { given, fold } = scenarios(cart)

describe('cart', () => {
  it('adds an item, and adds the amounts up', () => {
    given().when({ type: 'AddItem', cartId, productId: tea, amount: 2, at }).then(added(tea, 2))
    expect(fold([added(tea, 2), added(milk, 1), added(tea, 3)]).lines).to.deep.equal([
      { productId: tea, amount: 5 },
      { productId: milk, amount: 1 },
    ])
  })
  it('holds at most 10,000 of a product and 100 lines', () => {
    given(added(tea, 9_999)).when({ type: 'AddItem', cartId, productId: tea, amount: 1, at }).then(added(tea, 1))
    given(added(tea, 9_999)).when({ type: 'AddItem', cartId, productId: tea, amount: 2, at }).rejected('AmountTooLarge')
    const full = Array.from({ length: 100 }, (_, i) => added(idOfInteger(i + 1)!, 1))
    given(...full)
      .when({ type: 'AddItem', cartId, productId: tea, amount: 1, at })
      .rejected('CartFull')
    given(...full)
      .when({ type: 'AddItem', cartId, productId: idOfInteger(7)!, amount: 1, at })
      .then(added(idOfInteger(7)!, 1))
  })
  it('changes the amount of a line that is there, where it changes', () => {
    given(added(tea, 2)).when({ type: 'ChangeAmount', cartId, productId: tea, amount: 5, at }).then(changed(tea, 5))
    given(added(tea, 2)).when({ type: 'ChangeAmount', cartId, productId: tea, amount: 2, at }).then()
    given(added(tea, 2)).when({ type: 'ChangeAmount', cartId, productId: milk, amount: 2, at }).rejected('LineNotFound')
  })
  it('removes a line once', () => {
    given(added(tea, 2)).when({ type: 'RemoveItem', cartId, productId: tea, at }).then(removed(tea))
    given(added(tea, 2), removed(tea)).when({ type: 'RemoveItem', cartId, productId: tea, at }).rejected('LineNotFound')
  })

  it('starts one checkout at a time, of what is in it', () => {
    given(added(tea, 2)).when({ type: 'StartCheckout', cartId, orderId, at }).then(started)
    given().when({ type: 'StartCheckout', cartId, orderId, at }).rejected('CartEmpty')
    given(added(tea, 2), started).when({ type: 'StartCheckout', cartId, orderId, at }).rejected('CheckoutOutstanding')
  })
  it('ends the checkout that is outstanding, and no other', () => {
    given(added(tea, 2), started).when({ type: 'FinishCheckout', cartId, orderId, placed: true, at }).then(checkedOut)
    given(added(tea, 2), started).when({ type: 'FinishCheckout', cartId, orderId, placed: false, at }).then(failed)
    given(added(tea, 2), started, checkedOut).when({ type: 'FinishCheckout', cartId, orderId, placed: true, at }).then()
  })
  it('keeps what was put in during the checkout, and all of it when the checkout fails', () => {
    expect(fold([added(tea, 2), started, added(tea, 1), added(milk, 4), checkedOut]).lines).to.deep.equal([
      { productId: tea, amount: 1 },
      { productId: milk, amount: 4 },
    ])
    expect(fold([added(tea, 2), started, removed(tea), checkedOut]).lines).to.deep.equal([])
    expect(fold([added(tea, 2), started, failed]).lines).to.deep.equal([{ productId: tea, amount: 2 }])
  })
})
