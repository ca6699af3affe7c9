import { expect } from 'chai'
import { upcast } from '../../src/eventstore/upcast.js'

describe('upcast', () => {
  const steps = {
    NameGiven: [({ name }: { name: string }) => ({ first: name }), ({ first }: { first: string }) => ({ names: [first] })],
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
  })
})
