/**
 * Power cuts: a store on a disk in memory that remembers what was synced. At a random operation the power goes, any part of what was not
 * synced is kept, and the store must open again and hold all that it acknowledged, once, in order. SEED, ROUNDS (seeds), SECONDS.
 */
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { scavenge } from '../../../src/embedded/eventstore/maintenance/scavenge.js'
import { openStore, type Store } from '../../../src/embedded/eventstore/storage/store.js'
import { createDisk, type Disk, type Random, randomFrom } from './disk.js'
import { type Asked, complaints, findAll } from './ledger.js'
import { runRounds } from './rounds.js'

const folder = '/store'
const cutsOfSeed = 4

const event = (random: Random) => ({
  id: randomUUID(),
  type: 'Happened',
  json: false,
  data: Buffer.alloc(random.below(random.chance(0.1) ? 4_000 : 200), random.below(256)),
  customMetadata: new Uint8Array(),
})

/** Many appends at once, some of several events, until the power goes or they are done. */
const write = async (store: Store, random: Random, asked: Asked[], disk: Disk): Promise<void> => {
  const one = (): Promise<void> =>
    new Promise((resolve) => {
      const events = Array.from({ length: random.chance(0.2) ? 1 + random.below(6) : 1 }, () => event(random))
      const record: Asked = {
        stream: random.chance(0.2) ? `d-${random.below(2)}` : `s-${random.below(8)}`,
        ids: events.map(({ id }) => id),
      }
      asked.push(record)
      store.append(record.stream, -2, events, Number.POSITIVE_INFINITY, (outcome) => {
        if (outcome.kind === 'written') {
          record.first = outcome.last - events.length + 1
          record.position = outcome.position!
        }
        resolve()
      })
    })
  const caller = async (): Promise<void> => {
    for (let i = 0; i < 12; i++) {
      await one()
      if (random.chance(0.05)) store.remove(`d-${random.below(2)}`, -2, false, Number.POSITIVE_INFINITY, () => undefined)
    }
  }
  const cleaner = async (): Promise<void> => {
    if (random.chance(0.5)) await one().then(() => scavenge(store, Date.now()))
  }
  await Promise.race([Promise.all([...Array.from({ length: 1 + random.below(6) }, caller), cleaner()]), disk.frozen])
}

const round = async (seed: number, indexFolder: string): Promise<string[]> => {
  const random = randomFrom(seed)
  const asked: Asked[] = []
  let disk = createDisk()
  for (let cut = 0; cut < cutsOfSeed; cut++) {
    disk.freezeAt(disk.operations() + 1 + random.below(random.chance(0.3) ? 20 : 120))
    const options = { folder, segmentBytes: 2_000 + random.below(6_000) }
    const opening = openStore({ ...options, files: disk.files, indexFolder: join(indexFolder, `${cut}-before`) })
    const opened = await Promise.race([opening, disk.frozen])
    if (opened) {
      await write(opened, random, asked, disk)
      if (random.chance(0.2)) await Promise.race([opened.close(), disk.frozen])
      else await opened.abandon()
    } else await new Promise(setImmediate)
    disk = disk.afterPowerCut(random)
    const again = await openStore({ ...options, files: disk.files, indexFolder: join(indexFolder, `${cut}-after`) })
    const wrong = complaints(await findAll(again), asked, again)
    await (random.chance(0.5) ? again.close() : again.abandon())
    if (wrong.length > 0) return wrong.map((one) => `cut ${cut}: ${one}`)
  }
  return []
}

const indexFolder = await mkdtemp(join(tmpdir(), 'tillroll-power-'))
await runRounds('seeds of four power cuts', (seed) =>
  round(seed, join(indexFolder, `${seed}`)).finally(() => rm(join(indexFolder, `${seed}`), { recursive: true, force: true })),
)
await rm(indexFolder, { recursive: true, force: true })
