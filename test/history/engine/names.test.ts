import { expect } from 'chai'
import { checkFilter } from '../../../src/history/engine/filter.js'
import { nearNames, UnknownName, unknownName } from '../../../src/history/engine/names.js'

describe('a name that there is not', () => {
  const known = ['OrderPlaced', 'OrderChanged', 'OrderRejected', 'CartItemAdded', 'CartItemRemoved', 'StockCounted']

  it('is told with those that come near', () => {
    expect(nearNames('OrderPlace', known)[0]).to.equal('OrderPlaced')
    expect(nearNames('order_placed', known)[0]).to.equal('OrderPlaced')
    expect(nearNames('cartitem', known)).to.have.members(['CartItemAdded', 'CartItemRemoved'])
    expect(nearNames('Zebra', known)).to.deep.equal([])
    expect(unknownName('event type', 'OrderPlcaed', known).message).to.match(/no event type "OrderPlcaed".*OrderPlaced/)
    expect(unknownName('event type', 'Zebra', known).message).to.contain('there are OrderPlaced, OrderChanged')
  })

  it('is refused in a filter', () => {
    expect(() => checkFilter({ types: ['OrderPlced'] })).to.throw(UnknownName, 'OrderPlaced')
    expect(() => checkFilter({ types: ['PasswordSet'] })).to.throw(UnknownName)
    expect(() => checkFilter({ stream: 'oder-1' })).to.throw(UnknownName, 'order-')
    expect(() => checkFilter({ stream: 'tillroll-store' })).to.throw(UnknownName)
    checkFilter({ types: ['OrderPlaced'], stream: 'ord' })
    checkFilter({ stream: 'order-0000' })
  })
})
