import { randomUUID } from 'node:crypto'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { alone } from '../../../src/embedded/eventstore/maintenance/cut.js'
import { endOfLog, forkLog, type Until } from '../../../src/embedded/eventstore/maintenance/fork.js'
import { encodeReceipt } from '../../../src/embedded/eventstore/maintenance/receipt.js'
import { rewriteLog } from '../../../src/embedded/eventstore/maintenance/rewrite.js'
import { scavenge } from '../../../src/embedded/eventstore/maintenance/scavenge.js'
import { verifyFolder } from '../../../src/embedded/eventstore/maintenance/verify.js'
import { idOf, openEvent, streamOf } from '../../../src/embedded/eventstore/storage/event.js'
import { diskFiles } from '../../../src/embedded/eventstore/storage/files.js'
import { kinds } from '../../../src/embedded/eventstore/storage/log/record.js'
import { eachRecord } from '../../../src/embedded/eventstore/storage/log/scan.js'
import { isSegmentName, openSegment } from '../../../src/embedded/eventstore/storage/log/segment.js'
import { openStore, type Store } from '../../../src/embedded/eventstore/storage/store.js'
import { failure } from '../../eventstore/contract/store.js'
import { diskWithRoom } from './files.js'

const never = Number.POSITIVE_INFINITY
const oldStore = fileURLToPath(new URL('fixtures/version-1', import.meta.url))

const newEvent = (data: object) => ({
  id: randomUUID(),
  type: 'Happened',
  json: true,
  data: Buffer.from(JSON.stringify(data)),
  customMetadata: new Uint8Array(),
})

const append = (store: Store, stream: string, count = 1): Promise<void> =>
  new Promise((resolve, reject) => {
    const events = Array.from({ length: count }, (_, n) => newEvent({ n, of: count, pad: 'x'.repeat(60) }))
    store.append(stream, -2, events, never, ({ kind }) => (kind === 'written' ? resolve() : reject(new Error(kind))))
  })

const remove = (store: Store, stream: string, hard = false): Promise<void> =>
  new Promise((resolve, reject) =>
    store.remove(stream, -2, hard, never, ({ kind }) => (kind === 'written' ? resolve() : reject(new Error(kind)))),
  )

type Seen = { readonly id: string; readonly stream: string; readonly revision: number; readonly position: number }

const eventsIn = async (folder: string): Promise<Seen[]> => {
  const seen: Seen[] = []
  for (const name of (await readdir(folder)).filter(isSegmentName).sort()) {
    const segment = await openSegment(diskFiles, join(folder, name), 'read')
    for await (const { kind, bytes, at } of eachRecord(alone, segment)) {
      if (kind !== 'event') continue
      const event = openEvent(bytes, at)
      seen.push({ id: idOf(event), stream: streamOf(event), revision: event.revision, position: event.position })
    }
    await segment.file.close()
  }
  return seen
}

/** Bytes and times of change of all the files. */
const stateOf = async (folder: string): Promise<Map<string, string>> => {
  const state = new Map<string, string>()
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isFile()) state.set(path, `${(await stat(path)).mtimeMs} ${(await readFile(path)).toString('base64')}`)
  }
  return state
}

describe('a fork of the embedded event store', function () {
  this.timeout(60_000)
  let work: string
  let source: string
  let forks: number
  beforeEach(async () => {
    work = await mkdtemp(join(tmpdir(), 'tillroll-fork-'))
    source = join(work, 'source')
    forks = 0
  })
  afterEach(() => rm(work, { recursive: true, force: true }))

  const open = (folder = source): Promise<Store> => openStore({ folder, segmentBytes: 4_000 })

  /** Appends alone, several that share a group, and several events in one. */
  const filled = async (): Promise<Store> => {
    const store = await open()
    for (let n = 0; n < 7; n++) {
      await append(store, `s-${n % 3}`, 1 + (n % 2))
      await Promise.all([append(store, 'a-1', 2), append(store, 'b-1', 3), append(store, 'c-1'), append(store, 'c-2')])
    }
    return store
  }

  const forked = async (until: Until, end?: number): Promise<{ folder: string; linked: number; position: number }> => {
    const folder = join(work, `fork-${forks++}`)
    await mkdir(folder)
    const { receipts, linked, position } = await forkLog({ source, target: folder, until, end: end ?? (await endOfLog(source)) })
    const store = await open(folder)
    for (const receipt of receipts) await store.note(kinds.receipt, encodeReceipt(receipt))
    await store.close()
    return { folder, linked, position }
  }

  const problems = async (folder: string): Promise<readonly string[]> => (await verifyFolder(folder)).problems

  it('is whole and has all up to now, and neither is changed by what the other writes', async () => {
    await (await filled()).close()
    const before = await stateOf(source)
    const { folder, linked } = await forked('now')
    expect(linked).to.be.greaterThan(2)
    expect(await problems(folder)).to.deep.equal([])
    expect(await eventsIn(folder)).to.deep.equal(await eventsIn(source))
    expect(await stateOf(source)).to.deep.equal(before)

    const fork = await open(folder)
    await append(fork, 'a-1', 30)
    await remove(fork, 's-1')
    await scavenge(fork, Date.now())
    await fork.close()
    expect(await stateOf(source)).to.deep.equal(before)
    expect(await problems(folder)).to.deep.equal([])

    const after = await stateOf(folder)
    const store = await open()
    await append(store, 'b-1', 30)
    await remove(store, 's-2', true)
    await scavenge(store, Date.now())
    await store.close()
    expect(await stateOf(folder)).to.deep.equal(after)
    expect(await problems(source)).to.deep.equal([])
  })

  it('has no link in the segment that either writes to', async () => {
    await (await filled()).close()
    const { folder } = await forked('now')
    for (const one of [source, folder]) {
      const last = (await readdir(one)).filter(isSegmentName).sort().at(-1)!
      expect((await stat(join(one, last))).nlink).to.equal(1)
    }
  })

  it('is made of a store that goes on, up to where it is synced', async () => {
    const store = await filled()
    const end = store.log.end()
    const before = await eventsIn(source)
    const writing = Promise.all(Array.from({ length: 20 }, (_, n) => append(store, `later-${n}`)))
    const { folder } = await forked('now', end)
    await writing
    expect(await eventsIn(folder)).to.deep.equal(before)
    expect(await problems(folder)).to.deep.equal([])
    await store.close()
    expect(await problems(source)).to.deep.equal([])
  })

  const cutEverywhere = async (): Promise<void> => {
    const all = await eventsIn(source)
    for (const { position } of all) {
      const { folder } = await forked({ position })
      const there = await eventsIn(folder)
      expect(await problems(folder), `cut at ${position}`).to.deep.equal([])
      expect(all.slice(0, there.length), `cut at ${position}`).to.deep.equal(there)
      // What is missing up to there is the part of one append.
      const missing = all.filter((event) => event.position <= position).slice(there.length)
      expect(new Set(missing.map(({ stream }) => stream.replace(/^\$\$/, ''))).size).to.be.at.most(1)
      const store = await open(folder)
      await append(store, 'a-1')
      await store.close()
      expect(await problems(folder), `cut at ${position}, and gone on`).to.deep.equal([])
      await rm(folder, { recursive: true })
    }
  }

  it('is cut at any event, between two appends also within a group', async () => {
    await (await filled()).close()
    const all = await eventsIn(source)
    const [lastOfAppend, inside] = [2, 1].map((n) => all.filter(({ stream }) => stream === 'b-1')[n]!)
    expect(await eventsIn((await forked({ position: lastOfAppend!.position })).folder)).to.deep.include(lastOfAppend)
    expect(await eventsIn((await forked({ position: inside!.position })).folder))
      .to.have.length.greaterThan(0)
      .and.not.deep.include(inside)
    await cutEverywhere()
  })

  it('is cut at any event that scavenges have left', async () => {
    const store = await filled()
    await remove(store, 's-1')
    await remove(store, 'b-1', true)
    await scavenge(store, Date.now())
    await append(store, 'a-1', 3)
    await remove(store, 'c-1')
    await scavenge(store, Date.now())
    await append(store, 'c-2')
    await store.close()
    await cutEverywhere()
  })

  it('is cut at any event of a store that has no chain yet', async () => {
    await cp(oldStore, source, { recursive: true })
    await (await open()).close()
    await cutEverywhere()
  })

  it('is cut before the first event that is past the moment', async () => {
    await (await filled()).close()
    const all = await eventsIn(source)
    const first = all.findIndex(({ stream, revision }) => stream === 'c-2' && revision === 3)
    const { folder, position } = await forked({ isPast: (event) => streamOf(event) === 'c-2' && event.revision >= 3 })
    expect(await eventsIn(folder)).to.deep.equal(all.slice(0, first))
    expect(position).to.equal(all[first]!.position)
  })

  it('leaves the tail of a crash where it is', async () => {
    const store = await filled()
    await store.abandon()
    await store.log.close()
    const last = (await readdir(source)).filter(isSegmentName).sort().at(-1)!
    const whole = await readFile(join(source, last))
    await (await diskFiles.open(join(source, last), 'write')).write(whole.subarray(96, 130), whole.length)
    const before = await stateOf(source)
    const { folder } = await forked('now')
    expect(await problems(folder)).to.deep.equal([])
    expect(await stateOf(source)).to.deep.equal(before)
  })

  it('says what the disk says, and is refused where the log is damaged', async () => {
    await (await filled()).close()
    const { files, leave } = diskWithRoom()
    leave(1_000)
    const end = await endOfLog(source)
    for (const name of ['full', 'damaged']) await mkdir(join(work, name))
    expect((await failure(forkLog({ source, target: join(work, 'full'), until: 'now', end, files }))).message).to.contain(
      'ENOSPC',
    )
    const name = (await readdir(source)).filter(isSegmentName).sort().at(-1)!
    await (await diskFiles.open(join(source, name), 'write')).write(Buffer.from('damage'), 150)
    expect((await failure(forkLog({ source, target: join(work, 'damaged'), until: 'now', end }))).name).to.equal('Damaged')
  })

  it('is written anew, event by event, where something of it becomes another', async () => {
    const store = await filled()
    await remove(store, 's-1')
    await remove(store, 's-2', true)
    await scavenge(store, Date.now())
    await append(store, 'b-1')
    const last = store.stream('s-1').last
    await store.close()
    const target = join(work, 'rewritten')
    await mkdir(target)
    const { folder } = await forked('now')
    const rename = (name: string) => name.replace(/([abc])-/, 'other-$1')
    await rewriteLog({
      source: folder,
      target,
      rewrite: {
        stream: rename,
        event: ({ stream, data, customMetadata }) => ({
          stream: rename(stream),
          data: Buffer.from(data.toString().replaceAll('x', 'yz')),
          customMetadata,
        }),
      },
    })
    for (const name of (await readdir(target)).filter(isSegmentName))
      expect((await readFile(join(target, name))).includes('xxx')).to.equal(false)
    const rewritten = await open(target)
    await append(rewritten, 'other-b1')
    expect(rewritten.stream('s-1').last).to.equal(last)
    expect(rewritten.stream('s-2').tombstoned).to.equal(true)
    await scavenge(rewritten, Date.now())
    await rewritten.close()
    expect(await problems(target)).to.deep.equal([])
    const expected = (await eventsIn(source)).map(({ id, stream, revision }) => ({ id, stream: rename(stream), revision }))
    const found = (await eventsIn(target)).map(({ id, stream, revision }) => ({ id, stream, revision }))
    expect(found.slice(0, expected.length)).to.deep.equal(expected)
  })
})
