import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { connectStore } from '../../src/eventstore/client.js'
import { createFeed } from '../../src/eventstore/feed.js'
import { scanAll } from '../../src/eventstore/scan.js'
import { noStream, type Position, PositionLost, type Store, StoreUnavailable } from '../../src/eventstore/store.js'
import { withTlsGuess } from '../../src/eventstore/tls-guess.js'
import { startEventStore } from '../support/eventstore.js'
import { type StrictEventStore, startStrictEventStore } from '../support/strict-eventstore.js'
import { until } from '../support/until.js'

const newEvent = () => ({ id: randomUUID(), type: 'OrderPlaced', data: {}, metadata: {} })
const drained = async (events: AsyncIterable<unknown>): Promise<number> => {
  let count = 0
  for await (const _ of events) count++
  return count
}
const failureOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  )

/** Every way to read `$all` after a position. */
const ways = (store: Store, after: Position): readonly (readonly [string, () => Promise<unknown>])[] => [
  ['readAll', () => drained(store.readAll(after))],
  ['scanAll', () => drained(scanAll(store.url!, { after }))],
  ['subscribe', () => drained(store.subscribe(after, { signal: AbortSignal.timeout(5_000) }))],
]

describe('a position inside a record', () => {
  for (const as2310 of [false, true]) {
    describe(`as ${as2310 ? '23.10' : '24.10'} tells it`, () => {
      let node: StrictEventStore
      let store: Store
      let inside: Position
      before(async () => {
        node = await startStrictEventStore({ as2310 })
        store = connectStore(node.url)
        const place = async () => (await store.append(`order-${randomUUID()}`, [newEvent()], noStream)).position
        const commit = (await place()) + 1n
        await place()
        inside = { commit, prepare: commit }
      })
      after(async () => {
        await store.close()
        await node.stop()
      })

      it('is told from an outage by all that read from it', async () => {
        for (const [what, read] of ways(store, inside)) expect(await failureOf(read()), what).to.be.instanceOf(PositionLost)
        expect(await store.eventAt(inside)).to.equal(undefined)
      })

      it('is not what an outage is taken for', async () => {
        node.behaviour.notReady = true
        for (const [what, read] of [...ways(store, inside), ['eventAt', () => store.eventAt(inside)] as const])
          expect(await failureOf(read()), what).to.be.instanceOf(StoreUnavailable)
        node.behaviour.notReady = false
      })
    })
  }
})

describe('what an address lacks', () => {
  const fixture = (name: string): string => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url))
  const cases = [
    [
      'the password',
      (port: number) => `esdb://admin:wrong@localhost:${port}?tls=true&tlsCAFile=${fixture('cert.pem')}`,
      /the password/,
    ],
    ['a user', (port: number) => `esdb://localhost:${port}?tls=true&tlsCAFile=${fixture('cert.pem')}`, /denies access.*\$all/],
    ['the authority', (port: number) => `esdb://admin:s3cr3t-w0rd@localhost:${port}?tls=true`, /not trusted.*tlsCAFile/],
    ['TLS', (port: number) => `esdb://localhost:${port}?tls=false`, /perhaps tls=false in the address is wrong/],
  ] as const
  for (const [what, url, told] of cases) {
    it(`is told where it is ${what}, by every call`, async () => {
      const node = await startEventStore({
        tls: { cert: await readFile(fixture('cert.pem')), key: await readFile(fixture('key.pem')) },
        passwords: { admin: 's3cr3t-w0rd', ops: 'other' },
      })
      const store = connectStore(url(node.port))
      for (const work of [
        () => store.last(),
        () => drained(store.readAll()),
        () => drained(store.subscribe(undefined, { signal: AbortSignal.timeout(5_000) })),
        () => drained(scanAll(store.url!)),
      ]) {
        const error = (await failureOf(work())) as StoreUnavailable
        expect(error).to.be.instanceOf(StoreUnavailable)
        expect(error.missing).to.match(told).and.not.contain('s3cr3t-w0rd')
      }
      await store.close()
      await node.stop()
    })
  }

  it('is told where TLS is asked of a node that has none', async () => {
    const node = await startEventStore()
    const store = connectStore(`esdb://localhost:${node.port}?tls=true`)
    expect(((await failureOf(store.last())) as StoreUnavailable).missing).to.match(/perhaps tls=false is missing/)
    await store.close()
    await node.stop()
  })

  it('is guessed where a server of TLS only drops the connection', async () => {
    const node = await startEventStore({
      tls: { cert: await readFile(fixture('cert.pem')), key: await readFile(fixture('key.pem')) },
    })
    const away = new StoreUnavailable('read ECONNRESET')
    const url = (port: number) => `esdb://localhost:${port}?tls=false`
    expect(((await withTlsGuess(url(node.port), away)) as StoreUnavailable).missing).to.match(/perhaps tls=false/)
    const plain = await startEventStore()
    expect(await withTlsGuess(url(plain.port), away)).to.equal(away)
    await Promise.all([node.stop(), plain.stop()])
  })
})

describe('a feed over a strict store', () => {
  it('says once a minute what is missing, and goes on when it is there', async () => {
    const node = await startStrictEventStore()
    const store = connectStore(node.url)
    const warned: string[] = []
    const feed = createFeed({
      store,
      log: { warn: (_: object, what: string) => warned.push(what), info: () => undefined } as never,
      probeEvery: 20,
    })
    const stop = new AbortController()
    let seen = 0
    const following = feed.follow({
      signal: stop.signal,
      onBatch: (events) => {
        seen += events.length
      },
    })
    await until(() => feed.healthy(500))
    node.behaviour.refuses = { code: 16, message: 'UNAUTHENTICATED' }
    node.dropConnections()
    await until(() => feed.problem()?.missing !== undefined)
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    expect(warned.filter((what) => /EVENTSTORE_URL.*the password/.test(what))).to.have.length(1)
    node.behaviour.refuses = undefined
    await until(() => feed.problem() === undefined)
    await store.append(`order-${randomUUID()}`, [newEvent()], noStream)
    await until(() => seen === 1)
    stop.abort()
    await following
    await feed.close()
    await store.close()
    await node.stop()
  })
})
