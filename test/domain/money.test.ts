import { expect } from 'chai'
import fc from 'fast-check'
import { centsOfDecimal, decimalOfCents } from '../../src/domain/money.js'

describe('money', () => {
  it('is exact both ways', () => {
    const exact = fc.property(fc.integer({ min: 0, max: 2 ** 46 * 100 - 1 }), (cents) => {
      expect(centsOfDecimal(decimalOfCents(cents))).to.equal(cents)
    })
    fc.assert(exact)
    expect(centsOfDecimal(19.99)).to.equal(1999)
    expect(centsOfDecimal(1.1)).to.equal(110)
    expect(centsOfDecimal(0)).to.equal(0)
  })

  it('refuses more than two places, negative amounts and what is no amount', () => {
    for (const bad of [
      0.001,
      19.999,
      -1,
      -0.01,
      1e-7,
      1e21,
      2 ** 53,
      2 ** 46,
      80_000_000_000_000.02,
      Number.NaN,
      Number.POSITIVE_INFINITY,
    ]) {
      expect(centsOfDecimal(bad), String(bad)).to.equal(undefined)
    }
  })
})
