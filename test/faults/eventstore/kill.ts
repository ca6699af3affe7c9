/**
 * SIGKILL: a node in a process of its own is killed at a random moment of much writing, started again, and held to what it acknowledged.
 * A subscriber that resumes sees each event once. SEED, ROUNDS, SECONDS.
 */
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EventStoreDBClient, excludeSystemEvents, jsonEvent } from '@eventstore/db-client'
import { type EventStoreProcess, spawnEventStore } from '../../../src/embedded/eventstore/spawn.js'
import { type Random, randomFrom } from './disk.js'
import { type Asked, complaints, type Found } from './ledger.js'
import { runRounds } from './rounds.js'

const folder = await mkdtemp(join(tmpdir(), 'tillroll-kill-'))
const asked: Asked[] = []
const seen: Found[] = []
let process_: EventStoreProcess = await spawnEventStore({ folder })

const callers = 12

const writeUntil = async (client: EventStoreDBClient, random: Random, over: () => boolean): Promise<void> => {
  const one = async (): Promise<void> => {
    const events = Array.from({ length: random.chance(0.2) ? 1 + random.below(5) : 1 }, () =>
      jsonEvent({ id: randomUUID(), type: 'Happened', data: { pad: 'x'.repeat(random.below(400)) } }),
    )
    const record: Asked = { stream: `s-${random.below(200)}`, ids: events.map(({ id }) => id) }
    asked.push(record)
    const result = await client.appendToStream(record.stream, events)
    record.first = Number(result.nextExpectedRevision) - events.length + 1
    record.position = Number(result.position!.commit)
  }
  const caller = async (): Promise<void> => {
    // An append that fails when the node dies may have happened: it stays unacknowledged.
    while (!over()) await one().catch(() => undefined)
  }
  await Promise.all(Array.from({ length: callers }, caller))
}

const follow = (client: EventStoreDBClient): (() => Promise<void>) => {
  const last = seen.at(-1)?.position
  const from = last === undefined ? 'start' : { commit: BigInt(last), prepare: BigInt(last) }
  const subscription = client.subscribeToAll({ fromPosition: from, filter: excludeSystemEvents() })
  subscription.on('data', ({ event }) => {
    if (event) seen.push(foundOf(event))
  })
  subscription.on('error', () => undefined)
  return () => subscription.unsubscribe()
}

type ClientEvent = { streamId: string; id: string; type: string; revision: bigint; position?: { commit: bigint } }
const foundOf = ({ streamId, id, type, revision, position }: ClientEvent): Found => ({
  stream: streamId,
  id,
  type,
  revision: Number(revision),
  position: Number(position!.commit),
})

const round = async (seed: number): Promise<string[]> => {
  const random = randomFrom(seed)
  const client = EventStoreDBClient.connectionString(process_.url)
  const leave = follow(client)
  let over = false
  const writing = writeUntil(client, random, () => over)
  await new Promise((resolve) => setTimeout(resolve, random.below(400)))
  process_.kill()
  over = true
  await process_.exited
  await writing
  await leave()
  await client.dispose()

  process_ = await spawnEventStore({ folder })
  const again = EventStoreDBClient.connectionString(process_.url)
  const found: Found[] = []
  for await (const { event } of again.readAll()) found.push(foundOf(event!))
  const wrong = complaints(found, asked)
  const expected = found.filter(({ type }) => !type.startsWith('$'))
  const stop = follow(again)
  for (let waited = 0; seen.length < expected.length && waited < 5_000; waited += 20)
    await new Promise((resolve) => setTimeout(resolve, 20))
  await stop()
  await again.dispose()
  const same = seen.length === expected.length && seen.every(({ id }, index) => id === expected[index]!.id)
  if (!same) wrong.push(`the subscriber saw ${seen.length} events, there are ${expected.length}`)
  if (found.length > 100_000) wrong.push(...(await startOver()))
  return wrong
}

/** A store that has grown so large that reading it takes longer than killing it makes room for another. */
const startOver = async (): Promise<string[]> => {
  await process_.stop()
  await rm(folder, { recursive: true, force: true })
  asked.length = 0
  seen.length = 0
  process_ = await spawnEventStore({ folder })
  return []
}

await runRounds('kills', round)
await process_.stop()
await rm(folder, { recursive: true, force: true })
