import { expect } from 'chai'
import { noticingFull } from '../../src/eventstore/full.js'
import { type Store, StoreUnavailable, WrongRevision } from '../../src/eventstore/store.js'

describe('a store whose disk may be full', () => {
  it('is full from an append that was refused for it until one is written, whatever else goes wrong between', async () => {
    const answers: (Error | undefined)[] = []
    const append: Store['append'] = async () => {
      const error = answers.shift()
      if (error) throw error
      return { revision: 0, position: 7n }
    }
    const { store, isFull } = noticingFull({ append } as Store)
    const fullAfter = async (error?: Error) => {
      answers.push(error)
      const outcome = await store.append('cart-1', [], -1).catch((thrown: unknown) => thrown)
      expect(outcome).to.deep.equal(error ?? { revision: 0, position: 7n })
      return isFull()
    }
    expect(isFull()).to.equal(false)
    expect(await fullAfter(new StoreUnavailable('away'))).to.equal(false)
    expect(await fullAfter(new StoreUnavailable('refused', { full: true }))).to.equal(true)
    expect(await fullAfter(new StoreUnavailable('away'))).to.equal(true)
    expect(await fullAfter(new WrongRevision())).to.equal(true)
    expect(await fullAfter()).to.equal(false)
  })
})
