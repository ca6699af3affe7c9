import { expect } from 'chai'
import fc from 'fast-check'
import { compareIds, idOfInteger, integerOfId, makeId, parseId } from '../../src/domain/ids.js'

describe('ids', () => {
  it('spells an integer in hex as the contract shows', () => {
    expect(idOfInteger(3704199577612345)).to.equal('694799600000000000003039')
    expect(idOfInteger(9007199254740991)).to.equal('ffffffff00000000001fffff')
    expect(idOfInteger(1)).to.equal('000000000000000000000001')
  })

  it('comes back from either spelling', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), (n) => {
        const id = idOfInteger(n)!
        expect(id).to.match(/^[0-9a-f]{24}$/)
        expect(integerOfId(id)).to.equal(n)
        expect(parseId(n)).to.equal(id)
        expect(parseId(String(n))).to.equal(id)
        expect(parseId(id.toUpperCase())).to.equal(id)
      }),
    )
  })

  it('takes other hex digits for a well-formed id of nothing', () => {
    for (const odd of ['694799600000000001003039', 'ffffffff0000000000200000', '000000000000000000000000']) {
      expect(parseId(odd)).to.equal(odd)
      expect(integerOfId(parseId(odd)!)).to.equal(undefined)
    }
  })

  it('refuses what is no id', () => {
    for (const bad of [
      0,
      -1,
      1.5,
      2 ** 53,
      Number.NaN,
      '',
      '0',
      '01',
      '-1',
      '1e3',
      'abc',
      '9007199254740992',
      'x'.repeat(24),
      'a'.repeat(25),
      `${'a'.repeat(24)} `,
      ['a'.repeat(24)],
      null,
      undefined,
      {},
      [],
      true,
    ]) {
      expect(parseId(bad), String(bad)).to.equal(undefined)
    }
  })

  it('makes ids of seconds and random bits that sort by time', () => {
    expect(makeId(1766300000, 0) < makeId(1766300001, 0)).to.equal(true)
    expect(integerOfId(makeId(1766300000, 2 ** 21 - 1))).to.equal(1766300000 * 2 ** 21 + 2 ** 21 - 1)
  })

  it('are in the order of their digits', () => {
    const [low, high] = [idOfInteger(1)!, idOfInteger(2)!]
    expect([compareIds(low, high), compareIds(high, low), compareIds(low, low)]).to.deep.equal([-1, 1, 0])
  })
})
