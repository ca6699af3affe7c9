import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EventStoreDBClient } from '@eventstore/db-client'
import { expect } from 'chai'
import { connectStore } from '../../src/eventstore/client.js'
import { summaryOf } from '../../src/eventstore/latency.js'
import { createDatabase, type TestDatabase } from '../support/postgres.js'
import { spawnCli } from '../support/spawn-shop.js'
import { type StrictEventStore, startStrictEventStore } from '../support/strict-eventstore.js'

describe('tillroll eventstore latency', function () {
  this.timeout(60_000)
  let data: string
  let node: StrictEventStore
  let database: TestDatabase
  before(async () => {
    data = await mkdtemp(join(tmpdir(), 'tillroll-latency-'))
    node = await startStrictEventStore({ reads: 25, appends: 5 })
    database = await createDatabase()
  })
  after(async () => {
    await node.stop()
    await database.drop()
    await rm(data, { recursive: true })
  })

  const run = (...args: string[]): Promise<{ code: number | null; out: string; err: string }> =>
    new Promise((resolve) => {
      const env = { TILLROLL_DATA: data, EVENTSTORE_URL: node.url, DATABASE_URL: database.url }
      const child = spawnCli(['eventstore', 'latency', ...args], env)
      let [out, err] = ['', '']
      child.stdout!.on('data', (chunk: Buffer) => (out += chunk.toString()))
      child.stderr!.on('data', (chunk: Buffer) => (err += chunk.toString()))
      child.on('close', (code) => resolve({ code, out, err }))
    })
  type Figures = { calls: number; median: number; p99: number }

  it('tells the median and the 99th percentile of both, and leaves no stream and no event of the shop', async () => {
    const { code, out, err } = await run('--calls', '40', '--json')
    expect(code, err).to.equal(0)
    const { read, append } = JSON.parse(out) as { read: Figures; append: Figures }
    expect([read.calls, append.calls]).to.deep.equal([40, 40])
    expect(read.median).to.be.at.least(25)
    expect(append.median).to.be.at.least(5).and.below(read.median)
    for (const { median, p99 } of [read, append]) expect(p99).to.be.at.least(median)
    node.behaviour.reads = 0
    node.behaviour.appends = 0

    const client = EventStoreDBClient.connectionString(node.url)
    const streams = new Set<string>()
    for await (const { event } of client.readAll()) if (event!.type === '$latencyMeasured') streams.add(event!.streamId)
    expect(streams.size).to.equal(1)
    const reading = (async () => {
      for await (const _ of client.readStream([...streams][0]!));
    })()
    expect(await reading.catch((error: { type: string }) => error.type)).to.equal('stream-not-found')
    await client.dispose()
    const store = connectStore(node.url)
    expect((await store.last())!.streamId).to.equal('tillroll-store')
    await store.close()
  })

  it('is a table for people', async () => {
    const { code, out } = await run('--calls', '3')
    expect(code).to.equal(0)
    expect(out).to.match(/^CALL +CALLS +MEDIAN MS +P99 MS\nread +3 +[\d.]+ +[\d.]+\nappend +3 +[\d.]+ +[\d.]+\n$/)
  })

  it('refuses a number of calls that is none', async () => {
    const { code, err } = await run('--calls', '0')
    expect(code).to.not.equal(0)
    expect(err).to.contain('a whole number')
  })

  it('counts by the nearest rank', () => {
    const hundred = Array.from({ length: 100 }, (_, i) => 100 - i)
    expect(summaryOf(hundred)).to.deep.equal({ median: 50, p99: 99 })
    expect(summaryOf([7])).to.deep.equal({ median: 7, p99: 7 })
  })
})
