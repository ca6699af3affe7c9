import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EventStoreDBClient } from '@eventstore/db-client'
import { expect } from 'chai'
import pino from 'pino'
import { startEmbedded } from '../../src/embedded/index.js'
import { untilFree } from '../../src/embedded/predecessor.js'
import { readConfig } from '../../src/platform/config.js'
import { holderOf, holdLock } from '../../src/platform/folder-lock.js'
import { failure } from '../eventstore/contract/store.js'

describe('a start whose event store is still held by the last one', () => {
  let data: string
  let folder: string
  let lines: { msg: string; pid?: number }[]
  let log: pino.Logger
  let waitedFor: Promise<void>

  beforeEach(async () => {
    data = await mkdtemp(join(tmpdir(), 'tillroll-predecessor-'))
    folder = join(data, 'eventstore')
    await mkdir(folder)
    lines = []
    waitedFor = new Promise((resolve) => {
      const write = (line: string): void => {
        lines.push(JSON.parse(line))
        if (line.includes('is held by')) resolve()
      }
      log = pino({}, { write })
    })
  })
  afterEach(() => rm(data, { recursive: true, force: true }))

  const config = () => readConfig({ TILLROLL_DATA: data, DATABASE_URL: 'postgres://unused@127.0.0.1:1/x' })

  it('says at once who holds it, and goes on when that has ended', async () => {
    const lock = await holdLock(folder)
    const starting = startEmbedded(config(), log)
    await waitedFor
    expect(lines[0]!.msg).to.contain(`${folder} is held by process ${process.pid}`)
    expect(lines[0]!.pid).to.equal(process.pid)
    await lock.release()
    const parts = await starting
    expect(lines.filter(({ msg }) => msg.includes('is held by'))).to.have.length(1)
    const client = EventStoreDBClient.connectionString(parts.eventstoreUrl)
    await client.dispose()
    await parts.stop()
  }).timeout(15_000)

  it('ends at a signal while it waits, with nothing left behind', async () => {
    const lock = await holdLock(folder)
    const told = new AbortController()
    const starting = failure(startEmbedded(config(), log, told.signal))
    await waitedFor
    const began = performance.now()
    told.abort(new Error('told to stop'))
    expect((await starting).message).to.equal('told to stop')
    expect(performance.now() - began).to.be.lessThan(1_000)
    expect(await holderOf(data)).to.equal(undefined)
    await lock.release()
  })

  it('gives up after its patience, and names the holder', async () => {
    const lock = await holdLock(folder)
    const error = await failure(untilFree(folder, { log, signal: new AbortController().signal, patience: 150 }))
    expect([error.name, error.message.includes(`pid ${process.pid}`)]).to.deep.equal(['FolderInUse', true])
    await lock.release()
  })
})
