import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client'
import { expect } from 'chai'
import { askNode } from '../../../src/embedded/eventstore/maintenance/admin.js'
import { verifyFolder } from '../../../src/embedded/eventstore/maintenance/verify.js'
import { openStore } from '../../../src/embedded/eventstore/storage/store.js'
import { connectStore } from '../../../src/eventstore/client.js'
import { noStream, StoreUnavailable } from '../../../src/eventstore/store.js'
import { collect, event, failure, listen, newStream } from '../../eventstore/contract/store.js'
import { startEventStore, type TestEventStore } from '../../support/eventstore.js'
import { diskWithRoom } from './files.js'

/** A small file system in memory, of which a file takes all but some room; `undefined` where this user may not mount one. */
const smallDisk = () => {
  const folder = mkdtempSync(join(tmpdir(), 'tillroll-small-disk-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', folder], { stdio: 'ignore' })
  } catch {
    rmSync(folder, { recursive: true })
    return undefined
  }
  const filler = join(folder, 'filler')
  return {
    folder: join(folder, 'store'),
    files: undefined,
    leave: (bytes: number): void => {
      rmSync(filler, { force: true })
      const { bavail, bsize } = statfsSync(folder)
      writeFileSync(filler, Buffer.alloc(Math.max(0, bavail * bsize - bytes)))
    },
    dispose: (): void => {
      execFileSync('umount', [folder])
      rmSync(folder, { recursive: true })
    },
  }
}

/** The same by a layer between the store and its log's files. */
const disguisedDisk = () => {
  const folder = mkdtempSync(join(tmpdir(), 'tillroll-full-disk-'))
  const disk = diskWithRoom()
  return {
    folder: join(folder, 'store'),
    files: disk.files,
    leave: disk.leave,
    dispose: () => rmSync(folder, { recursive: true }),
  }
}

for (const [kind, makeDisk] of [
  ['a small file system', smallDisk],
  ['a disk that says it is full', disguisedDisk],
] as const) {
  describe(`the embedded event store on ${kind}`, () => {
    let disk: NonNullable<ReturnType<typeof smallDisk> | ReturnType<typeof disguisedDisk>>
    let store: TestEventStore
    let client: EventStoreDBClient
    let told: boolean[]

    const open = async (): Promise<void> => {
      told = []
      const onFull = (full: boolean) => told.push(full)
      store = await startEventStore({ folder: disk.folder, onFull, ...(disk.files && { files: disk.files }) })
      client = EventStoreDBClient.connectionString(store.url)
    }
    const close = async (): Promise<void> => {
      await client.dispose()
      await store.stop()
    }
    beforeEach(async function () {
      const made = makeDisk()
      if (!made) return this.skip()
      disk = made
      await open()
    })
    afterEach(async () => {
      if (!disk) return
      await close()
      disk.dispose()
    })

    const large = (n: number) => jsonEvent({ type: 'Said', data: { n, word: 'x'.repeat(2_000) } })
    /** Appends, many at once, until one is refused; answers how many were acknowledged, and the refusal. */
    const fill = async (stream: string): Promise<{ acknowledged: number; refusal: Error }> => {
      let acknowledged = 0
      for (;;) {
        const group = Array.from({ length: 20 }, (_, n) => client.appendToStream(stream, large(n)))
        const answers = await Promise.allSettled(group)
        acknowledged += answers.filter(({ status }) => status === 'fulfilled').length
        const refused = answers.find((answer) => answer.status === 'rejected')
        if (refused) return { acknowledged, refusal: refused.reason }
      }
    }
    const appendUntilTaken = async (stream: string): Promise<void> => {
      for (let waited = 0; waited < 3_000; waited += 50) {
        try {
          await client.appendToStream(stream, event('Taken'))
          return
        } catch {
          await sleep(50)
        }
      }
      throw new Error('no append was taken any more')
    }

    it('refuses appends in words while it is full, goes on with reads, and takes appends again when there is space', async () => {
      const stream = newStream()
      const live = listen(client.subscribeToStream(stream))
      disk.leave(600_000)
      const { acknowledged, refusal } = await fill(stream)
      expect(acknowledged).to.be.greaterThan(20)
      expect(refusal.message).to.contain('disk is full')
      const single = await failure(client.appendToStream(stream, event(), { credentials: { username: 'a', password: 'b' } }))
      expect(single.message).to.contain('RESOURCE_EXHAUSTED').and.to.contain('disk is full')
      expect((await failure(client.tombstoneStream(stream))).message).to.contain('disk is full')
      // At once, not after a deadline.
      const began = performance.now()
      for (let i = 0; i < 20; i++) await failure(client.appendToStream(stream, event()))
      expect(performance.now() - began).to.be.lessThan(1_000)
      expect(await collect(client.readStream(stream))).to.have.length(acknowledged)
      const { full } = await askNode({ host: '127.0.0.1', port: store.port }, 'status')
      expect(full).to.equal(true)

      disk.leave(10_000_000)
      await appendUntilTaken(stream)
      expect(told).to.deep.equal([true, false])
      await live.until(() => live.events.length === acknowledged + 1)
      await live.stop()
      expect((await askNode({ host: '127.0.0.1', port: store.port }, 'verify')).problems).to.deep.equal([])
      await close()
      expect((await verifyFolder(disk.folder)).problems).to.deep.equal([])
      await open()
      expect(await collect(client.readStream(stream))).to.have.length(acknowledged + 1)
    })

    it('has lost nothing that was acknowledged where it is killed while it is full', async () => {
      const stream = newStream()
      disk.leave(600_000)
      const { acknowledged } = await fill(stream)
      // What a process that was killed now would leave.
      const left = await mkdtemp(join(tmpdir(), 'tillroll-killed-'))
      await cp(disk.folder, left, { recursive: true })
      const again = await openStore({ folder: left })
      expect(again.stream(stream).last).to.equal(acknowledged - 1)
      await again.close()
      expect((await verifyFolder(left)).problems).to.deep.equal([])
      await rm(left, { recursive: true })
    })

    it('stops in order while it is full, and starts when there is space', async () => {
      const stream = newStream()
      disk.leave(600_000)
      const { acknowledged } = await fill(stream)
      await close()
      const refused = await failure(openStore({ folder: disk.folder, ...(disk.files && { files: disk.files }) }))
      expect([refused.name, refused.message.includes('make space')]).to.deep.equal(['DiskFull', true])
      disk.leave(10_000_000)
      await open()
      expect(await collect(client.readStream(stream))).to.have.length(acknowledged)
    })

    it('is told to the application as what it is', async () => {
      const application = connectStore(store.url)
      disk.leave(0)
      await fill(newStream())
      const one = { id: crypto.randomUUID(), type: 'Said', data: {}, metadata: {} }
      const error = await failure(application.append(newStream(), [one], noStream))
      expect(error).to.be.instanceOf(StoreUnavailable).and.to.include({ full: true })
      expect(error.message).to.contain('nothing can be until there is space again')
      await application.close()
      disk.leave(10_000_000)
    })
  })
}

describe('the index on a disk that becomes full before the log does', () => {
  it('is kept in memory, and written when there is space', async () => {
    const store = await startEventStore()
    const { index } = store.node.store
    const client = EventStoreDBClient.connectionString(store.url)
    const { flush } = index
    const full = (): never => {
      throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
    }
    Object.assign(index, { flush: full })
    const stream = newStream()
    await client.appendToStream(stream, event())
    await sleep(150)
    expect((await failure(client.appendToStream(stream, event()))).message).to.contain('disk is full')
    expect(await collect(client.readStream(stream))).to.have.length(1)
    Object.assign(index, { flush })
    await sleep(600)
    await client.appendToStream(stream, event())
    expect(await collect(client.readStream(stream))).to.have.length(2)
    await client.dispose()
    await store.stop()
  })
})
