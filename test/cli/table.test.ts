import { expect } from 'chai'
import { table } from '../../src/cli/table.js'

describe('a table', () => {
  it('lines its columns up, numbers to the right, without quotes, boxes or spaces at the end', () => {
    expect(
      table(
        ['projection', 'rows', 'beside'],
        [
          ['users', 13, ''],
          ['orders', 20_000, '2'],
        ],
      ),
    ).to.equal(['PROJECTION   ROWS  BESIDE', 'users          13', 'orders      20000  2'].join('\n'))
  })

  it('of nothing is its names', () => {
    expect(table(['name', 'rows'], [])).to.equal('NAME  ROWS')
  })
})
