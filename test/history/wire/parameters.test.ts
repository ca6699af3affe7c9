import { expect } from 'chai'
import { decodeParameter } from '../../../src/history/wire/parameters.js'

/** The binary form of a numeric: how many groups of four digits, the place of the first, sign and digits after the point. */
const numeric = (groups: readonly number[], weight: number, sign: number, scale: number): Buffer => {
  const bytes = Buffer.alloc(8 + 2 * groups.length)
  bytes.writeInt16BE(groups.length, 0)
  bytes.writeInt16BE(weight, 2)
  bytes.writeUInt16BE(sign, 4)
  bytes.writeInt16BE(scale, 6)
  for (const [i, group] of groups.entries()) bytes.writeInt16BE(group, 8 + 2 * i)
  return bytes
}

const array = (oid: number, ...items: readonly (Buffer | undefined)[]): Buffer => {
  const head = Buffer.alloc(20)
  for (const [i, value] of [1, 0, oid, items.length, 1].entries()) head.writeInt32BE(value, 4 * i)
  const parts = items.map((item) => {
    const length = Buffer.alloc(4)
    length.writeInt32BE(item?.length ?? -1)
    return Buffer.concat([length, item ?? Buffer.alloc(0)])
  })
  return Buffer.concat([head, ...parts])
}

describe('a parameter in binary', () => {
  it('is read as what its type says', () => {
    for (const [hex, oid, text] of [
      ['01', 16, 'true'],
      ['fffb', 21, '-5'],
      ['fffffffb', 23, '-5'],
      ['0020000000000001', 20, '9007199254740993'],
      ['3ff8000000000000', 701, '1.5'],
      ['00000001', 1082, '2000-01-02'],
      ['00000000000f4240', 1114, '2000-01-01 00:00:01'],
      ['00000000000f4240', 1184, '2000-01-01 00:00:01+00'],
      ['c3a4', 25, 'ä'],
    ] as const) {
      expect(decodeParameter(Buffer.from(hex, 'hex'), oid, true), `${oid}`).to.equal(text)
    }
    expect(() => decodeParameter(Buffer.from('00'), 600, true)).to.throw(RangeError, 'type 600')
  })

  it('is a number with all its digits', () => {
    for (const [bytes, text] of [
      [numeric([1, 2_345, 6_780], 1, 0x4000, 4), '-12345.6780'],
      [numeric([], 0, 0, 2), '0.00'],
      [numeric([12], -1, 0, 4), '0.0012'],
      [numeric([5], 2, 0, 0), '500000000'],
      [numeric([7, 5_000], 0, 0, 1), '7.5'],
    ] as const) {
      expect(decodeParameter(bytes, 1700, true)).to.equal(text)
    }
    expect(() => decodeParameter(numeric([], 0, 0xc000, 0), 1700, true)).to.throw(RangeError, 'infinite')
  })

  it('is a list of what its type says', () => {
    const of = (text: string) => Buffer.from(text)
    expect(decodeParameter(array(25, of('a'), undefined, of(`it's, "x"`)), 1009, true)).to.equal(`['a', NULL, 'it\\'s, "x"']`)
    expect(decodeParameter(array(21, Buffer.from('0007', 'hex')), 1005, true)).to.equal('[7]')
    expect(decodeParameter(Buffer.from('000000000000000000000019', 'hex'), 1009, true)).to.equal('[]')
  })
})
