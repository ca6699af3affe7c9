import { expect } from 'chai'
import { NewerEvent, schemaOf, upcast } from '../../src/eventstore/upcast.js'

describe('upcast', () => {
  const steps = {
    NameGiven: [({ name }: { name: string }) => ({ first: name }), ({ first }: { first: string }) => ({ names: [first] })],
    PriceSet: [({ price }: { price: number }) => ({ cents: price * 100 })],
  }

  it('takes an old shape through every step', () =>
    expect(upcast('NameGiven', { name: 'Ann' }, 1, steps)).to.deep.equal({ names: ['Ann'] }))
  it('takes an unmarked one for the first', () =>
    expect(upcast('NameGiven', { name: 'Ann' }, undefined, steps)).to.deep.equal({ names: ['Ann'] }))
  it('takes the steps that are left', () =>
    expect(upcast('NameGiven', { first: 'Ann' }, 2, steps)).to.deep.equal({ names: ['Ann'] }))
  it("leaves today's shape alone", () => {
    expect(upcast('NameGiven', { names: ['Ann'] }, 3, steps)).to.deep.equal({ names: ['Ann'] })
    expect(upcast('Other', { name: 'Ann' }, 1, steps)).to.deep.equal({ name: 'Ann' })
    expect(upcast('toString', { name: 'Ann' }, 1, steps)).to.deep.equal({ name: 'Ann' })
  })

  it('counts the versions of each type for itself, whenever that changed', () => {
    expect([schemaOf('NameGiven', steps), schemaOf('PriceSet', steps), schemaOf('Other', steps)]).to.deep.equal([3, 2, 1])
    expect(upcast('PriceSet', { price: 4 }, 1, steps)).to.deep.equal({ cents: 400 })
    expect(upcast('PriceSet', { cents: 400 }, 2, steps)).to.deep.equal({ cents: 400 })
  })

  it('refuses, in words, what a later release wrote', () => {
    expect(() => upcast('PriceSet', {}, 3, steps)).to.throw(NewerEvent, 'PriceSet was stored in version 3 of its shape')
    expect(() => upcast('Other', {}, 2, steps)).to.throw(NewerEvent, 'this release knows it up to 1')
  })
})
