import { fork } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client'
import { expect } from 'chai'
import { EventStoreFailed, type EventStoreProcess, spawnEventStore } from '../../../src/embedded/eventstore/spawn.js'
import { diskFiles } from '../../../src/embedded/eventstore/storage/files.js'
import { readSyncedEnd } from '../../../src/embedded/eventstore/storage/log/synced-end.js'

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
}

describe('the event store as a process', () => {
  let folder: string
  const started: EventStoreProcess[] = []
  const start = async (): Promise<EventStoreProcess> => {
    const store = await spawnEventStore({ folder })
    started.push(store)
    return store
  }
  const types = async (url: string): Promise<string[]> => {
    const client = EventStoreDBClient.connectionString(url)
    const found: string[] = []
    for await (const { event } of client.readStream('cart-1')) found.push(event!.type)
    await client.dispose()
    return found
  }
  const append = async (url: string, type: string): Promise<void> => {
    const client = EventStoreDBClient.connectionString(url)
    await client.appendToStream('cart-1', jsonEvent({ type, data: {} }))
    await client.dispose()
  }

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tillroll-process-'))
  })
  afterEach(async () => {
    for (const store of started.splice(0)) store.kill()
    await rm(folder, { recursive: true, force: true })
  })

  it('keeps what was appended over a stop in order', async () => {
    const first = await start()
    await append(first.url, 'Opened')
    await first.stop()
    expect(await first.exited).to.equal(0)
    expect(await types((await start()).url)).to.deep.equal(['Opened'])
  })

  it('keeps what was appended when it is killed', async () => {
    const first = await start()
    await append(first.url, 'Opened')
    first.kill()
    expect(await first.exited).to.equal(null)
    const second = await start()
    expect(await types(second.url)).to.deep.equal(['Opened'])
    await append(second.url, 'Closed')
    expect(await types(second.url)).to.deep.equal(['Opened', 'Closed'])
  })

  it('refuses a folder that another process holds', async () => {
    await start()
    const refused = await spawnEventStore({ folder }).catch((error: unknown) => error)
    expect(refused).to.be.instanceOf(EventStoreFailed)
    expect((refused as EventStoreFailed).cause).to.equal('FolderInUse')
  })

  it('ends with its parent, however that ends, and in order', async () => {
    const parent = fork(fileURLToPath(new URL('parent.ts', import.meta.url)), [folder], { execArgv: ['--import', 'tsx'] })
    const { pid, url } = await new Promise<{ pid: number; url: string }>((resolve) => parent.once('message', resolve as never))
    await append(url, 'Opened')
    parent.kill('SIGKILL')
    for (let waited = 0; isAlive(pid) && waited < 5_000; waited += 20) await new Promise((resolve) => setTimeout(resolve, 20))
    expect(isAlive(pid)).to.equal(false)
    expect((await readSyncedEnd(diskFiles, folder))!.closed).to.equal(true)
    expect(await types((await start()).url)).to.deep.equal(['Opened'])
  })

  it('ends when its parent goes while it is still starting, and leaves the folder free', async () => {
    const main = fileURLToPath(new URL('../../../src/embedded/eventstore/main.ts', import.meta.url))
    const child = fork(main, [], {
      env: { ...process.env, EVENTSTORE_FOLDER: folder },
      execArgv: ['--import', 'tsx'],
      detached: true,
    })
    child.disconnect()
    await new Promise((resolve) => child.once('exit', resolve))
    expect(await types((await start()).url).catch((error: { type: string }) => error.type)).to.equal('stream-not-found')
  })

  it('is killed when it does not end in its time, and has kept what it acknowledged', async () => {
    const first = await spawnEventStore({ folder, stopGrace: 200 })
    started.push(first)
    await append(first.url, 'Opened')
    process.kill(first.pid, 'SIGSTOP')
    await first.stop()
    expect(isAlive(first.pid)).to.equal(false)
    expect(await types((await start()).url)).to.deep.equal(['Opened'])
  })

  it('says when its port is taken', async () => {
    const { port } = await start()
    const other = await mkdtemp(join(tmpdir(), 'tillroll-process-'))
    const refused = await spawnEventStore({ folder: other, port }).catch((error: unknown) => error)
    await rm(other, { recursive: true, force: true })
    expect((refused as Error).message).to.contain('EADDRINUSE')
  })
})
