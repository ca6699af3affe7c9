import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { connectDatabase, type Database } from '../../src/platform/database.js'
import { checkEpoch, keepLease, type Lease, LeaseLost } from '../../src/platform/lease.js'
import { transaction } from '../../src/projections/engine/batch.js'
import { createDatabase, type TestDatabase } from '../support/postgres.js'
import { rejection } from '../support/rejection.js'
import { until } from '../support/until.js'

/** Long enough for a busy machine to renew it in time. */
const ttl = 1_500
/** Of those that are killed or put to sleep, and whose end is waited for. */
const short = 400

describe('lease', () => {
  let test: TestDatabase
  let database: Database
  const ends: (() => Promise<void>)[] = []

  before(async () => {
    test = await createDatabase()
    database = connectDatabase(test.url)
    await database.pool.query('create table journal (id bigserial primary key, epoch bigint not null)')
  })

  afterEach(async () => {
    for (const end of ends.splice(0)) await end()
    await database.pool.query('truncate journal; delete from tillroll.lease')
  })

  after(async () => {
    await database.close()
    await test.drop()
  })

  /** Somebody who wants the lease; `leases` are those that he got, `release` lets the work of the present one return. */
  const stand = (holder: string) => {
    const [leases, end, errors]: [Lease[], AbortController, unknown[]] = [[], new AbortController(), []]
    let release: () => void = () => undefined
    const kept = keepLease({
      database,
      name: 'test',
      holder,
      ttl,
      signal: end.signal,
      onError: (error) => errors.push(error),
      onAcquired: async (lease) => {
        leases.push(lease)
        await new Promise<void>((resolve) => {
          release = resolve
          lease.signal.addEventListener('abort', () => resolve(), { once: true })
        })
      },
    })
    const stop = async () => {
      end.abort()
      await kept
    }
    ends.push(stop)
    return { leases, errors, stop, release: () => release() }
  }

  const inTransaction = async (epoch: number): Promise<void> => {
    const client = await database.pool.connect()
    try {
      await transaction(client, () => checkEpoch(client, 'test', epoch, ttl))
    } finally {
      client.release()
    }
  }

  it('is held by one, and renewed for longer than it lasts', async () => {
    const [one, other] = [stand('one'), stand('other')]
    await until(() => one.leases.length + other.leases.length > 0)
    const expiry = async () => (await database.pool.query('select expires_at from tillroll.lease')).rows[0].expires_at.getTime()
    const first = await expiry()
    await until(async () => (await expiry()) > first + ttl)
    expect([...one.leases, ...other.leases]).to.have.length(1)
    const [lease] = [...one.leases, ...other.leases]
    expect(lease!.signal.aborted).to.equal(false)
    await inTransaction(lease!.epoch)
  })

  it('is given on when its holder ends', async () => {
    const one = stand('one')
    await until(() => one.leases.length === 1)
    const other = stand('other')
    await one.stop()
    expect(one.leases[0]!.signal.aborted).to.equal(true)
    await until(() => other.leases.length === 1)
    expect(other.leases[0]!.epoch).to.equal(one.leases[0]!.epoch + 1)
    expect(await rejection(inTransaction(one.leases[0]!.epoch))).to.be.instanceOf(LeaseLost)
    await inTransaction(other.leases[0]!.epoch)
  })

  it('is given up by work that returns, and sought again', async () => {
    const one = stand('one')
    await until(() => one.leases.length === 1)
    one.release()
    await until(() => one.leases.length === 2)
    expect(one.leases[1]!.epoch).to.equal(one.leases[0]!.epoch + 1)
  })

  it('is lost by one who could not renew it', async () => {
    const one = stand('one')
    await until(() => one.leases.length === 1)
    await database.pool.query(`update tillroll.lease set holder = 'a thief', epoch = epoch + 1`)
    await until(() => one.leases[0]!.signal.aborted)
    expect(await rejection(inTransaction(one.leases[0]!.epoch))).to.be.instanceOf(LeaseLost)
  })

  it('is lost by our own clock where Postgres does not answer', async () => {
    const one = stand('one')
    await until(() => one.leases.length === 1)
    const blocker = await database.pool.connect()
    await blocker.query('begin; lock table tillroll.lease in access exclusive mode')
    await until(() => one.leases[0]!.signal.aborted)
    await blocker.query('rollback')
    blocker.release()
    await until(() => one.leases.length === 2)
  })

  it('is not taken from a transaction that checked it, and renewed meanwhile', async () => {
    const { rows } = await database.pool.query(
      `insert into tillroll.lease values ('test', 'one', 5, clock_timestamp() - interval '1 s') returning epoch`,
    )
    const client = await database.pool.connect()
    await client.query('begin')
    await checkEpoch(client, 'test', rows[0].epoch)
    await database.pool.query(`update tillroll.lease set expires_at = expires_at`)
    const other = stand('other')
    await sleep(short / 2)
    expect(other.leases).to.have.length(0)
    await client.query('commit')
    client.release()
    await until(() => other.leases.length === 1)
    expect(other.leases[0]!.epoch).to.equal(6)
  })

  it('begins no work that was ended while the lease was being acquired', async () => {
    const end = new AbortController()
    let begun = false
    const pool = {
      query: async (...query: Parameters<typeof database.pool.query>) => {
        const answer = await database.pool.query(...query)
        end.abort()
        return answer
      },
    }
    await keepLease({
      database: { ...database, pool: pool as unknown as Database['pool'] },
      name: 'test',
      holder: 'one',
      ttl,
      signal: end.signal,
      onAcquired: async () => {
        begun = true
      },
    })
    expect(begun).to.equal(false)
    const other = stand('other')
    await until(() => other.leases.length === 1)
  })

  it('passes on what the work throws, and is free then', async () => {
    const failing = keepLease({
      database,
      name: 'test',
      holder: 'one',
      ttl,
      signal: new AbortController().signal,
      onAcquired: () => Promise.reject(new Error('a bug')),
    })
    expect(await rejection(failing)).to.have.property('message', 'a bug')
    const other = stand('other')
    await until(() => other.leases.length === 1)
  })

  describe('of a process', () => {
    const script = new URL('./lease-holder.ts', import.meta.url)
    const start = async (): Promise<ChildProcess> => {
      const child = fork(script, [test.url, `${short}`])
      ends.push(async () => {
        child.kill('SIGKILL')
      })
      await once(child, 'message')
      return child
    }
    const entered = async () =>
      (await database.pool.query('select epoch from journal order by id')).rows.map(({ epoch }) => epoch)

    it('is taken over when that is killed', async () => {
      const child = await start()
      child.kill('SIGKILL')
      const other = stand('other')
      await until(() => other.leases.length === 1)
      expect(other.leases[0]!.epoch).to.be.above((await entered()).at(-1))
    })

    it('is taken over when that sleeps, even in a transaction, which is refused when it wakes', async () => {
      const child = await start()
      child.send('stay')
      await until(async () => (await once(child, 'message'))[0] === 'in the transaction')
      const before = await entered()
      const other = stand('other')
      await until(() => other.leases.length === 1)
      const said: string[] = []
      child.on('message', (message: string) => said.push(message))
      child.kill('SIGCONT')
      await until(() => said.length > 0)
      expect(said[0]).to.match(/^refused: /)
      await inTransaction(other.leases[0]!.epoch)
      expect(await entered()).to.deep.equal(before)
      expect(said.filter((word) => word.startsWith('entered'))).to.deep.equal([])
    })
  })
})
