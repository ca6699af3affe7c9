import { expect } from 'chai'
import { barsOf, chartOf, svgOf } from '../../src/cli/chart.js'
import { rowsOf, tableOf } from '../../src/cli/commands/history/replay.js'
import { plain } from '../../src/cli/commands/history/words.js'
import { pngOf } from '../../src/cli/png.js'

describe('charts', () => {
  const rows = [
    { name: 'Tea & <milk>', sold: 10, back: -5 },
    { name: 'Oats', sold: 20 },
    { name: 'Rice', sold: 2.5, back: 0 },
  ]

  it('have a bar for each row, under the name of the row', () => {
    expect(barsOf(chartOf('sales', rows))).to.equal(
      [
        'sold',
        `Tea & <milk>   10  ${'█'.repeat(30)}`,
        `Oats           20  ${'█'.repeat(60)}`,
        `Rice          2.5  ${'█'.repeat(8)}`,
        '',
        'back',
        `Tea & <milk>  -5  ${'░'.repeat(60)}`,
        'Oats           -',
        'Rice           0',
        '',
      ].join('\n'),
    )
    expect(chartOf('numbers', [{ a: 1 }, { a: 2 }]).labels).to.deep.equal(['1', '2'])
    expect(() => chartOf('none', [{ a: 'x' }])).to.throw('nothing to plot')
    expect(() => chartOf('none', [])).to.throw('nothing to plot')
  })

  it('are drawn, with what is named written as text', () => {
    for (const style of ['bars', 'lines'] as const) {
      const svg = svgOf(chartOf('a "chart"', rows), style)
      expect(svg)
        .to.include('Tea &amp; &lt;milk&gt;')
        .and.include('a &quot;chart&quot;')
        .and.not.match(/NaN|undefined|Infinity/)
    }
    const empty = svgOf(chartOf('zero', [{ at: 'a', n: 0 }]), 'lines')
    expect(empty).to.not.match(/NaN|Infinity/)
  })

  it('are pictures, in which the letters are seen', () => {
    const png = pngOf(svgOf(chartOf('sales', rows), 'bars'))
    expect(png.subarray(1, 4).toString()).to.equal('PNG')
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).to.deep.equal([1920, 960])
    const mute = pngOf(svgOf(chartOf(' ', [{ name: ' ', ' ': 10 }]), 'bars'))
    expect(png.equals(mute)).to.equal(false)
    expect(png.length).to.be.greaterThan(mute.length)
  })
})

describe('what a replay prints', () => {
  it('is a row for each element, and a value where there are no columns', () => {
    expect(rowsOf(plain(new Map([['a', 1n]])))).to.deep.equal([{ key: 'a', value: '1' }])
    expect(rowsOf(plain(new Map([['a', { n: 1 }]])))).to.deep.equal([{ key: 'a', n: 1 }])
    expect(rowsOf(plain([1, { b: new Set([2]) }]))).to.deep.equal([{ value: 1 }, { b: [2] }])
    expect(rowsOf(null)).to.deep.equal([{ value: null }])
    expect(
      tableOf([
        { a: 1, b: 'x' },
        { a: 22, c: [1] },
      ]),
    ).to.equal(' A  B  C\n 1  x\n22     [1]\n')
    expect(tableOf([])).to.equal('nothing came of it\n')
  })
})
