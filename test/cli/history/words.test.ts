import { expect } from 'chai'
import { plotOf } from '../../../src/cli/commands/history/stats.js'
import { treeOf } from '../../../src/cli/commands/history/trace.js'
import type { HistoryEvent } from '../../../src/history/engine/event.js'
import { streamNamed } from '../../../src/history/engine/filter.js'

const event = (stream: string, revision: number, type: string): HistoryEvent => ({
  id: `${stream}${revision}`,
  position: 1n,
  preparePosition: 1n,
  stream,
  category: stream.slice(0, stream.indexOf('-')),
  revision,
  type,
  at: '2026-01-01T00:00:00.000Z',
  actor: 'kim',
  correlation: 'c',
  causation: undefined,
  data: { at: '2026-01-01T00:00:00.000Z', n: 1 },
})

describe('what the history commands print', () => {
  it('takes a stream by the number that people know it by', () => {
    expect(streamNamed('product-7')).to.equal('product-000000000000000000000007')
    expect(streamNamed('user-00000001000000000000000a')).to.equal('user-00000001000000000000000a')
    expect(streamNamed('login-x')).to.equal('login-x')
  })

  it('draws a bar for each period', () => {
    const plot = plotOf([
      { period: 'mon', type: 'A', events: 30 },
      { period: 'mon', type: 'B', events: 90 },
      { period: 'tue', type: 'A', events: 60 },
    ])
    expect(plot).to.equal(`mon  120  ${'█'.repeat(60)}\ntue   60  ${'█'.repeat(30)}\n`)
  })

  it('draws a tree of what a request caused', () => {
    const leaf = { event: event('product-1', 4, 'StockReserved'), caused: [] }
    const tree = treeOf({
      correlation: 'c',
      actor: 'kim',
      at: 'noon',
      streams: [
        { stream: 'cart-1', events: [{ event: event('cart-1', 2, 'CheckoutStarted'), caused: [leaf] }] },
        { stream: 'order-1', events: [{ event: event('order-1', 0, 'OrderRequested'), caused: [] }] },
      ],
    })
    const [at, by] = ['2026-01-01T00:00:00.000Z', 'by kim  {"n":1}']
    expect(tree.split('\n')).to.deep.equal([
      'request c by kim at noon',
      '├─ cart-1',
      `│  └─ 2  ${at}  CheckoutStarted  ${by}`,
      `│     └─ product-1 4  ${at}  StockReserved  ${by}`,
      '└─ order-1',
      `   └─ 0  ${at}  OrderRequested  ${by}`,
      '',
    ])
  })
})
