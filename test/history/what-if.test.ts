import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import fc from 'fast-check'
import { whatIfWords } from '../../src/cli/commands/history/what-if.js'
import { projectionNamed } from '../../src/history/blame.js'
import { loadFile, UnusableFile } from '../../src/history/engine/analyst-file.js'
import { atOf } from '../../src/history/engine/moment.js'
import { type ChangedFold, changedFoldOf, type WhatIfOptions, whatIf } from '../../src/history/what-if.js'
import { projections } from '../../src/projections/all.js'
import { createHistory } from '../projections/support/history.js'
import { createMemoryStore } from '../projections/support/memory.js'
import { day, type ShopHistory, startShopHistory, writeShop } from './shop-history.js'

const file = { name: 'changed.ts', exports: {}, placeOf: () => undefined }
const same: ChangedFold = { file, evolve: (row, event, today) => today(row, event) }

describe('what if a projection folded differently', () => {
  let shop: ShopHistory
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tillroll-what-if-'))
    shop = await startShopHistory()
    await writeShop(shop)
    await shop.append('product-p2', ['StockCounted', { productId: 'p2', stock: 0, at: day(5) }])
    await shop.append('user-u2', ['UserErased', { userId: 'u2', at: day(6) }])
  })
  after(async () => {
    await shop.stop()
    await rm(folder, { recursive: true })
  })
  const run = async (name: string, text: string, options: WhatIfOptions = {}) => {
    const path = join(folder, 'changed.ts')
    await writeFile(path, text)
    const projection = projectionNamed(name)
    return whatIf(shop, projection, changedFoldOf(await loadFile(path), projection), options)
  }
  const doubled = `export const evolve = (row: any, event: any, today: any) => {
    const next = today(row, event)
    return event.type === 'StockCounted' ? { ...next, stock: 99 } : next
  }`

  it('is the rows that would be others, column by column, with counts', async () => {
    const { differences, ...counts } = await run('products', doubled)
    expect(counts).to.deep.equal({
      projection: 'products',
      rows: 2,
      rowsThen: 2,
      same: 1,
      made: 0,
      changed: 1,
      gone: 0,
      columns: { stock: 1 },
      parked: [],
    })
    expect(differences).to.deep.equal([{ id: 'p2', change: 'changed', columns: [{ column: 'stock', before: 0, after: 99 }] }])
    expect((await run('products', doubled, { asOf: { time: day(4) } })).changed).to.equal(0)
  })

  it('tells rows that would be there and would not', async () => {
    const erasing = `export const evolve = (row: any, event: any, today: any) =>
      event.type === 'UserErased' ? row : event.type === 'PasswordSet' ? { ...row, safe: true } : today(row, event)`
    const { made, gone, changed, differences } = await run('users', erasing, { personal: true })
    expect({ made, gone, changed }).to.deep.equal({ made: 1, gone: 0, changed: 1 })
    // Of who was erased, nobody is shown anything, whoever asks.
    expect(JSON.stringify(differences)).to.not.match(/Bob|u2@example/)
    const none = await run('products', 'export const evolve = () => undefined')
    expect(none).to.include({ gone: 2, rowsThen: 0 })
  })

  it('shows no personal data that was not asked for, nor what a new column makes of it', async () => {
    const greeting =
      'export const evolve = (row: any, event: any, today: any) => { const next = today(row, event); return next && { ...next, name: next.name + "!", hello: "dear " + next.name } }'
    expect(JSON.stringify(await run('users', greeting)))
      .to.include('left out')
      .and.not.match(/Countess|dear/)
    expect(JSON.stringify(await run('users', greeting, { personal: true }))).to.match(/dear Ada/)
  })

  it('says which streams would be parked, where in the file, and on which event', async () => {
    const { parked, changed } = await run(
      'products',
      "export const evolve = (row: any, event: any, today: any) => {\n  if (event.type === 'StockCounted') throw new Error('no')\n  return today(row, event)\n}",
    )
    expect(parked).to.have.length(1)
    expect(parked[0]!.error).to.match(/^changed\.ts:2:\d+: no, on StockCounted, revision 1, position \d+$/)
    expect(changed).to.equal(1)
    const wrong = await run('products', 'export const evolve = () => 7')
    expect(wrong.parked[0]!.error).to.include('evolve must return a row')
  })

  it('takes a changed copy of a projection, and nothing else', async () => {
    const products = fileURLToPath(new URL('../../src/projections/product.ts', import.meta.url))
    const { changed, parked } = await run(
      'products',
      `import { products as today } from ${JSON.stringify(products)}
       export const products = { ...today, version: 2, evolve: (row: any, event: any) => ({ ...today.evolve(row, event), retired: true }) }`,
    )
    expect({ changed, parked }).to.deep.equal({ changed: 2, parked: [] })
    const refused = await run('products', 'export const fold = 1').catch((error: unknown) => error)
    expect(refused).to.be.instanceOf(UnusableFile)
  })

  it('writes nothing', async () => {
    const before = await shop.store.last()
    await run('products', doubled)
    expect((await shop.store.last())?.position).to.equal(before?.position)
  })

  it('is told to people with the first of the rows', async () => {
    const found = await run('products', 'export const evolve = () => undefined')
    const words = whatIfWords(found, 1)
    expect(words).to.match(/^products: 2 rows as they are, 0 as they would be: 0 made, 0 changed, 2 gone, 0 the same\n/)
    expect(words).to.include('and 1 more: --limit')
  })

  it('is nothing where nothing is changed, as of any moment of any history', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 1_000_000 }), fc.nat(119), async (seed, n) => {
        const { store, log, write } = createMemoryStore()
        write(...createHistory(seed).steps(120))
        const event = log[Math.min(n, log.length - 1)]!
        for (const projection of projections)
          for (const asOf of [undefined, { position: event.position }, { time: atOf(event) }]) {
            const found = await whatIf({ store, storeId: 'memory', folder }, projection, same, { asOf })
            expect(found.differences).to.deep.equal([])
            expect(found.same).to.equal(found.rows)
          }
      }),
      { numRuns: 15 },
    )
  })
})
