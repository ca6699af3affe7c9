import { EventStoreDBClient, streamNameFilter } from '@eventstore/db-client'
import { expect } from 'chai'
import { makeFilter } from '../../../src/embedded/eventstore/protocol/filter.js'
import { eventSize, openEvent, writeEvent } from '../../../src/embedded/eventstore/storage/event.js'
import { kinds, overhead, payloadAt, sealRecord } from '../../../src/embedded/eventstore/storage/log/record.js'
import { event, listen } from '../../eventstore/contract/store.js'
import { startEventStore, type TestEventStore } from '../../support/eventstore.js'

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
    ['^(?=[^$]).+\\#$', 'Placed#', '$Placed#'],
    ['^(?!(?:[$(]|\\(x)).+1$', 'Placed1', '(x1'],
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

  it('is refused by name where it can not be matched in linear time', () => {
    for (const regex of ['(a)\\1', '(?<=a)b', 'a(?!b)', '^(?!a)b|c', '(?>a+)', '(?x) a', 'a{2000}', '(?:[ab]?){900}'])
      expect(() => finds(regex, 'a'), regex).to.throw(SyntaxError, regex)
  })

  it('takes linear time, whatever it is', () => {
    const began = performance.now()
    expect(finds('^(a+)+$', `${'a'.repeat(50_000)}!`)).to.equal(false)
    expect(finds('(?:[ab]?){400}[cd]', 'ab'.repeat(25_000))).to.equal(false)
    expect(performance.now() - began).to.be.lessThan(5_000)
  })

  it('excludes system events in every spelling of the clients', () => {
    for (const regex of ['^[^$].*', '^[^\\$].*', '^[^$]'])
      expect(
        ['Placed', '$metadata', '$>'].map((type) => finds(regex, type)),
        regex,
      ).to.deep.equal([true, false, false])
  })
})

describe('a subscription whose expression needs backtracking', () => {
  let store: TestEventStore
  let client: EventStoreDBClient
  before(async () => {
    store = await startEventStore()
    client = EventStoreDBClient.connectionString(store.url)
  })
  after(async () => {
    await client.dispose()
    await store.stop()
  })

  it('freezes nobody', async () => {
    await client.appendToStream(`${'a'.repeat(40)}!`, event())
    const log = listen(client.subscribeToAll({ filter: streamNameFilter({ regex: '^(a+)+$' }) }))
    await log.until(() => log.said.includes('caughtUp'))
    expect(log.events).to.deep.equal([])
    await log.stop()
  })

  it('is refused by name where only backtracking would do', async () => {
    const subscription = client.subscribeToAll({ filter: streamNameFilter({ regex: '(a)\\1' }) })
    const error = await new Promise<Error & { code: number }>((resolve) => subscription.on('error', resolve as never))
    expect(error.code).to.equal(3)
    expect(error.message).to.contain('"(a)\\1" is none that the node takes')
  })
})
