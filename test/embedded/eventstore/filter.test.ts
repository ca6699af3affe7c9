import { expect } from 'chai'
import { makeFilter } from '../../../src/embedded/eventstore/protocol/filter.js'
import { eventSize, openEvent, writeEvent } from '../../../src/embedded/eventstore/storage/event.js'
import { kinds, overhead, payloadAt, sealRecord } from '../../../src/embedded/eventstore/storage/log/record.js'

const ofType = (type: string) => {
  const event = {
    id: '00000000-0000-4000-8000-000000000000',
    type,
    json: true,
    data: Buffer.from('{}'),
    customMetadata: Buffer.alloc(0),
  }
  const at = { stream: Buffer.from('stream'), revision: 0, position: 0, created: Date.now() }
  const size = eventSize(event, at)
  const record = Buffer.alloc(size + overhead)
  writeEvent(record, payloadAt, event, at)
  sealRecord(record, 0, kinds.event, size, 0, 0)
  return openEvent(record)
}

describe("a filter's expression", () => {
  const finds = (regex: string, type: string): boolean => makeFilter({ on: 'type', regex, prefixes: [] })(ofType(type))
  const cases: readonly (readonly [regex: string, found: string, not: string])[] = [
    ['^order\\-[0-9]+$', 'order-12', 'order12'],
    ['a\\ b\\#\\&c', 'a b#&c', 'ab#&c'],
    ['^[a\\-c]$', '-', 'b'],
    ['^[\\#a]{2}$', '#a', '#b'],
    ['(?i)^ORDER', 'orderPlaced', 'reorder'],
    ['\\AOrder\\z', 'Order', 'OrderPlaced'],
    ['\\AOrder\\Z', 'Order', 'reOrder'],
    ['^a}b]c{$', 'a}b]c{', 'ab'],
    ['^\\{x\\}\\-y{2}$', '{x}-yy', '{x}-y'],
    ['^(?!\\$).+\\-v1$', 'Placed-v1', '$Placed-v1'],
  ]
  for (const [regex, found, not] of cases) {
    it(`${regex} means what it means in .NET`, () => {
      expect([finds(regex, found), finds(regex, not)]).to.deep.equal([true, false])
    })
  }

  it('is refused where it is none', () => {
    for (const regex of ['(', '[a', '*', 'a\\', '(?i)(', '\\-(?<']) expect(() => finds(regex, 'a'), regex).to.throw(SyntaxError)
  })
})
