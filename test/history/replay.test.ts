import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { catalogue, personalFields } from '../../src/domain/catalogue.js'
import { loadFile, UnusableFile } from '../../src/history/engine/analyst-file.js'
import { UnknownName } from '../../src/history/engine/names.js'
import { FoldFailed, foldOf, type ReplayOptions, replay } from '../../src/history/replay.js'
import { day, type ShopHistory, startShopHistory, writeShop } from './shop-history.js'

describe('a replay', () => {
  let shop: ShopHistory
  before(async () => {
    shop = await startShopHistory()
    await writeShop(shop)
    await shop.append('product-p1', ['StockCounted', { productId: 'p1', stock: 3, at: day(5, 23) }])
  })
  after(() => shop.stop())

  let files = 0
  const written = async (text: string, extension = 'ts'): Promise<string> => {
    const path = join(shop.home, `fold${files++}.${extension}`)
    await writeFile(path, text)
    return path
  }
  const run = async (text: string, options: Partial<ReplayOptions> = {}, extension = 'ts') => {
    const fold = foldOf(await loadFile(await written(text, extension)))
    const found: unknown[] = []
    for await (const { period, value } of replay(shop, fold, { filter: {}, now: Date.parse(day(7)), ...options }))
      found.push(period ? [period.label, value] : value)
    return found
  }
  const refusal = async (work: Promise<unknown>): Promise<Error> => {
    const error = await work.then(
      () => undefined,
      (reason: unknown) => reason,
    )
    expect(error).to.be.instanceOf(Error)
    return error as Error
  }
  const counting = `
    export const initial: number = 0
    export const evolve = (n: number, event: { type: string }): number => event.type === 'OrderPlaced' ? n + 1 : n`

  it('is what the fold makes of the events in the end, from TypeScript or JavaScript', async () => {
    expect(await run(counting)).to.deep.equal([3])
    const orders = { types: ['OrderPlaced'] }
    expect(
      await run('export const initial = () => 0; export const evolve = (n) => n + 1', { filter: orders }, 'mjs'),
    ).to.deep.equal([3])
    expect(await run('exports.initial = 0; exports.evolve = (n) => n + 1', { filter: orders }, 'cjs')).to.deep.equal([3])
    expect(await run(`${counting}; export const result = (n: number) => ({ n })`)).to.deep.equal([{ n: 3 }])
  })

  it('reads what the file imports', async () => {
    await mkdir(join(shop.home, 'lib'))
    await writeFile(join(shop.home, 'lib', 'one.ts'), 'export const one = (): number => 1')
    const text = `import { createHash } from 'node:crypto'; import { one } from './lib/one.js'
      export const initial = 0; export const evolve = (n: number) => n + one() * createHash('md5').digest().length`
    expect(await run(text, { filter: { types: ['OrderPlaced'] } })).to.deep.equal([48])
  })

  it('begins and ends where the filter says', async () => {
    expect(await run(counting, { filter: { from: { time: day(3) }, to: { time: day(4) } } })).to.deep.equal([1])
    expect(await run(counting, { filter: { stream: 'order-o2' } })).to.deep.equal([1])
    expect(await run(counting, { filter: { stream: 'cart-' } })).to.deep.equal([0])
    expect(await refusal(run(counting, { filter: { types: ['OrderPlacd'] } }))).to.be.instanceOf(UnknownName)
  })

  it('gives neither personal data nor secrets', async () => {
    const all = `export const initial: object[] = []; export const evolve = (all: object[], { type, data }: any) => [...all, { type, data }]`
    expect(JSON.stringify(await run(all)))
      .to.include('UserRegistered')
      .and.not.match(/PasswordSet|Countess|example\.org/)
    // What the types leave out of a user's events is what is left out of them.
    const left = [...catalogue].flatMap(([type, { category }]) => personalFields(type).map((field) => `${category} ${field}`))
    expect([...new Set(left)]).to.have.members(['user name', 'user email'])
  })

  it('answers a row for each period, those too in which nothing happened', async () => {
    const anew = `${counting}; export const nextPeriod = () => 0`
    expect(await run(counting, { every: 'day' })).to.deep.equal([
      ['2026-01-01', 0],
      ['2026-01-02', 1],
      ['2026-01-03', 2],
      ['2026-01-04', 3],
      ['2026-01-05', 3],
      ['2026-01-06', 3],
      ['2026-01-07', 3],
    ])
    expect(await run(anew, { every: 'day', filter: { from: { time: day(2) }, to: { time: day(4) } } })).to.deep.equal([
      ['2026-01-02', 1],
      ['2026-01-03', 1],
    ])
    expect(await run(anew, { every: 'week' })).to.deep.equal([
      ['2025-12-29', 3],
      ['2026-01-05', 0],
    ])
    expect(await run(anew, { every: 'month' })).to.deep.equal([['2026-01', 3]])
    expect(await run(anew, { every: 'hour', filter: { from: { time: day(2, 8) }, to: { time: day(2, 10) } } })).to.deep.equal([
      ['2026-01-02T08:00Z', 0],
      ['2026-01-02T09:00Z', 1],
    ])
  })

  it('has days and clocks of a time zone', async () => {
    const at = `export const initial = ''; export const evolve = (_: string, { at }: any, { date, time }: any) => date(at) + ' ' + time(at)`
    const filter = { types: ['StockCounted'] }
    expect(await run(at, { filter })).to.deep.equal(['2026-01-05 23:00:00'])
    expect(await run(at, { filter, zone: 'Europe/Berlin' })).to.deep.equal(['2026-01-06 00:00:00'])
    const [first] = await run(at, { filter, every: 'day', zone: 'Europe/Berlin' })
    expect(first).to.deep.equal(['2026-01-06', '2026-01-06 00:00:00'])
    const unknown = await refusal(run(at, { zone: 'Berlin' }))
    expect(unknown).to.be.instanceOf(UnknownName)
    expect(unknown.message).to.include('Europe/Berlin')
  })

  it('keeps what it showed of a state that the fold changes', async () => {
    const changing = `export const initial = { n: 0 }
      export const evolve = (state: { n: number }, event: { type: string }) => { if (event.type === 'OrderPlaced') state.n++; return state }`
    const rows = (await run(changing, { every: 'day', filter: { to: { time: day(4) } } })) as [string, { n: number }][]
    expect(rows.map(([, { n }]) => n)).to.deep.equal([0, 1, 2])
    expect(await run(changing)).to.deep.equal([{ n: 3 }])
  })

  it('says where a fold threw: in the file, and on which event', async () => {
    const throwing = `type State = { n: number }

export const initial: State = { n: 0 }
export const evolve = (state: State, event: any): State => {
  if (event.type !== 'OrderPlaced') return state
  return { n: state.n + event.data.nothing.there }
}`
    const failed = await refusal(run(throwing))
    const [placed] = await shop.store.read('order-o0')
    expect(failed).to.be.instanceOf(FoldFailed)
    expect(failed.message).to.match(/^fold\d+\.ts:6:\d+: TypeError: Cannot read properties of undefined/)
    expect(failed.message).to.include(`on OrderPlaced of ${day(2, 9)}, in order-o0, revision 0, position ${placed!.position}`)
    const result = await refusal(
      run(`${counting}\nexport const result = (n: number) => { throw new Error('no') }`, { every: 'day' }),
    )
    expect(result.message).to.match(/^fold\d+\.ts:4:\d+: Error: no\n {2}in result of 2026-01-01/)
    const nothing = await refusal(run('export const initial = 0\nexport const evolve = (n: number) => { n + 1 }'))
    expect(nothing.message).to.match(/evolve returned nothing: it must return the state\n {2}on /)
  })

  it('says what is wrong with a file', async () => {
    const said = async (text: string): Promise<string> => {
      const error = await refusal(run(text))
      expect(error).to.be.instanceOf(UnusableFile)
      return error.message
    }
    expect(await said('export const initial = 0\nexport const evolve = (n: number) => {\n  return n +\n}')).to.match(
      /^fold\d+\.ts:4:1: Unexpected "}"/,
    )
    expect(await said("\nthrow new Error('at once')")).to.match(/^fold\d+\.ts:2:\d+: at once/)
    expect(await said("import { x } from './nothing.js'\nexport const initial = x")).to.match(
      /fold\d+\.ts:1:\d+: Could not resolve/,
    )
    expect(await said('export const initial = 0; export const evolv = () => 0')).to.match(
      /exports no evolve: is it called evolv\?$/,
    )
    expect(await said('export const evolve = () => 0')).to.match(/exports no initial/)
    expect(await said('export const initial = 0; export const evolve = 1')).to.include('evolve must be a function')
    expect((await refusal(loadFile(join(shop.home, 'none.ts')))).message).to.include('there is no such file')
    expect((await refusal(loadFile(shop.home))).message).to.include('it is a folder')
  })

  it('ends when it is told to', async () => {
    const signal = AbortSignal.abort(new Error('enough'))
    for (const every of [undefined, 'day'] as const)
      expect((await refusal(run(counting, { signal, every }))).message).to.equal('enough')
  })
})
