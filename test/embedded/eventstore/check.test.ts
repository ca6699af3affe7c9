import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client'
import { expect } from 'chai'
import { askNode } from '../../../src/embedded/eventstore/maintenance/admin.js'
import type { CheckStatus } from '../../../src/embedded/eventstore/maintenance/check.js'
import { spawnEventStore } from '../../../src/embedded/eventstore/spawn.js'
import { startEventStore, type TestEventStore } from '../../support/eventstore.js'

const segmentBytes = 16 * 1024

describe('the check of files that a start in order has not read', () => {
  let folder: string
  const start = (check = {}): Promise<TestEventStore> =>
    startEventStore({ folder, segmentBytes, check: { after: 0, share: 1, ...check } })

  const filled = async (): Promise<void> => {
    const store = await start()
    const client = EventStoreDBClient.connectionString(store.url)
    for (let n = 0; n < 200; n++)
      await client.appendToStream(`s-${n % 5}`, jsonEvent({ type: 'Said', data: { word: 'x'.repeat(200) } }))
    await client.dispose()
    await store.stop()
  }
  const segment = async (index: number): Promise<string> =>
    join(folder, (await readdir(folder)).filter((name) => name.startsWith('log-')).sort()[index]!)
  const damage = async (index: number): Promise<string> => {
    const path = await segment(index)
    const bytes = await readFile(path)
    bytes[5_000]! ^= 1
    await writeFile(path, bytes)
    return path
  }

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tillroll-check-'))
    await filled()
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  it('finds them whole', async () => {
    const store = await start()
    const { state, done, total, problems } = await store.node.check.ended
    expect([state, done, problems]).to.deep.equal(['whole', total, []])
    expect(total).to.equal(store.node.store.log.end())
    await store.stop()
  })

  it('finds damage in the middle, in each segment, and says so in its status', async () => {
    const paths = [await damage(0), await damage(2)]
    const store = await start()
    expect((await store.node.check.ended).state).to.equal('damaged')
    const { check } = await askNode({ host: '127.0.0.1', port: store.port }, 'status')
    expect(check.problems).to.have.length(2)
    for (const [index, path] of paths.entries())
      expect(check.problems[index])
        .to.contain(path)
        .and.to.match(/at byte \d+/)
    await store.stop()
  })

  it('is not needed where the start has read everything', async () => {
    const store = await start()
    await store.node.store.abandon()
    await store.node.store.log.close()
    await store.stop().catch(() => undefined)
    const again = await start()
    expect((await again.node.check.ended).state).to.equal('unneeded')
    await again.stop()
  })

  it('takes its time, and ends with the node', async () => {
    const store = await start({ after: 60_000 })
    const { check } = await askNode({ host: '127.0.0.1', port: store.port }, 'status')
    expect([check.state, check.done]).to.deep.equal(['running', 0])
    await store.stop()
    expect((await store.node.check.ended).state).to.equal('stopped')
  })

  it('is told to the process that started the node', async () => {
    const path = await damage(1)
    const checked = await new Promise<CheckStatus>((resolve, reject) => {
      spawnEventStore({ folder, onChecked: resolve }).then((store) => {
        after(() => store.kill())
      }, reject)
    })
    expect(checked.state).to.equal('damaged')
    expect(checked.problems[0]).to.contain(path)
  }).timeout(15_000)
})
