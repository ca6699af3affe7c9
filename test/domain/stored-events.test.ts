import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { cart } from '../../src/domain/cart.js'
import { catalogue } from '../../src/domain/catalogue.js'
import { login } from '../../src/domain/login.js'
import { order } from '../../src/domain/order.js'
import { product } from '../../src/domain/product.js'
import { noReservations } from '../../src/domain/reservations.js'
import { user } from '../../src/domain/user.js'
import { upcast } from '../../src/eventstore/upcast.js'

type Stored = { category: string; type: string; data: unknown; schema?: number }
const stored: Stored[] = JSON.parse(readFileSync(new URL('./stored-events.json', import.meta.url), 'utf8'))
const foldOf = <State>(decider: {
  category: string
  initial: State
  evolve: (state: State, event: never, revision: number) => State
}) => {
  const events = stored.filter(({ category }) => category === decider.category)
  return events.reduce(
    (state, { type, data, schema }, revision) =>
      decider.evolve(state, { type, data: upcast(type, data, schema) } as never, revision),
    decider.initial,
  )
}

/** One of every shape that was ever stored: a change that no longer folds one of them would lose history. */
describe('stored events', () => {
  it('fold into what they said when they were written', () => {
    expect(foldOf(login)).to.deep.equal({ claim: undefined })
    expect(foldOf(user)).to.include({ erased: true, email: '', epoch: 5 })
    expect(foldOf(product)).to.deep.include({
      name: 'Green tea',
      price: 500,
      free: 7,
      retired: true,
      reservations: noReservations,
    })
    expect(foldOf(cart)).to.deep.equal({ lines: [], checkout: undefined })
    expect(foldOf(order)).to.deep.include({ placed: true, phase: 'shipped', settled: true, todo: [] })
    expect(foldOf(order).terms).to.deep.equal({
      items: [{ productId: '0000000000000000000000a1', quantity: 1, price: 450 }],
      price: 450,
      status: 'shipped',
    })
  })

  it('hold every type that the deciders know', () => {
    expect([...new Set(stored.map(({ type }) => type))]).to.have.members([...catalogue.keys()])
  })

  it('carry a state that is read as it was written', () => {
    const { carried } = stored.find(({ type }) => type === 'ProductCarriedForward')!.data as { carried: string }
    expect(product.carryForward!.read(JSON.parse(carried).state)).to.deep.include({ name: 'Green tea', free: 7 })
  })
})
