import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { createHistoryService, type HistoryService, type HistoryServiceOptions } from '../../../src/history/service/client.js'
import { NotAnswered, type Question } from '../../../src/history/service/question.js'
import { failure } from '../../eventstore/contract/store.js'
import { createDatabase, type TestDatabase } from '../../support/postgres.js'
import { processes } from '../../support/spawn-shop.js'
import { until } from '../../support/until.js'
import { type ShopHistory, startShopHistory, writeShop } from '../shop-history.js'

describe('the process that answers questions of the history', () => {
  let shop: ShopHistory
  let own: TestDatabase
  const warnings: string[] = []
  const services: HistoryService[] = []
  before(async () => {
    others = new Set(all().map(({ pid }) => pid))
    shop = await startShopHistory()
    await writeShop(shop)
    own = await createDatabase()
  })
  after(async () => {
    await Promise.all(services.map((service) => service.close()))
    await own.drop()
    await shop.stop()
    expect(warnings).to.deep.equal([])
  })

  const create = (more: Partial<HistoryServiceOptions> = {}): HistoryService => {
    const service = createHistoryService({
      eventstoreUrl: shop.url,
      databaseUrl: own.url,
      storeId: shop.storeId,
      folder: shop.folder,
      limits: { memory: '128MB', threads: 1 },
      timeout: 1_000,
      onWarning: (message) => warnings.push(message),
      ...more,
    })
    services.push(service)
    return service
  }
  const ask = async (service: HistoryService, sql: string, more: Partial<Question> = {}): Promise<string> =>
    text(await service.ask({ sql, format: 'csv', personal: false, ...more }, new AbortController().signal))
  const refusal = async (service: HistoryService, sql: string): Promise<readonly [number, string]> => {
    const error = (await failure(ask(service, sql))) as unknown as NotAnswered
    expect(error).to.be.instanceOf(NotAnswered)
    return [error.status, error.message]
  }
  const all = () =>
    processes().filter(({ parent, command }) => parent === process.pid && /history\/service\/process/.test(command))
  // Of an app that other tests have left running.
  let others: ReadonlySet<number> = new Set()
  const answering = () => all().filter(({ pid }) => !others.has(pid))

  it('is started with the first question, and ended when there are no more for a while', async () => {
    const service = create({ idle: 300 })
    expect(answering()).to.deep.equal([])
    expect(await ask(service, 'select count(*) as n from order_placed')).to.equal('n\n3\n')
    expect(answering()).to.have.length(1)
    await until(() => answering().length === 0)
    expect(await ask(service, 'select 1 as n')).to.equal('n\n1\n')
    await service.close()
    await until(() => answering().length === 0)
  })

  it('says whose fault it is that there is no answer', async () => {
    const service = create()
    expect((await refusal(service, 'selec 1'))[0]).to.equal(400)
    expect((await refusal(service, 'select list(range) from range(60000000)'))[1]).to.contain('HISTORY_MEMORY')
    const [status, message] = await refusal(
      service,
      'select count(*) from range(1000000) a, range(1000000) b where (a.range * b.range) % 7 = 3',
    )
    expect(status).to.equal(503)
    expect(message).to.contain('HISTORY_TIMEOUT')
    expect(await refusal(service, 'select * from users')).to.deep.equal([
      503,
      'the read model users is not built yet: start the shop, or wait for it',
    ])
  })

  it('says before it begins what goes wrong in the middle of an answer', async () => {
    const sql = `select case when range < 3000000 then range else error('no more') end as n from range(4000000)`
    expect(await refusal(create({ timeout: 20_000 }), sql)).to.deep.equal([400, 'Invalid Input Error: no more'])
  })

  it('makes an answer no faster than it is taken', async () => {
    const service = create({ timeout: 10_000 })
    const sql = `select repeat('x', 1000) as x from range(1000000)`
    const flow = await service.ask({ sql, format: 'csv', personal: false }, new AbortController().signal)
    const { pid } = answering().at(-1)!
    // Long enough for it to have made all of it, which would not fit into what is allowed here.
    await sleep(3_000)
    const megabytes = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1_024
    expect(megabytes).to.be.lessThan(450)
    let rows = 0
    for await (const chunk of flow) {
      rows += String(chunk).split('\n').length - 1
      if (rows > 1_000) break
    }
  })

  it('says so where it can not be started', async () => {
    const service = create({ limits: { memory: 'nothing', threads: 1 } })
    expect((await refusal(service, 'select 1'))[0]).to.equal(503)
    expect(answering().length).to.be.at.most(services.length)
  })
})
