import { randomUUID } from 'node:crypto'
import { appendFile, cp, mkdir, mkdtemp, readdir, readFile, rm, truncate, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { acceptEnd } from '../../../src/embedded/eventstore/maintenance/accept-end.js'
import { scavenge } from '../../../src/embedded/eventstore/maintenance/scavenge.js'
import { verifyFolder } from '../../../src/embedded/eventstore/maintenance/verify.js'
import { idOf, openEvent, streamOf } from '../../../src/embedded/eventstore/storage/event.js'
import { openStore, type Store } from '../../../src/embedded/eventstore/storage/store.js'
import { failure } from '../../eventstore/contract/store.js'

const never = Number.POSITIVE_INFINITY
const segmentBytes = 4_000

const append = (store: Store, stream: string, count: number, size = 60): Promise<void> =>
  new Promise((resolve, reject) => {
    const events = Array.from({ length: count }, (_, n) => ({
      id: randomUUID(),
      type: 'Happened',
      json: true,
      data: Buffer.from(JSON.stringify({ n, pad: 'x'.repeat(size) })),
      customMetadata: Buffer.from('{"a":1}'),
    }))
    store.append(stream, -2, events, never, ({ kind }) => (kind === 'written' ? resolve() : reject(new Error(kind))))
  })

/** Every event, in $all and by its stream, as bytes. */
const contents = async (store: Store): Promise<Map<string, string>> => {
  const found = new Map<string, string>()
  let from = 0
  for (let chunk = await store.log.forward(from); chunk; chunk = await store.log.forward(from)) {
    for (const [index, offset] of chunk.offsets.entries()) {
      const record = chunk.buffer.subarray(offset, offset + chunk.sizes[index]!)
      const event = openEvent(record)
      found.set(idOf(event), record.toString('base64'))
      const byStream = store.event(store.stream(streamOf(event)), event.revision)
      expect(byStream && idOf(byStream), `${streamOf(event)} ${event.revision}`).to.equal(idOf(event))
    }
    from = chunk.next
  }
  return found
}

describe('damaged files of the embedded event store', () => {
  let work: string
  let folder: string
  const open = (): Promise<Store> => openStore({ folder, segmentBytes })
  const segments = async (): Promise<string[]> => (await readdir(folder)).filter((name) => name.startsWith('log-')).sort()
  const path = (name: string): string => join(folder, name)

  beforeEach(async () => {
    work = await mkdtemp(join(tmpdir(), 'tillroll-damage-'))
    folder = join(work, 'store')
  })
  afterEach(() => rm(work, { recursive: true, force: true }))

  /** Some segments, one of them scavenged, and a last one that is begun. */
  const filled = async (): Promise<Store> => {
    const store = await open()
    for (let i = 0; i < 12; i++) await append(store, `s-${i % 3}`, 3)
    await append(store, 'gone', 4)
    await new Promise<void>((resolve) => store.remove('gone', -2, false, never, () => resolve()))
    await scavenge(store, Date.now())
    for (let i = 0; i < 4; i++) await append(store, `s-${i % 3}`, 2)
    return store
  }

  /** Opens what is there and reads all of it: `refused` by a clear error, or `whole` (all of it as it was, or less if `mayLose`). */
  const attempt = async (expected: ReadonlyMap<string, string>, what: string): Promise<'refused' | 'whole'> => {
    let store: Store | undefined
    try {
      store = await open()
      const found = await contents(store)
      for (const [id, bytes] of found) expect(bytes, `${what}: a wrong event`).to.equal(expected.get(id))
      expect(found.size, `${what}: events are missing`).to.equal(expected.size)
      return 'whole'
    } catch (error) {
      expect((error as Error).name, `${what}: ${(error as Error).stack}`).to.be.oneOf(['Damaged', 'UnknownVersion'])
      expect((error as Error).message, what).to.contain(folder)
      return 'refused'
    } finally {
      await store?.abandon()
      await store?.log.close()
    }
  }

  const saved = async (store: Store, closed: boolean): Promise<Map<string, string>> => {
    const expected = await contents(store)
    if (closed) await store.close()
    else {
      // How far the log was synced is noted some milliseconds after the sync.
      await new Promise((resolve) => setTimeout(resolve, 50))
      await store.abandon()
      await store.log.close()
    }
    await cp(folder, join(work, 'saved'), { recursive: true })
    return expected
  }
  const restoreSaved = async (): Promise<void> => {
    await rm(folder, { recursive: true, force: true })
    await cp(join(work, 'saved'), folder, { recursive: true })
  }

  for (const closed of [true, false]) {
    it(`never become wrong events, whatever bit flips, ${closed ? 'closed in order' : 'after a crash'}`, async () => {
      const expected = await saved(await filled(), closed)
      const names = await segments()
      for (const name of [names[0]!, names.at(-2)!, names.at(-1)!, 'mark']) {
        const bytes = await readFile(path(name))
        // Samples of the header, the table and the records; a smaller DAMAGE_STEP takes more of them.
        const step = name === 'mark' ? 5 : Number(process.env.DAMAGE_STEP ?? 211)
        for (let at = 0; at < bytes.length; at += at < 80 ? Math.min(step, 5) : step) {
          await restoreSaved()
          const flipped = Buffer.from(bytes)
          flipped[at]! ^= 1 << (at % 8)
          await writeFile(path(name), flipped)
          const outcome = await attempt(expected, `${name} at ${at}`)
          if (name !== 'mark') expect(outcome, `${name} at ${at}`).to.equal('refused')
        }
      }
    })

    it(`never lose an event in silence, wherever a file is cut, ${closed ? 'closed in order' : 'after a crash'}`, async () => {
      const expected = await saved(await filled(), closed)
      const names = await segments()
      for (const name of [names[0]!, names.at(-2)!, names.at(-1)!, 'mark']) {
        const { length } = await readFile(path(name))
        for (const size of new Set([0, 1, 30, 63, 64, 65, length >> 2, length >> 1, length - 5, length - 1])) {
          if (size < 0 || size >= length) continue
          await restoreSaved()
          await truncate(path(name), size)
          const outcome = await attempt(expected, `${name} cut at ${size}`)
          if (name !== 'mark') expect(outcome, `${name} cut at ${size}`).to.equal('refused')
        }
      }
    })
  }

  for (const closed of [true, false]) {
    it(`never lose an event in silence where the note of the end goes with the end, ${closed ? 'closed in order' : 'after a crash'}`, async () => {
      const expected = await saved(await filled(), closed)
      const last = (await segments()).at(-1)!
      const { length } = await readFile(path(last))
      for (const lost of ['mark', 'mark-copy'])
        for (const size of [64, length >> 1, length - 1]) {
          await restoreSaved()
          await unlink(path(lost))
          expect(await attempt(expected, `without ${lost}`)).to.equal('whole')
          await restoreSaved()
          await unlink(path(lost))
          await truncate(path(last), size)
          expect(await attempt(expected, `without ${lost}, cut at ${size}`)).to.equal('refused')
          await restoreSaved()
          await unlink(path(lost))
          await unlink(path(last))
          expect(await attempt(expected, `without ${lost} and ${last}`)).to.equal('refused')
        }
    })
  }

  it('are refused where nothing says any more how long the log must be, until somebody takes it as it is', async () => {
    const expected = await saved(await filled(), false)
    await unlink(path('mark'))
    await unlink(path('mark-copy'))
    expect(await attempt(expected, 'without both')).to.equal('refused')
    const { problems } = await verifyFolder(folder)
    expect(problems).to.have.length(1)
    expect(problems[0]).to.contain('accept-end')
    await acceptEnd(folder)
    expect((await verifyFolder(folder)).problems).to.deep.equal([])
    expect(await attempt(expected, 'accepted')).to.equal('whole')
    expect((await failure(acceptEnd(folder))).message).to.contain('nothing to accept')
  })

  it('are not taken as they are where more is wrong than the lost end', async () => {
    await saved(await filled(), false)
    const [first] = await segments()
    const bytes = await readFile(path(first!))
    bytes[bytes.length - 40]! ^= 1
    await writeFile(path(first!), bytes)
    await unlink(path('mark'))
    await unlink(path('mark-copy'))
    expect((await failure(acceptEnd(folder))).message).to.contain(path(first!))
    expect((await readdir(folder)).filter((name) => name.startsWith('mark'))).to.deep.equal([])
  })

  it('are refused where a segment is missing', async () => {
    const expected = await saved(await filled(), true)
    for (const name of await segments()) {
      await restoreSaved()
      await unlink(path(name))
      expect(await attempt(expected, name)).to.equal('refused')
    }
  })

  it('cost nothing where it is the index: it is made anew', async () => {
    const expected = await saved(await filled(), true)
    const index = join(folder, 'index', 'data.mdb')
    const { length } = await readFile(index)
    const damages: (() => Promise<unknown>)[] = [
      () => unlink(index),
      () => rm(join(folder, 'index'), { recursive: true }),
      async () => {
        await rm(join(folder, 'index'), { recursive: true })
        await writeFile(join(folder, 'index'), 'no folder')
      },
      ...[0, 1, 4096, length >> 1, length - 1].map((size) => () => truncate(index, size)),
      ...Array.from({ length: 12 }, (_, i) => async () => {
        const bytes = await readFile(index)
        bytes[Math.floor((i / 12) * length)]! ^= 4
        await writeFile(index, bytes)
      }),
      () => appendFile(index, 'more'),
    ]
    for (const [i, damage] of damages.entries()) {
      await restoreSaved()
      await damage()
      expect(await attempt(expected, `damage ${i} of the index`)).to.equal('whole')
    }
  })

  it('are opened at the last whole group where a crash has torn the next one', async () => {
    const store = await filled()
    const expected = await saved(store, false)
    const last = (await segments()).at(-1)!
    const whole = await readFile(path(last))
    // What a crash can leave of a group that was never synced: its beginning, nothing of it, or its place.
    const group = whole.subarray(-200)
    for (const tail of [group.subarray(0, 10), Buffer.alloc(300), group, Buffer.concat([Buffer.alloc(50), group])]) {
      await restoreSaved()
      await appendFile(path(last), tail)
      expect(await attempt(expected, `a tail of ${tail.length} bytes`)).to.equal('whole')
    }
  })

  it('leave the rest usable: a read says where it stopped', async () => {
    const store = await filled()
    await saved(store, true)
    const [first] = await segments()
    const bytes = await readFile(path(first!))
    bytes[bytes.length - 40]! ^= 1
    await writeFile(path(first!), bytes)
    const damaged = await open()
    const error = await failure(contents(damaged))
    expect(error.message)
      .to.contain(path(first!))
      .and.to.match(/at byte \d+/)
    await append(damaged, 's-9', 1)
    await damaged.close()
  })

  it('do not pass for those of another version, nor change', async () => {
    await saved(await filled(), true)
    const [first] = await segments()
    for (const [name, at] of [
      [first!, 8],
      [(await segments()).at(-1)!, 8],
    ] as const) {
      await restoreSaved()
      const bytes = await readFile(path(name))
      bytes.writeUInt32LE(3, at)
      await writeFile(path(name), bytes)
      const before = await Promise.all(
        (await readdir(folder, { recursive: true })).sort().map((one) => readFile(path(one)).catch(() => one)),
      )
      const error = await failure(open())
      expect(error.name).to.equal('UnknownVersion')
      expect(error.message).to.contain('version 3')
      const after = await Promise.all(
        (await readdir(folder, { recursive: true })).sort().map((one) => readFile(path(one)).catch(() => one)),
      )
      expect(after).to.deep.equal(before)
    }
  })

  it('do not begin among other things, which are left alone', async () => {
    await mkdir(path('index'), { recursive: true })
    await writeFile(path('index/page.html'), 'a page')
    await writeFile(path('notes.new'), 'notes')
    const error = await failure(open())
    expect(error.name).to.equal('NoStore')
    expect(error.message).to.contain(folder)
    expect((await readdir(folder, { recursive: true })).sort()).to.deep.equal(['index', 'index/page.html', 'notes.new'])
  })

  it('begin where a first start did not get far, and clear away what it left', async () => {
    await mkdir(folder, { recursive: true })
    await writeFile(path('log-00000000000000.new'), 'half a header')
    await writeFile(path('.hidden'), '')
    await (await open()).close()
    const names = await readdir(folder)
    expect(names).to.include('.hidden')
    expect(names).to.not.include('log-00000000000000.new')
  })
})
