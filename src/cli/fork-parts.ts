import { hostname } from 'node:os'
import type { Connections } from '../connect.js'
import { encodeReceipt, type Receipt } from '../embedded/eventstore/maintenance/receipt.js'
import { dataOf } from '../embedded/eventstore/storage/event.js'
import { kinds } from '../embedded/eventstore/storage/log/record.js'
import { openStore, type Store } from '../embedded/eventstore/storage/store.js'
import { forkedIdentity, identityStream } from '../eventstore/identity.js'
import type { Log } from '../platform/log.js'
import { projections } from '../projections/all.js'
import { transaction } from '../projections/engine/batch.js'
import { beginCheckpoint } from '../projections/engine/generations.js'
import { type Progress, rebuild } from '../projections/rebuild/rebuild.js'

type Identity = { readonly receipts: readonly Receipt[]; readonly emailKey: string; readonly newEmailKey: string }

/**
 * Opens a forked store for the first time: makes its index, notes what covers the scavenges of the store that it came from, and gives it an id of its own,
 * which it answers. Throws where no shop's history is in it, `WrongEmailKey`, and what `openStore` throws.
 */
export const settleIdentity = async (folder: string, { receipts, emailKey, newEmailKey }: Identity): Promise<string> => {
  const store = await openStore({ folder })
  try {
    const stream = store.stream(identityStream)
    const founded = stream.last < 0 ? undefined : store.event(stream, stream.last)
    if (!founded) throw new Error('the event store holds no history of a shop up to then')
    for (const receipt of receipts) await store.note(kinds.receipt, encodeReceipt(receipt))
    const { storeId, id, type, data, metadata } = forkedIdentity(
      JSON.parse(dataOf(founded).toString('utf8')),
      emailKey,
      newEmailKey,
    )
    const bytes = (value: object): Buffer => Buffer.from(JSON.stringify(value), 'utf8')
    await append(store, { id, type, json: true, data: bytes(data), customMetadata: bytes(metadata) })
    return storeId
  } finally {
    await store.close()
  }
}

const append = (store: Store, event: Parameters<Store['append']>[2][number]): Promise<void> =>
  new Promise((done, failed) =>
    store.append(identityStream, store.stream(identityStream).last, [event], Number.POSITIVE_INFINITY, ({ kind }) => {
      if (kind === 'written') done()
      else if (kind === 'full') failed(Object.assign(new Error('the disk is full'), { code: 'ENOSPC' }))
      else failed(new Error(`the fork's first event could not be written: ${kind}`))
    }),
  )

type Building = {
  readonly leaseTtl: number
  readonly log: Log
  readonly signal: AbortSignal
  readonly onProgress: (progress: Progress) => void
}

/** Fills the read models of a shop that nobody writes to, from its whole history. Throws what `rebuild` does. */
export const buildReadModels = async ({ store, storeId, database }: Connections, building: Building): Promise<void> => {
  const client = await database.pool.connect()
  try {
    await transaction(client, async () => beginCheckpoint(client, projections, storeId, await store.last()))
  } finally {
    client.release()
  }
  const holder = `${hostname()} (pid ${process.pid})`
  const built = await rebuild({ database, store, projections, holder, parallel: 1, processes: true, ...building })
  const missing = built.filter(({ live }) => !live).map(({ projection }) => projection)
  if (missing.length > 0) throw new Error(`these read models could not be built: ${missing.join(', ')}`)
}
