import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, parquetSchema } from 'hyparquet'
import { openStore } from '../../src/embedded/eventstore/storage/store.js'
import { connectStore } from '../../src/eventstore/client.js'
import { CannotExport } from '../../src/history/engine/export-target.js'
import { UnknownName } from '../../src/history/engine/names.js'
import { OtherPartial } from '../../src/history/engine/partial.js'
import { readPlace } from '../../src/history/engine/range.js'
import { type ExportOptions, exportHistory, streamHistory } from '../../src/history/export.js'
import { failure } from '../eventstore/contract/store.js'
import { startEventStore } from '../support/eventstore.js'
import { day, type ShopHistory, startShopHistory, writeShop } from './shop-history.js'

describe('exporting the history', () => {
  let shop: ShopHistory
  before(async () => {
    shop = await startShopHistory()
    await writeShop(shop)
  })
  after(() => shop.stop())

  let count = 0
  const fresh = (name: string) => join(shop.home, `${++count}-${name}`)
  const exported = (options: Partial<ExportOptions> & Pick<ExportOptions, 'out' | 'format'>) =>
    exportHistory(shop, {
      filter: {},
      personal: false,
      work: `export ${options.out}`,
      limits: { memory: '256MB', threads: 1 },
      signal: new AbortController().signal,
      onProgress: () => undefined,
      ...options,
    })
  const lines = async (file: string) => (await readFile(file, 'utf8')).trim().split('\n')
  const parquet = async (file: string) => parquetReadObjects({ file: await asyncBufferFromFile(file) })

  it('writes an object a line, without what is secret or personal', async () => {
    const out = fresh('all.ndjson')
    const { complete, events } = await exported({ format: 'ndjson', out })
    const found = (await lines(out)).map((line) => JSON.parse(line))
    expect([complete, events, found.length]).to.deep.equal([true, 10, 10])
    expect(found[1]).to.deep.include({
      stream: 'user-u1',
      revision: 0,
      type: 'UserRegistered',
      at: day(1),
      actor: 'u1',
      correlation: 'c-user-u1',
      data: { userId: 'u1', login: 'lu1', claimRevision: 0, at: day(1) },
    })
    const text = await readFile(out, 'utf8')
    for (const hidden of ['PasswordSet', '$2b$secret', 'Ada', 'example.org']) expect(text).to.not.contain(hidden)
    expect(existsSync(`${out}.partial`)).to.equal(false)
  })

  it('writes personal data where it is asked for, and never what is secret', async () => {
    const out = fresh('personal')
    await exported({ format: 'csv', out, personal: true })
    expect(await readFile(join(out, 'user_registered.csv'), 'utf8')).to.contain('"Ada ""the first"", Countess",u1@example.org')
    expect(await readdir(out)).to.not.include('password_set.csv')
  })

  it('writes a table of CSV for each event type', async () => {
    const out = fresh('tables')
    await exported({ format: 'csv', out })
    expect((await readdir(out)).sort()).to.deep.equal([
      'cart_item_added.csv',
      'email_claimed.csv',
      'order_placed.csv',
      'product_added.csv',
      'user_registered.csv',
    ])
    const products = await readFile(join(out, 'product_added.csv'), 'utf8')
    expect(products).to.match(/^position,stream,revision,at,actor,correlation,product_id,name,stock,price\n/)
    expect(products).to.contain(`,u1,c-product-p1,p1,"Tea, ""green""\nloose",10,450\n`)
    // An empty name, and no price.
    expect(products).to.contain(`,p2,"",5,\n`)
  })

  it('writes Parquet that another implementation reads', async () => {
    const out = fresh('columns')
    await exported({ format: 'parquet', out })
    const placed = await parquet(join(out, 'order_placed.parquet'))
    expect(placed.map(({ order_id, price }) => [order_id, Number(price)])).to.deep.equal([
      ['o0', 450],
      ['o1', 900],
      ['o2', 1350],
    ])
    expect((placed[0]!.at as Date).toISOString()).to.equal(day(2, 9))
    expect(placed[0]!.items).to.deep.equal([
      { productId: 'p1', quantity: 1, price: 450 },
      { productId: 'p2', quantity: 1 },
    ])
    const products = await parquet(join(out, 'product_added.parquet'))
    expect(products.map(({ name, price }) => [name, price])).to.deep.equal([
      ['Tea, "green"\nloose', 450n],
      ['', null],
    ])
    const schema = parquetSchema(await parquetMetadataAsync(await asyncBufferFromFile(join(out, 'user_registered.parquet'))))
    expect(schema.children.map(({ element }) => element.name)).to.deep.equal(
      'position stream revision at actor correlation user_id login claim_revision'.split(' '),
    )
    expect(schema.children.every(({ children }) => children.length === 0)).to.equal(true)
  })

  it('writes one type alone into one file, though there are no events of it', async () => {
    const [csv, none] = [fresh('placed.csv'), fresh('none.parquet')]
    await exported({ format: 'csv', out: csv, filter: { types: ['OrderPlaced'], from: readPlace('2026-01-03') } })
    expect(await lines(csv)).to.have.length(3)
    await exported({ format: 'parquet', out: none, filter: { types: ['OrderRejected'] } })
    expect(await parquet(none)).to.deep.equal([])
  })

  it('goes to the standard output in lines', async () => {
    let text = ''
    const take = async (some: string) => {
      text += some
    }
    const signal = new AbortController().signal
    await streamHistory(shop, { format: 'csv', filter: { types: ['OrderPlaced'] }, personal: false, signal }, take)
    expect(text.split('\n')).to.have.length(5)
    text = ''
    await streamHistory(shop, { format: 'ndjson', filter: { stream: 'cart-' }, personal: false, signal }, take)
    expect(JSON.parse(text).type).to.equal('CartItemAdded')
  })

  it('writes a line for an event, however its JSON was laid out when it was stored', async () => {
    const folder = fresh('laid-out')
    const store = await openStore({ folder })
    const data = { productId: 'p1', name: 'Tea "green"', stock: 3, price: 12.5, at: day(1) }
    await new Promise<void>((resolve) => {
      const event = { id: randomUUID(), type: 'ProductAdded', json: true, customMetadata: new Uint8Array() }
      const texts = [JSON.stringify(data), JSON.stringify(data, null, 2), JSON.stringify(data).replace(',', ',\r\n')]
      const events = texts.map((text) => ({ ...event, id: randomUUID(), data: Buffer.from(text) }))
      store.append('product-p1', -1, events, Number.POSITIVE_INFINITY, () => resolve())
    })
    await store.close()
    const node = await startEventStore({ folder })
    const client = connectStore(node.url)
    const out = fresh('laid-out.ndjson')
    const source = { store: client, storeId: 'other', folder: fresh('history') }
    await exportHistory(source, {
      format: 'ndjson',
      filter: {},
      personal: false,
      work: 'laid out',
      out,
      limits: { memory: '256MB', threads: 1 },
      signal: new AbortController().signal,
      onProgress: () => undefined,
    })
    expect((await lines(out)).map((line) => JSON.parse(line).data)).to.deep.equal([data, data, data])
    await client.close()
    await node.stop()
  })

  it('says that the disk is full, although it writes while it reads on', async function () {
    if (process.platform !== 'linux') return this.skip()
    const out = fresh('full.ndjson')
    await mkdir(`${out}.partial`)
    const note = { work: `export ${out}`, settings: {}, after: null, events: 0, sizes: {} }
    await writeFile(join(`${out}.partial`, 'progress.json'), JSON.stringify(note))
    await symlink('/dev/full', join(`${out}.partial`, 'events.ndjson'))
    const error = await failure(exported({ format: 'ndjson', out }))
    expect(error).to.be.instanceOf(CannotExport)
    expect(error.message).to.contain('the disk is full')
    expect(existsSync(out)).to.equal(false)
  })

  it('refuses what it can not do, with what can be done', async () => {
    expect(await failure(exported({ format: 'csv', out: fresh('a.csv') }))).to.be.instanceOf(CannotExport)
    expect(await failure(exported({ format: 'ndjson', out: fresh('a'), filter: { types: ['OrderPlcd'] } }))).to.be.instanceOf(
      UnknownName,
    )
    const taken = fresh('taken')
    await writeFile(taken, 'mine')
    expect(String(await failure(exported({ format: 'ndjson', out: taken })))).to.contain('is there already')
    expect(await readFile(taken, 'utf8')).to.equal('mine')
    const empty = fresh('empty')
    await mkdir(empty)
    await exported({ format: 'csv', out: empty })
    expect(await readdir(empty)).to.include('order_placed.csv')
  })

  describe('that is interrupted', () => {
    const many = 6_000
    before(async () => {
      const events = Array.from({ length: many }, (_, i) => ['StockCounted', { productId: 'p3', stock: i, at: day(9) }] as const)
      for (let i = 0; i < many; i += 1_000) await shop.append('product-p3', ...events.slice(i, i + 1_000))
    })

    const interrupted = async (format: ExportOptions['format'], out: string, after = 1_000) => {
      const stopping = new AbortController()
      const onProgress: ExportOptions['onProgress'] = ({ events }) => {
        if (events > after) stopping.abort()
      }
      return exported({ format, out, signal: stopping.signal, onProgress, filter: { types: ['StockCounted'] } })
    }

    for (const format of ['ndjson', 'csv', 'parquet'] as const) {
      it(`leaves no half file of ${format}, and goes on where it was`, async () => {
        const [out, whole] = [fresh(`stock.${format}`), fresh(`whole.${format}`)]
        const first = await interrupted(format, out)
        expect(first.complete).to.equal(false)
        expect(first.events).to.be.within(1_000, many - 1)
        expect(existsSync(out)).to.equal(false)
        const filter = { types: ['StockCounted'] }
        let least = Number.POSITIVE_INFINITY
        const onProgress: ExportOptions['onProgress'] = ({ events }) => {
          least = Math.min(least, events)
        }
        const second = await exported({ format, out, filter, onProgress })
        expect(second).to.deep.include({ complete: true, events: many })
        // It did not begin anew.
        expect(least).to.be.at.least(first.events)
        await exported({ format, out: whole, filter })
        if (format === 'parquet') expect(await parquet(out)).to.deep.equal(await parquet(whole))
        else expect(await readFile(out, 'utf8')).to.equal(await readFile(whole, 'utf8'))
      })
    }

    it('leaves out what was written after the last note, as a killed process leaves it', async () => {
      const out = fresh('killed.ndjson')
      await interrupted('ndjson', out)
      const file = join(`${out}.partial`, 'events.ndjson')
      await writeFile(file, `${await readFile(file, 'utf8')}{"position":12,"str`)
      await exported({ format: 'ndjson', out, filter: { types: ['StockCounted'] } })
      expect((await lines(out)).map((line) => JSON.parse(line).data.stock)).to.deep.equal(
        Array.from({ length: many }, (_, i) => i),
      )
    })

    it('is not mixed with another', async () => {
      const out = fresh('mixed.ndjson')
      await interrupted('ndjson', out)
      const error = await failure(exported({ format: 'ndjson', out, work: 'another export' }))
      expect(error).to.be.instanceOf(OtherPartial)
      expect(String(error)).to.contain(`export ${out}`)
    })
  })
})
