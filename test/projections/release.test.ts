import { expect } from 'chai'
import type { ProductEvent } from '../../src/domain/product.js'
import { sleep } from '../../src/platform/async.js'
import { projections } from '../../src/projections/all.js'
import { type ProductRow, products } from '../../src/projections/product.js'
import { anyProjection } from '../../src/projections/projection.js'
import { createRead, NotReady, ofCheckpoint } from '../../src/queries/engine/read.js'
import { until } from '../support/until.js'
import { caughtUp, expectRows, rowsOf } from './support/engine.js'
import { rebuilding } from './support/rebuilding.js'

describe('projections of a new release', () => {
  const here = rebuilding()
  const { run, build, live } = here

  // A column of another type, and another column.
  const next = anyProjection({
    ...products,
    version: 2,
    columns: (table) => {
      table.text('name').notNullable()
      table.text('stock').notNullable()
      table.text('shout').notNullable()
    },
    evolve: (row: { name: string; stock: string; shout: string } | undefined, event) => {
      const { data } = event as { data: Record<string, unknown> }
      if (event.type === 'ProductAdded') {
        return { name: data.name as string, stock: `${data.stock}`, shout: `${data.name}!` }
      }
      return event.type === 'StockCounted' ? { ...row!, stock: `${data.stock}` } : row
    },
  })
  const upgraded = projections.map((projection) => (projection.name === 'products' ? next : projection))

  it('take over while the older one projects and serves, which then steps down', async () => {
    const older = run({ holder: 'older' })
    here.memory.write(...here.history.steps(300))
    await caughtUp(here.database, here.memory.store)
    const newer = run({ holder: 'newer', projections: upgraded })
    await until(async () => (await live('products')).live?.version === 2)
    expect((await live('products')).beside).to.deep.equal([])
    here.memory.write(...here.history.steps(50))
    await caughtUp(here.database, here.memory.store)
    expect(older.logged.some((line) => line.includes('standing by'))).to.equal(true)
    expect(newer.logged.some((line) => line.includes('built products'))).to.equal(true)
    const rows = await rowsOf(here.database, next, (await live('products')).live!.generation)
    for (const [streamId, row] of here.history.expected().products!) {
      expect(rows.get(streamId)).to.have.property('shout')
      expect(rows.has(streamId), (row as { name: string }).name).to.equal(true)
    }
  })

  it('serve every read meanwhile, while ten releases follow each other that change a column’s type', async () => {
    const isText = (version: number) => version % 2 === 0
    const definition = (version: number) =>
      anyProjection({
        ...products,
        version,
        columns: (table) => {
          table.text('name').notNullable()
          table[isText(version) ? 'text' : 'integer']('stock').notNullable()
          table.bigInteger('price')
          table.boolean('retired').notNullable()
        },
        evolve: (row: ProductRow | undefined, event: ProductEvent) => {
          const after = products.evolve(row && { ...row, stock: Number(row.stock) }, event)
          return after && isText(version) ? ({ ...after, stock: `${after.stock}` } as never) : after
        },
      })
    const release = (version: number) => projections.map((each) => (each.name === 'products' ? definition(version) : each))
    let runner = run({ projections: release(1) })
    here.memory.write(...here.history.steps(500))
    await caughtUp(here.database, here.memory.store)
    const count = here.history.expected().products!.size

    const holder = async () =>
      (await here.database.pool.query(`select holder from tillroll.lease where name = 'projections' and expires_at > now()`))
        .rows[0]?.holder
    const read = createRead(here.database.pool)
    let version = 1
    let reading = true
    const seen = new Map<number, number>()
    const attempt = async (wanted: number): Promise<boolean> => {
      try {
        const { rows } = await read<{ stock: unknown }>({
          name: 'all products',
          definitions: [definition(wanted)],
          text: (live) => `select ${ofCheckpoint}, t.* from tillroll.checkpoint c cross join ${live.table(definition(wanted))} t`,
        })
        if (rows.length < count) throw new Error(`${rows.length} of ${count} rows`)
        const type = isText(wanted) ? 'string' : 'number'
        if (rows.some(({ stock }) => typeof stock !== type)) throw new Error(`not every stock is a ${type}`)
        seen.set(wanted, (seen.get(wanted) ?? 0) + 1)
        return true
      } catch (error) {
        if (!(error instanceof NotReady)) throw error
        return false
      }
    }
    // What this release can't read any more, the next one can.
    const reader = async () => {
      while (reading) {
        const now = version
        if (!(await attempt(now)) && !(await attempt(now + 1))) throw new Error(`neither release ${now} nor the next can read`)
      }
    }
    const writer = async () => {
      while (reading) {
        here.memory.write(...here.history.steps(5))
        await sleep(5)
      }
    }
    const load = Promise.all([reader(), reader(), writer()])
    for (let next = 2; next <= 11; next++) {
      const newer = run({ holder: `release ${next}`, projections: release(next) })
      await Promise.race([load, until(async () => (await live('products')).live?.version === next)])
      await sleep(50)
      version = next
      await runner.stop()
      here.running.splice(here.running.indexOf(runner), 1)
      runner = newer
      // Who projects keeps its tables for its readers: the next release has to come later than that.
      await Promise.race([load, until(async () => (await holder()) === `release ${next}`)])
    }
    reading = false
    await load
    expect([...seen.keys()].sort((a, b) => a - b)).to.deep.equal(Array.from({ length: 11 }, (_, i) => i + 1))
    await caughtUp(here.database, here.memory.store)
    await expectRows(here.database, here.history.expected())
  }).timeout(60_000)

  it('and given back to the older one, go on where that had left them', async () => {
    const older = run({ holder: 'older' })
    here.memory.write(...here.history.steps(300))
    await caughtUp(here.database, here.memory.store)
    await older.stop()
    const newer = run({ holder: 'newer', projections: upgraded })
    await until(async () => (await live('products')).live?.version === 2)
    await newer.stop()
    here.memory.write(...here.history.steps(100))
    run({ holder: 'older' })
    run({ holder: 'newer', projections: upgraded })
    const [back] = await build(projections.filter(({ name }) => name === 'products'))
    expect(back).to.deep.include({ generation: 1, resumed: true, live: true })
    await caughtUp(here.database, here.memory.store)
    await expectRows(here.database, here.history.expected())
  })
})
