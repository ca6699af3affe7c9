import { randomInt, randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { makeId } from '../../src/domain/ids.js'
import { noStream, type Store } from '../../src/eventstore/store.js'
import { createAsOf } from '../../src/history/as-of.js'
import { blame, projectionNamed } from '../../src/history/blame.js'
import type { Format } from '../../src/history/engine/export-target.js'
import type { HistoryFilter } from '../../src/history/engine/filter.js'
import { positionsOfRows } from '../../src/history/engine/find-time.js'
import type { HistorySource } from '../../src/history/engine/read.js'
import { exportHistory } from '../../src/history/export.js'
import { type Fold, replay } from '../../src/history/replay.js'
import { openSql } from '../../src/history/sql.js'
import type { Database } from '../../src/platform/database.js'
import { createQueries } from '../../src/queries/index.js'

export type Bench = {
  readonly home: string
  readonly store: Store
  readonly storeId: string
  readonly database: Database
}

/** `events`: how many were gone through, where the rate is the point; `cpu`: seconds of this process's. */
export type Measured = { readonly events?: number; readonly seconds: number; readonly cpu?: number }

type Question = {
  readonly name: string
  /** Reading in bulk is measured again right before it. */
  readonly besideBulk: boolean
  readonly target?: string
  readonly ask: (bench: Bench) => Promise<{ readonly [row: string]: Measured }>
}

const limits = { memory: '512MB', threads: 2 }
const never = new AbortController().signal

/** A folder of its own for what is noted of the history: nothing is known at its beginning. */
const sourceOf = ({ home, store, storeId, database }: Bench, name: string): HistorySource => ({
  store,
  storeId,
  folder: join(home, `history-${name}`),
  somePositions: positionsOfRows(database),
})

export const timed = async <T>(
  work: () => Promise<T>,
): Promise<{ readonly value: T; readonly seconds: number; readonly cpu: number }> => {
  const [began, before] = [performance.now(), process.cpuUsage()]
  const value = await work()
  const { user, system } = process.cpuUsage(before)
  return { value, seconds: (performance.now() - began) / 1_000, cpu: (user + system) / 1e6 }
}

const newProductId = (): string => makeId(Math.floor(Date.now() / 1_000), randomInt(2 ** 21))

const median = (numbers: readonly number[]): number => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)]!

const exported = (bench: Bench, source: HistorySource, format: Format, out: string, filter: HistoryFilter = {}) =>
  exportHistory(source, {
    format,
    filter,
    personal: false,
    out: join(bench.home, out),
    work: out,
    limits,
    signal: never,
    onProgress: () => undefined,
  })

const exporting =
  (format: Format, out: string): Question['ask'] =>
  async (bench) => {
    const { value, ...spent } = await timed(() => exported(bench, sourceOf(bench, format), format, out))
    return { [`export as ${format}`]: { events: value.events, ...spent } }
  }

const append = (store: Store, stream: string, revision: number, events: readonly { type: string; data: object }[]) =>
  store.append(
    stream,
    events.map((event) => ({
      id: randomUUID(),
      ...event,
      metadata: { actor: 'system', $correlationId: randomUUID(), schema: 1 },
    })),
    revision,
  )

/** A product whose stock is counted a thousand times; answers its id. */
const longProduct = async (store: Store): Promise<string> => {
  const productId = newProductId()
  const at = new Date().toISOString()
  await append(store, `product-${productId}`, noStream, [
    { type: 'ProductAdded', data: { productId, name: 'tea', stock: 1, price: 1, at } },
  ])
  for (let revision = 0; revision < 999; revision += 333) {
    const counted = Array.from({ length: 333 }, (_, i) => ({
      type: 'StockCounted',
      data: { productId, stock: revision + i, at },
    }))
    await append(store, `product-${productId}`, revision, counted)
  }
  return productId
}

const emptyFold: Fold = {
  file: { name: 'an empty fold', exports: {}, placeOf: () => undefined },
  initial: () => 0,
  evolve: (events) => (events as number) + 1,
  nextPeriod: (state) => state,
  result: (state) => state,
}

const replaying: Question['ask'] = async (bench) => {
  const { value: events, ...spent } = await timed(async () => {
    for await (const { value } of replay(sourceOf(bench, 'replay'), emptyFold, { filter: {} })) return value as number
    return 0
  })
  return { 'replay with an empty fold': { events, ...spent } }
}

const asking: Question['ask'] = async (bench) => {
  const source = sourceOf(bench, 'sql')
  const sql = await openSql({ source, database: bench.database, limits, timeout: 60_000 })
  const question = 'select type, count(*) from events group by type order by 1'
  const ask = async (): Promise<number> => {
    await sql.refresh(question)
    const asker = await sql.connect()
    let rows = 0
    for await (const batch of (await asker.query(question)).rows()) rows += batch.length
    asker.close()
    return rows
  }
  try {
    const first = await timed(ask)
    const lines = await timed(() => exported(bench, sourceOf(bench, 'sql-lines'), 'ndjson', 'for-sql.ndjson'))
    const productId = newProductId()
    const data = { productId, name: 'more', stock: 1, price: 1, at: new Date().toISOString() }
    await append(bench.store, `product-${productId}`, noStream, [{ type: 'ProductAdded', data }])
    await new Promise((resolve) => setTimeout(resolve, 600))
    const next = await timed(ask)
    return {
      'the first question in SQL': { events: lines.value.events, seconds: first.seconds, cpu: first.cpu },
      '  beside an export as ndjson right after it': { events: lines.value.events, seconds: lines.seconds, cpu: lines.cpu },
      'the next question, behind one more event': { seconds: next.seconds },
    }
  } finally {
    await sql.close()
  }
}

const blaming: Question['ask'] = async ({ store }) => {
  const id = await longProduct(store)
  const ask = () => timed(() => blame(store, projectionNamed('products'), { id, column: 'stock' }))
  const first = await ask()
  const times: number[] = []
  for (let i = 0; i < 15; i++) times.push((await ask()).seconds)
  return {
    'blame of a row with 1,000 events: the first': { seconds: first.seconds },
    '  the median of 15 more': { seconds: median(times) },
  }
}

const listing: Question['ask'] = async (bench) => {
  const queries = createQueries(bench.database)
  const last = (await bench.store.last())!
  const at = Date.parse(`${(last.data as { at: string }).at}`)
  const list = async (source: HistorySource, ago: number): Promise<number> => {
    let count = 0
    const moment = { time: new Date(at - ago * 86_400_000).toISOString() }
    for await (const _ of createAsOf(source).products(moment, (after, limit) => queries.productRows(after, limit)))
      if (++count === 1_000) break
    return count
  }
  const source = sourceOf(bench, 'list')
  const days = [1, 30]
  const measured: Record<string, Measured> = {}
  for (const ago of days) {
    const { value, seconds } = await timed(() => list(source, ago))
    measured[`${value} products as of ${ago} day${ago === 1 ? '' : 's'} ago`] = { seconds }
  }
  return measured
}

const sinceLately: Question['ask'] = async (bench) => {
  const last = (await bench.store.last())!
  const from = { time: new Date(Date.parse((last.data as { at: string }).at) - 86_400_000 / 2).toISOString() }
  const source = sourceOf(bench, 'from')
  const first = await timed(() => exported(bench, source, 'ndjson', 'from.ndjson', { from }))
  return { [`export --from half a day before the end: ${first.value.events} events`]: { seconds: first.seconds } }
}

const third = '33 % of bulk'
export const questions: readonly Question[] = [
  { name: 'from', besideBulk: true, target: 'no reading of all', ask: sinceLately },
  { name: 'replay', besideBulk: true, target: third, ask: replaying },
  { name: 'ndjson', besideBulk: true, target: third, ask: exporting('ndjson', 'events.ndjson') },
  { name: 'csv', besideBulk: true, ask: exporting('csv', 'csv') },
  { name: 'parquet', besideBulk: true, target: '17 % of bulk', ask: exporting('parquet', 'parquet') },
  { name: 'sql', besideBulk: true, target: 'first <= ndjson, next < 2 s', ask: asking },
  { name: 'blame', besideBulk: false, target: '< 50 ms', ask: blaming },
  { name: 'list', besideBulk: false, target: '< 2 s', ask: listing },
]
export const rowNames: readonly string[] = questions.map(({ name }) => name)
