import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client'
import { expect } from 'chai'
import { AdminFailed, askNode, backupOfNode } from '../../../src/embedded/eventstore/maintenance/admin.js'
import { restore, writeBackup } from '../../../src/embedded/eventstore/maintenance/backup.js'
import { verifyFolder } from '../../../src/embedded/eventstore/maintenance/verify.js'
import { collect, event, failure, listen, newStream, revisions } from '../../eventstore/contract/store.js'
import { startEventStore, type TestEventStore } from '../../support/eventstore.js'

const segmentBytes = 16 * 1024

describe('care for the embedded event store', () => {
  let work: string
  let folder: string
  let store: TestEventStore
  let client: EventStoreDBClient

  const open = async (): Promise<void> => {
    store = await startEventStore({ folder, segmentBytes })
    client = EventStoreDBClient.connectionString(store.url)
  }
  const close = async (): Promise<void> => {
    await client.dispose()
    await store.stop()
  }
  beforeEach(async () => {
    work = await mkdtemp(join(tmpdir(), 'tillroll-care-'))
    folder = join(work, 'store')
    await open()
  })
  afterEach(async () => {
    await close()
    await rm(work, { recursive: true, force: true })
  })

  const at = () => ({ host: '127.0.0.1', port: store.port })
  const secret = (n: number) => `secret-${n}-${'x'.repeat(200)}`
  const write = async (stream: string, count: number, from = 0): Promise<void> => {
    for (let n = from; n < from + count; n++) {
      await client.appendToStream(
        stream,
        jsonEvent({ type: 'Said', data: { word: secret(n), stream }, metadata: { whose: stream } }),
      )
    }
  }
  /** Whether any file of the store holds the text. */
  const holds = async (text: string): Promise<boolean> => {
    for (const name of await readdir(folder, { recursive: true, withFileTypes: true })) {
      if (name.isFile() && (await readFile(join(name.parentPath, name.name))).includes(text)) return true
    }
    return false
  }
  const everything = async () =>
    (await collect(client.readAll())).map(({ event: one }) => ({
      ...one!,
      position: one!.position!.commit,
      created: one!.created.getTime(),
    }))
  const read = async (stream: string) => revisions(await collect(client.readStream(stream)))

  describe('scavenge', () => {
    it('takes from the disk what metadata and deletion have made unreachable, and nothing else', async () => {
      const [kept, cut, counted, deleted, gone] = ['kept', 'cut', 'counted', 'deleted', 'gone'].map(newStream) as [
        string,
        string,
        string,
        string,
        string,
      ]
      for (const stream of [kept, cut, counted, deleted, gone]) await write(stream, 40)
      await client.setStreamMetadata(cut, { truncateBefore: 30 })
      await client.setStreamMetadata(counted, { maxCount: 3 })
      await client.deleteStream(deleted)
      await client.tombstoneStream(gone)
      const before = await everything()
      const report = await askNode(at(), 'scavenge')
      expect(report.removed).to.equal(30 + 37 + 40 + 40)
      expect(report.bytesAfter).to.be.lessThan(report.bytesBefore)
      const reachable = before.filter(
        (one) =>
          one.streamId.startsWith('$') ||
          one.streamId === kept ||
          (one.streamId === cut && one.revision >= 30n) ||
          (one.streamId === counted && one.revision >= 37n) ||
          one.type === '$streamDeleted',
      )
      expect(await everything()).to.deep.equal(reachable)
      for (const stream of [deleted, gone]) expect(await holds(`"whose":"${stream}"`), stream).to.equal(false)
      expect(await holds(`"whose":"${kept}"`)).to.equal(true)
      const backwards = await collect(client.readAll({ direction: 'backwards', fromPosition: 'end' }))
      expect(backwards.map((one) => one.event!.id)).to.deep.equal(reachable.map((one) => one.id).reverse())
    })

    it('lets revisions go on where they were, also over a restart and a new index', async () => {
      const stream = newStream()
      await write(stream, 20)
      await client.deleteStream(stream)
      await askNode(at(), 'scavenge')
      await close()
      await rm(join(folder, 'mark'))
      await open()
      expect((await failure(read(stream))).type).to.equal('stream-not-found')
      const result = await client.appendToStream(stream, event())
      expect(result.nextExpectedRevision).to.equal(20n)
      expect(await read(stream)).to.deep.equal([20])
      await askNode(at(), 'scavenge')
      expect(await read(stream)).to.deep.equal([20])
      expect((await askNode(at(), 'verify')).problems).to.deep.equal([])
    })

    it('runs while the store is written and read', async () => {
      const [deleted, busy] = [newStream(), newStream()]
      await write(deleted, 100)
      await write(busy, 20)
      const log = listen(client.subscribeToAll({ fromPosition: 'end' }))
      await log.until(() => log.said.includes('caughtUp'))
      await client.deleteStream(deleted)
      const writing = write(busy, 60, 20)
      const reports = [await askNode(at(), 'scavenge'), await askNode(at(), 'scavenge')]
      await writing
      expect(reports[0]!.removed).to.equal(100)
      expect(reports[1]!.removed).to.equal(0)
      expect(await read(busy)).to.deep.equal(Array.from({ length: 80 }, (_, n) => n))
      await log.until(() => log.events.filter((one) => one.event!.streamId === busy).length === 60)
      await log.stop()
    })

    it('lets readers go on from positions that are gone', async () => {
      const stream = newStream()
      await write(stream, 60)
      const places = (await collect(client.readStream(stream))).map((one) => one.event!.position!)
      await client.setStreamMetadata(stream, { truncateBefore: 50 })
      await askNode(at(), 'scavenge')
      const after = await collect(client.readAll({ fromPosition: places[20]! }))
      expect(revisions(after.filter((one) => one.event!.streamId === stream))).to.deep.equal([
        50, 51, 52, 53, 54, 55, 56, 57, 58, 59,
      ])
      const log = listen(client.subscribeToAll({ fromPosition: places[52]! }))
      await log.until(() => log.said.includes('caughtUp'))
      expect(revisions(log.events.filter((one) => one.event!.streamId === stream))).to.deep.equal([53, 54, 55, 56, 57, 58, 59])
      await log.stop()
    })

    it('removes what is too old', async () => {
      const stream = newStream()
      await write(stream, 5)
      await client.setStreamMetadata(stream, { maxAge: 1 })
      await new Promise((resolve) => setTimeout(resolve, 1_100))
      expect((await askNode(at(), 'scavenge')).removed).to.equal(5)
      expect(await holds(`"whose":"${stream}"`)).to.equal(false)
      expect((await client.appendToStream(stream, event())).nextExpectedRevision).to.equal(5n)
    })
  })

  describe('backup', () => {
    it('is restored to the same store, taken while it is written', async () => {
      const stream = newStream()
      await write(stream, 100)
      const before = await everything()
      const writing = write(newStream(), 50)
      const path = join(work, 'backup')
      const size = await writeBackup(backupOfNode(at()), path)
      await writing
      expect(size).to.be.greaterThan(20_000)
      await close()
      folder = join(work, 'restored')
      await restore(path, folder)
      await open()
      const after = await everything()
      expect(after.slice(0, before.length)).to.deep.equal(before)
      expect((await client.appendToStream(stream, event())).nextExpectedRevision).to.equal(100n)
      expect((await askNode(at(), 'verify')).problems).to.deep.equal([])
    })

    it('holds a scavenged store too', async () => {
      const stream = newStream()
      await write(stream, 60)
      await client.setStreamMetadata(stream, { maxCount: 2 })
      await askNode(at(), 'scavenge')
      const before = await everything()
      await writeBackup(backupOfNode(at()), join(work, 'backup'))
      await close()
      folder = join(work, 'restored')
      await restore(join(work, 'backup'), folder)
      await open()
      expect(await everything()).to.deep.equal(before)
    })

    it('is not made of a damaged store: the file and the byte are named, and nothing is left', async () => {
      await write(newStream(), 200)
      await close()
      const first = join(folder, (await readdir(folder)).filter((name) => name.startsWith('log-')).sort()[0]!)
      const whole = await readFile(first)
      for (const place of [5_000, 20]) {
        await open()
        const bytes = Buffer.from(whole)
        bytes[place]! ^= 1
        // Under the running node, so that also what it has read before is looked at again.
        await writeFile(first, bytes)
        const error = await failure(writeBackup(backupOfNode(at()), join(work, 'backup')))
        expect(error.message)
          .to.contain(first)
          .and.to.match(/at byte \d+/)
        expect(await readdir(work))
          .to.not.include('backup')
          .and.not.include('backup.new')
        await writeFile(first, whole)
        await close()
      }
      await open()
      expect(await writeBackup(backupOfNode(at()), join(work, 'backup'))).to.be.greaterThan(20_000)
    })

    it('is refused where it is damaged, cut, or from somewhere else, and leaves nothing behind', async () => {
      await write(newStream(), 30)
      const path = join(work, 'backup')
      await writeBackup(backupOfNode(at()), path)
      const whole = await readFile(path)
      const target = join(work, 'restored')
      for (let place = 0; place < whole.length; place += 97) {
        const bytes = Buffer.from(whole)
        bytes[place]! ^= 1 << (place % 8)
        await writeFile(path, bytes)
        expect((await failure(restore(path, target))).name).to.be.oneOf(['Damaged', 'UnknownVersion'])
      }
      for (const size of [0, 10, 100, whole.length >> 1, whole.length - 1]) {
        await writeFile(path, whole.subarray(0, size))
        expect((await failure(restore(path, target))).name).to.equal('Damaged')
      }
      expect(await readdir(work))
        .to.not.include('restored')
        .and.not.include('restored.restoring')
      await writeFile(path, whole)
      expect((await failure(restore(path, folder))).message).to.contain('not empty')
    })
  })

  it('says why a backup cannot be written, and leaves nothing of it', async () => {
    const nowhere = join(work, 'missing', 'backup')
    expect((await failure(writeBackup(backupOfNode(at()), nowhere))).message).to.contain(`ENOENT: no such file or directory`)
    const broken = async function* (): AsyncIterable<Uint8Array> {
      yield Buffer.alloc(2 * 1024 * 1024)
      throw new Error('the node went away')
    }
    expect((await failure(writeBackup(broken(), join(work, 'backup')))).message).to.equal('the node went away')
    expect(await readdir(work)).to.deep.equal(['store'])
  })

  it('says that no node answers, or that it went away', async () => {
    const silent = createServer((socket) => socket.once('data', () => socket.destroy()))
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const there = { host: '127.0.0.1', port: (silent.address() as AddressInfo).port }
    expect(await failure(askNode(there, 'verify'))).to.be.instanceOf(AdminFailed)
    await new Promise((resolve) => silent.close(resolve))
    const error = await failure(writeBackup(backupOfNode(there), join(work, 'backup')))
    expect(error).to.be.instanceOf(AdminFailed)
    expect(error.message).to.match(/no node answers at 127\.0\.0\.1:\d+: .*ECONNREFUSED/)
    expect(await readdir(work)).to.deep.equal(['store'])
  })

  describe('verify', () => {
    it('counts what is there', async () => {
      await write(newStream(), 20)
      await write(newStream(), 20)
      const report = await askNode(at(), 'verify')
      expect(report).to.deep.include({ events: 41, streams: 3, problems: [], tornBytes: 0 })
      await close()
      expect(await verifyFolder(folder)).to.deep.equal(report)
      await open()
    })

    it('names the file and the place of damage', async () => {
      await write(newStream(), 200)
      await close()
      const path = join(folder, (await readdir(folder)).filter((name) => name.startsWith('log-')).sort()[1]!)
      const bytes = await readFile(path)
      bytes[5_000]! ^= 1
      await writeFile(path, bytes)
      const { problems } = await verifyFolder(folder)
      expect(problems).to.have.length(1)
      expect(problems[0])
        .to.contain(path)
        .and.to.match(/at byte \d+/)
      bytes[5_000]! ^= 1
      await writeFile(path, bytes)
      await truncate(path, bytes.length - 1)
      expect((await verifyFolder(folder)).problems).to.not.deep.equal([])
      await writeFile(path, bytes)
      await open()
    })

    it('misses the last segment, behind a scavenged one too', async () => {
      const stream = newStream()
      await write(stream, 100)
      await client.deleteStream(stream)
      await askNode(at(), 'scavenge')
      await write(stream, 1)
      await close()
      const last = join(
        folder,
        (await readdir(folder))
          .filter((name) => name.startsWith('log-'))
          .sort()
          .at(-1)!,
      )
      const bytes = await readFile(last)
      await rm(last)
      expect((await verifyFolder(folder)).problems).to.have.length(1)
      await writeFile(last, bytes)
      expect((await verifyFolder(folder)).problems).to.deep.equal([])
      await open()
    })
  })

  it('is asked for one thing at a time, and for nothing that it does not know', async () => {
    await write(newStream(), 200)
    const [first, second] = await Promise.allSettled([askNode(at(), 'verify'), askNode(at(), 'scavenge')])
    expect([first.status, second.status].sort()).to.deep.equal(['fulfilled', 'rejected'])
    expect(await failure(askNode(at(), 'nonsense' as 'verify'))).to.be.instanceOf(AdminFailed)
  })
})
