import { randomUUID } from 'node:crypto'
import { cp, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { acceptEnd } from '../../../src/embedded/eventstore/maintenance/accept-end.js'
import { scavenge } from '../../../src/embedded/eventstore/maintenance/scavenge.js'
import { BadSeal, makeSeal, openSeal, sealKey } from '../../../src/embedded/eventstore/maintenance/seal.js'
import { verifyFolder, verifyStore } from '../../../src/embedded/eventstore/maintenance/verify.js'
import { diskFiles } from '../../../src/embedded/eventstore/storage/files.js'
import { kinds, recordSize, sealRecord } from '../../../src/embedded/eventstore/storage/log/record.js'
import { eachRecord, type ScannedRecord } from '../../../src/embedded/eventstore/storage/log/scan.js'
import { isSegmentName, openSegment } from '../../../src/embedded/eventstore/storage/log/segment.js'
import { openStore, type Store } from '../../../src/embedded/eventstore/storage/store.js'
import { failure } from '../../eventstore/contract/store.js'

const never = Number.POSITIVE_INFINITY
const oldStore = fileURLToPath(new URL('fixtures/version-1', import.meta.url))

const append = (store: Store, stream: string, count = 1): Promise<void> =>
  new Promise((resolve, reject) => {
    const event = (n: number) => ({
      id: randomUUID(),
      type: 'Happened',
      json: true,
      data: Buffer.from(JSON.stringify({ n, amount: 100 })),
      customMetadata: new Uint8Array(),
    })
    store.append(
      stream,
      -2,
      Array.from({ length: count }, (_, n) => event(n)),
      never,
      ({ kind }) => (kind === 'written' ? resolve() : reject(new Error(kind))),
    )
  })

describe('the hash chain of the embedded event store', () => {
  let folder: string
  const open = (): Promise<Store> => openStore({ folder, segmentBytes: 4_000 })
  const filled = async (): Promise<Store> => {
    const store = await open()
    for (let n = 0; n < 40; n++) await append(store, `s-${n % 4}`, 1 + (n % 2))
    return store
  }
  const problems = async (): Promise<readonly string[]> => (await verifyFolder(folder)).problems
  const segments = async (): Promise<string[]> => (await readdir(folder)).filter(isSegmentName).sort()

  /** Lets `change` edit the records of a segment that `which` picks, and mends their checksums. */
  const tamper = async (
    name: string,
    which: (record: ScannedRecord) => boolean,
    change: (record: Buffer) => void,
  ): Promise<number> => {
    const path = join(folder, name)
    const segment = await openSegment(diskFiles, path, 'read')
    const bytes = await readFile(path)
    let changed = 0
    for await (const record of eachRecord({ reading: (_, use) => use() }, segment)) {
      if (!which(record)) continue
      const at = segment.start + record.offset
      change(bytes.subarray(at, at + record.size))
      sealRecord(bytes, at, bytes[at + 4]!, recordSize(bytes, at) - 14, record.position, segment.salt)
      changed++
    }
    await segment.file.close()
    await writeFile(path, bytes)
    return changed
  }
  const cheapen = (record: Buffer): void => {
    record.write('"amount":001', record.indexOf('"amount":100'), 'latin1')
  }
  const nth = (kind: ScannedRecord['kind'], n: number) => {
    let seen = 0
    return (record: ScannedRecord): boolean => record.kind === kind && seen++ === n
  }

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tillroll-chain-'))
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  it('holds from the first event on, over segments, a crash and a stop in order', async () => {
    let store = await filled()
    expect((await verifyStore(store)).problems).to.deep.equal([])
    await store.abandon()
    await store.log.close()
    store = await open()
    await append(store, 's-1')
    await store.close()
    store = await open()
    await append(store, 's-2')
    const { chain, problems: found } = await verifyStore(store)
    expect(found).to.deep.equal([])
    expect(chain).to.deep.include({ from: 0, groups: 43, removed: 0 })
    await store.close()
    expect((await verifyFolder(folder)).chain).to.deep.equal(chain)
    expect((await segments()).length).to.be.greaterThan(3)
  })

  it('shows an edit whose checksum was mended, wherever it is', async () => {
    await (await filled()).close()
    const names = await segments()
    const saved = await mkdtemp(join(tmpdir(), 'tillroll-chain-'))
    await cp(folder, saved, { recursive: true })
    for (const name of [names[0]!, names.at(-2)!, names.at(-1)!]) {
      const pick = nth('event', 1)
      expect(await tamper(name, (record) => pick(record) && record.bytes.includes('"amount":100'), cheapen)).to.equal(1)
      const found = await problems()
      expect(found, name).to.have.length(1)
      expect(found[0]).to.contain(name).and.to.contain('the chain breaks')
      await rm(folder, { recursive: true })
      await cp(saved, folder, { recursive: true })
    }
    // The checksums alone show nothing of it: a start takes the store.
    await tamper(names[1]!, nth('event', 0), cheapen)
    await rm(join(folder, 'index'), { recursive: true })
    const store = await open()
    expect((await verifyStore(store)).problems).to.have.length(1)
    await store.close()
    await rm(saved, { recursive: true })
  })

  it('shows an edit that mends its own link too, by the next one', async () => {
    await (await filled()).close()
    const [, second] = await segments()
    await tamper(second!, nth('group', 1), (record) => record.fill(7, 14, 46))
    expect(await problems()).to.have.length.greaterThan(1)
  })

  it('shows a segment that was put in from another store', async () => {
    await (await filled()).close()
    const [first] = await segments()
    const other = folder
    folder = await mkdtemp(join(tmpdir(), 'tillroll-chain-'))
    await (await filled()).close()
    await cp(join(folder, first!), join(other, first!))
    await rm(folder, { recursive: true })
    folder = other
    expect((await problems()).join()).to.contain('does not continue the chain')
  })

  describe('and what a scavenge removes', () => {
    const scavenged = async (store: Store): Promise<void> => {
      await new Promise<void>((resolve) => store.remove('s-1', -2, false, never, () => resolve()))
      await scavenge(store, Date.now())
    }

    it('holds, and says how much was removed by which receipts', async () => {
      const store = await filled()
      await scavenged(store)
      await append(store, 's-2', 3)
      await new Promise<void>((resolve) => store.remove('s-2', -2, false, never, () => resolve()))
      const { removed } = await scavenge(store, Date.now())
      expect(removed).to.be.greaterThan(0)
      const { chain, problems: found } = await verifyStore(store)
      expect(found).to.deep.equal([])
      expect(chain.removed).to.equal(chain.receipts.reduce((sum, receipt) => sum + receipt.removed, 0))
      expect(chain.removed).to.be.greaterThan(removed)
      await store.close()
      expect((await verifyFolder(folder)).problems).to.deep.equal([])
    })

    it('shows what was removed without a receipt', async () => {
      const store = await filled()
      await scavenged({ ...store, note: async () => undefined })
      await store.close()
      expect((await problems()).join()).to.contain('no receipt covers that')
    })

    it('shows an edit of what it left, and of its receipt', async () => {
      await (async () => {
        const store = await filled()
        await scavenged(store)
        await store.close()
      })()
      const saved = await mkdtemp(join(tmpdir(), 'tillroll-chain-'))
      await cp(folder, saved, { recursive: true })
      const edits: [ScannedRecord['kind'], (record: Buffer) => void][] = [
        ['removed', (record) => record.fill(7, 14, 46)],
        ['head', (record) => record.fill(9, 10, 11)],
        ['receipt', (record) => record.write('9', record.indexOf('"removed":') + 10, 'latin1')],
      ]
      for (const [kind, change] of edits) {
        let changed = 0
        for (const name of await segments()) changed += changed ? 0 : await tamper(name, nth(kind, 0), change)
        expect(changed, kind).to.equal(1)
        expect(await problems(), kind).to.not.deep.equal([])
        await rm(folder, { recursive: true })
        await cp(saved, folder, { recursive: true })
      }
      await rm(saved, { recursive: true })
    })
  })

  describe('sealed', () => {
    it('shows that the end was cut off, which nothing in the store can', async () => {
      const store = await filled()
      const sealed = { position: store.log.end(), chain: store.log.chain().toString('hex') }
      await append(store, 's-1')
      expect((await verifyStore(store, undefined, sealed)).problems).to.deep.equal([])
      await store.close()
      const last = join(folder, (await segments()).at(-1)!)
      const segment = await openSegment(diskFiles, last, 'read')
      const groups: number[] = []
      for await (const { kind, offset } of eachRecord({ reading: (_, use) => use() }, segment))
        if (kind === 'group') groups.push(segment.start + offset)
      await segment.file.close()
      await truncate(last, groups.at(-3)!)
      await rm(join(folder, 'mark'))
      await rm(join(folder, 'mark-copy'))
      await acceptEnd(folder)
      expect(await problems()).to.deep.equal([])
      expect((await verifyFolder(folder, { sealed })).problems.join()).to.contain(
        'is sealed, and no group of this log ends there',
      )
    })

    it('is signed, and believed only with the right key and unchanged', async () => {
      const path = join(folder, 'key.pem')
      const { key, made } = await sealKey(path)
      expect([made, (await stat(path)).mode & 0o077]).to.deep.equal([true, 0])
      expect((await sealKey(path)).made).to.equal(false)
      const text = JSON.stringify(makeSeal({ position: 7, chain: 'ab'.repeat(32) }, key, '2026-01-01T00:00:00.000Z'))
      expect(openSeal(text, await readFile(path)).position).to.equal(7)
      const { key: other } = await sealKey(join(folder, 'other.pem'))
      expect(await failure((async () => openSeal(text, other.export({ type: 'pkcs8', format: 'pem' })))())).to.be.instanceOf(
        BadSeal,
      )
      for (const changed of [text.replace('"position":7', '"position":8'), text.replace('abab', 'abba'), '{}', 'nonsense'])
        expect(await failure((async () => openSeal(changed))())).to.be.instanceOf(BadSeal)
    })
  })

  describe('behind a store that has none', () => {
    beforeEach(() => cp(oldStore, folder, { recursive: true }))

    it('begins where this release begins to write', async () => {
      expect((await verifyFolder(folder)).chain).to.deep.equal({ groups: 0, removed: 0, receipts: [] })
      let store = await open()
      const begins = store.log.end()
      expect(store.stream('s-2').last).to.equal(3)
      await append(store, 's-2')
      await store.close()
      store = await open()
      await append(store, 's-2')
      await store.close()
      const report = await verifyFolder(folder)
      expect(report).to.deep.include({ problems: [], events: 15 })
      expect(report.chain).to.deep.include({ from: begins, groups: 2 })
    })

    it('lets it be scavenged', async () => {
      const store = await open()
      await new Promise<void>((resolve) => store.remove('s-1', -2, false, never, () => resolve()))
      expect((await scavenge(store, Date.now())).removed).to.equal(4)
      expect((await verifyStore(store)).problems).to.deep.equal([])
      await store.close()
      expect(await problems()).to.deep.equal([])
    })
  })

  it('knows the kinds of records by numbers that never change', () => {
    expect(kinds).to.deep.equal({ event: 1, group: 2, head: 3, removed: 4, receipt: 5 })
  })
})
