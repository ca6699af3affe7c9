import { expect } from 'chai'
import type { ProductEvent } from '../../src/domain/product.js'
import { projections } from '../../src/projections/all.js'
import { listParked } from '../../src/projections/engine/quarantine.js'
import { retryParked } from '../../src/projections/operations/retry.js'
import { type ProductRow, products } from '../../src/projections/product.js'
import { anyProjection } from '../../src/projections/projection.js'
import { until } from '../support/until.js'
import { caughtUp, openDatabase, type Running, start } from './support/engine.js'
import { createMemoryStore } from './support/memory.js'

const at = '2026-01-01T00:00:00Z'
const added = { streamId: 'product-a', type: 'ProductAdded', data: { name: 'Tea', stock: 1, at } }
const renamed = (name: string) => ({ streamId: 'product-a', type: 'ProductRenamed', data: { name, at } })

describe('a parked stream, retried', () => {
  let database: Awaited<ReturnType<typeof openDatabase>>
  let running: Running
  let memory: ReturnType<typeof createMemoryStore>
  // A fold with a fault: it can't take this one name.
  const faulty = anyProjection({
    ...products,
    evolve: (row: ProductRow | undefined, event: ProductEvent) => {
      if (event.type === 'ProductRenamed' && event.data.name === 'Poison') throw new Error('poisoned')
      return products.evolve(row, event)
    },
  })
  const withFault = projections.map((projection) => (projection.name === 'products' ? faulty : projection))
  beforeEach(async () => {
    database = await openDatabase()
    memory = createMemoryStore()
    running = start(database, memory.store, { projections: withFault })
  })
  afterEach(async () => {
    await running.stop()
    await database.drop()
  })
  const row = async () => (await database.pool.query('select name, revision from tillroll.products_1')).rows
  const retry = async (which = projections) => {
    const client = await database.pool.connect()
    try {
      return (await retryParked(client, memory.store, which)).map(({ parked, error }) => [parked.streamId, error])
    } finally {
      client.release()
    }
  }

  it('is folded by code that can, up to the checkpoint, and goes on', async () => {
    memory.write(added, renamed('Green'), renamed('Poison'), renamed('White'))
    await caughtUp(database, memory.store)
    expect(await row()).to.deep.equal([{ name: 'Green', revision: 1 }])
    expect(await retry()).to.deep.equal([['product-a', undefined]])
    expect(await row()).to.deep.equal([{ name: 'White', revision: 3 }])
    expect(await listParked(database.pool)).to.deep.equal([])
    memory.write(renamed('Black'))
    await until(async () => (await row())[0].name === 'Black')
  })

  it('stays parked where the code still can not, with one attempt more', async () => {
    memory.write(added, renamed('Poison'))
    await caughtUp(database, memory.store)
    expect(await retry(withFault)).to.deep.equal([['product-a', 'poisoned']])
    expect(await listParked(database.pool)).to.have.nested.property('[0].attempts', 2)
    expect(await row()).to.deep.equal([{ name: 'Tea', revision: 0 }])
  })

  it('stays parked where the database refuses it, its row as far as it goes', async () => {
    memory.write(added, renamed('Green'), renamed('nul \0'))
    await caughtUp(database, memory.store)
    const [[streamId, error]] = (await retry()) as [[string, string]]
    expect(streamId).to.equal('product-a')
    expect(error).to.match(/22P05/)
    expect(await row()).to.deep.equal([{ name: 'Green', revision: 1 }])
  })
})
