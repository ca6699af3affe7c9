import { expect } from 'chai'
import pg from 'pg'
import { TopicUnavailable } from '../../../src/bridge/topic.js'
import { KeyReused, PreconditionFailed, Unfinished } from '../../../src/commands/engine/context.js'
import { Rejected } from '../../../src/domain/decider.js'
import { StoreUnavailable } from '../../../src/eventstore/store.js'
import { Refusal, refusalOf } from '../../../src/http/pipeline/errors.js'
import { TooManyPasswords } from '../../../src/platform/passwords.js'
import { NotReady } from '../../../src/queries/engine/read.js'

const statusOf = (error: unknown) => refusalOf(error).status

describe('errors', () => {
  it('of commands have their status, and those that pass by themselves a Retry-After', () => {
    expect(statusOf(new KeyReused())).to.equal(422)
    expect(statusOf(new PreconditionFailed())).to.equal(412)
    for (const passing of [
      new Unfinished(),
      new StoreUnavailable(),
      new NotReady(),
      new TopicUnavailable(),
      new TooManyPasswords(),
      new Rejected('OrderUnsettled'),
      new Rejected('CheckoutOutstanding'),
    ]) {
      const { status, headers } = refusalOf(passing)
      expect([status, headers['Retry-After']]).to.deep.equal([503, '1'])
    }
  })

  it('say that the disk is full, where that is why the event store takes nothing', () => {
    const { status, message } = refusalOf(new StoreUnavailable('refused', { full: true }))
    expect(status).to.equal(503)
    expect(message).to.contain('disk is full')
    expect(refusalOf(new StoreUnavailable('away')).message).to.not.contain('full')
  })

  it('of a database that is away are 503, of one that is there 500', async () => {
    const refused = await new pg.Client('postgres://x@127.0.0.1:1/x').connect().then(
      () => undefined,
      (error: unknown) => error,
    )
    expect(statusOf(refused)).to.equal(503)
    const sqlState = (code: string) => Object.assign(new Error('from Postgres'), { code })
    for (const code of ['08006', '53300', '57P01', '57014', 'ECONNRESET']) expect(statusOf(sqlState(code)), code).to.equal(503)
    expect(statusOf(new Error('Connection terminated unexpectedly'))).to.equal(503)
    for (const code of ['42P01', '23505', '22P02']) expect(statusOf(sqlState(code)), code).to.equal(500)
  })

  it('that nobody foresaw are 500, and tell nothing of the inside', () => {
    for (const error of [new Error('secret'), 'secret', undefined, { status: 404 }]) {
      const { status, message } = refusalOf(error)
      expect([status, message]).to.deep.equal([500, 'something went wrong on our side'])
    }
  })

  it('speak the words of the route where it has its own, and no others', () => {
    const refusal = refusalOf(new Rejected('ProductNotFound', { productId: 'x' }), { ProductNotFound: [400, 'not foud'] })
    expect(refusal).to.be.instanceOf(Refusal).and.include({ status: 400, message: 'not foud' })
    expect(refusal.extra).to.deep.equal({})
  })

  it('say what is short, in decimals where it is money', () => {
    expect(refusalOf(new Rejected('PriceDiffers', { sum: 1999 })).extra).to.deep.equal({ sum: 19.99 })
    expect(refusalOf(new Rejected('StockShort', { productId: 'x', available: 2 })).extra).to.deep.equal({
      product_id: 'x',
      available: 2,
    })
  })
})
