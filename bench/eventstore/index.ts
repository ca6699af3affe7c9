/**
 * What the embedded event store does, beside what the disk and the client allow.
 * npm run bench:eventstore -- [--events 200000] [--seconds 8] [--data <folder of a seeded store>]
 */
import { type ChildProcess, fork } from 'node:child_process'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { connect } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client'
import { pack } from '../../src/embedded/eventstore/protocol/reading/sink.js'
import { type EventStoreProcess, spawnEventStore } from '../../src/embedded/eventstore/spawn.js'
import { openStore } from '../../src/embedded/eventstore/storage/store.js'
import { type AppendRate, appendRate, clientRate, memoryOf, type ReadRate, scanRate, syncTime } from './measure.js'

const { values } = parseArgs({
  options: { events: { type: 'string', default: '200000' }, seconds: { type: 'string', default: '8' }, data: { type: 'string' } },
})
const wanted = Number(values.events)
const seconds = Number(values.seconds)
const work = await mkdtemp(join(tmpdir(), 'tillroll-bench-'))
const folder = values.data ?? join(work, 'store')

const perSecond = (rate: number): string => `${Math.round(rate).toLocaleString('en')}/s`
const row = (what: string, value: string): void => console.log(`${what.padEnd(58)} ${value}`)
const reads = (what: string, { rate, serverMicroseconds }: ReadRate): void =>
  row(what, `${perSecond(rate)}, ${serverMicroseconds.toFixed(1)} µs of server CPU an event`)

const appends = (what: string, { rate, serverMicroseconds, clientMicroseconds }: AppendRate): void =>
  row(
    what,
    `${perSecond(rate)}, ${Math.round(serverMicroseconds)} µs of server CPU and ${Math.round(clientMicroseconds)} of client CPU each`,
  )

/** The same appends on a fresh store and on the given one, in turns. */
const beside = async (given: EventStoreProcess): Promise<void> => {
  const fresh = await spawnEventStore({ folder: join(work, 'fresh') })
  const best = { fresh: 0, given: 0 }
  for (let i = 0; i < 3; i++) {
    const small = await appendRate(fresh, 64, seconds)
    const large = await appendRate(given, 64, seconds)
    appends('append, 64 callers, a fresh store', small)
    appends('append, 64 callers, the given store', large)
    best.fresh = Math.max(best.fresh, small.rate)
    best.given = Math.max(best.given, large.rate)
  }
  row('... the given store beside the fresh one, best of each', (best.given / best.fresh).toFixed(2))
  await fresh.stop()
}

/** The first events of the store as a read sends them, in a file: what both servers send, so that the client's work is the same. */
const sample = async (): Promise<{ path: string; events: number }> => {
  const store = await openStore({ folder })
  const path = join(work, 'messages')
  const file = await open(path, 'w')
  let events = 0
  let from = 0
  for (let chunk = await store.log.forward(0); chunk && events < wanted; chunk = await store.log.forward(from)) {
    await file.write(pack(chunk, chunk.offsets.length))
    events += chunk.offsets.length
    from = chunk.next
  }
  await file.close()
  await store.close()
  return { path, events }
}

const trivial = async (path: string): Promise<{ url: string; child: ChildProcess }> => {
  const child = fork(fileURLToPath(new URL('./trivial.ts', import.meta.url)), [path])
  const { port } = await new Promise<{ port: number }>((resolve) => child.once('message', resolve as never))
  return { url: `esdb://127.0.0.1:${port}?tls=false`, child }
}

const fill = async (url: string): Promise<void> => {
  const client = EventStoreDBClient.connectionString(url)
  const pad = 'x'.repeat(190)
  for (let made = 0; made < wanted; made += 10_000) {
    const batches = Array.from({ length: 20 }, (_, i) =>
      client.appendToStream(
        `fill-${made}-${i}`,
        Array.from({ length: 500 }, (_, n) => jsonEvent({ type: 'Happened', data: { n, pad }, metadata: { actor: 'bench' } })),
      ),
    )
    await Promise.all(batches)
  }
  await client.dispose()
}

/** How much the node grows while somebody asks for everything and reads nothing. */
const stalledMemory = async (port: number, pid: number): Promise<number> => {
  const before = memoryOf(pid).now
  const session = connect(`http://127.0.0.1:${port}`)
  const { readAllRequest } = await import('./request.js')
  for (let i = 0; i < 50; i++) {
    const call = session.request({ ':method': 'POST', ':path': '/event_store.client.streams.Streams/Read', te: 'trailers' })
    call.pause()
    call.end(readAllRequest())
  }
  await new Promise((resolve) => setTimeout(resolve, 2_000))
  const grown = memoryOf(pid).now - before
  session.destroy()
  return grown
}

try {
  const sync = await syncTime(work)
  row('the disk: write 400 bytes and fdatasync', `${sync.toFixed(2)} ms (${perSecond(1_000 / sync)})`)
  let node = await spawnEventStore({ folder })
  if (!values.data) {
    for (const callers of [1, 64, 512]) appends(`append, ${callers} callers`, await appendRate(node, callers, seconds))
    await fill(node.url)
  } else await beside(node)
  await node.stop()
  const { path, events } = await sample()
  const ceiling = await trivial(path)
  node = await spawnEventStore({ folder })
  // In turns, so that what else the machine does meets both.
  const ratios: number[] = []
  for (let i = 0; i < 5; i++) {
    const top = await clientRate(ceiling.url, ceiling.child.pid!, events)
    const own = await clientRate(node.url, node.pid, events)
    reads(`readAll by the client, a trivial server (${top.events} events)`, top)
    reads(`readAll by the client, the node (${own.events} events)`, own)
    ratios.push(own.rate / top.rate)
  }
  row('... the node beside the ceiling, the middle of these pairs', ratios.sort((a, b) => a - b)[2]!.toFixed(2))
  for (let i = 0; i < 2; i++) {
    reads('scan, decoded by hand', await scanRate(node.url, node.pid, wanted, false))
    reads('scan, data and metadata parsed', await scanRate(node.url, node.pid, wanted, true))
  }
  row('memory of the node', `${Math.round(memoryOf(node.pid).now)} MiB, at most ${Math.round(memoryOf(node.pid).most)} MiB`)
  row('... more with 50 readers that read nothing', `${Math.round(await stalledMemory(node.port, node.pid))} MiB`)
  ceiling.child.disconnect()
  await node.stop()
} finally {
  await rm(work, { recursive: true, force: true })
}
