import { serveAdmin } from './maintenance/admin.js'
import { type Check, type CheckOptions, startCheck } from './maintenance/check.js'
import { createAccess, type Passwords } from './protocol/access.js'
import type { Handler } from './protocol/call.js'
import type { TlsOptions } from './protocol/listener.js'
import { type Endpoint, readGossip, supportedMethods } from './protocol/methods/about.js'
import { append } from './protocol/methods/append.js'
import { batchAppend } from './protocol/methods/batch.js'
import { read } from './protocol/methods/read.js'
import { remove } from './protocol/methods/remove.js'
import { serveGrpc } from './protocol/server.js'
import { createWeb } from './protocol/web.js'
import { openStore, type Store, type StoreOptions } from './storage/store.js'

export type Node = {
  readonly port: number
  readonly store: Store
  /** The check in the background of what a start in order took on trust. */
  readonly check: Check
  /** Rejects when the disk failed: nothing more can be written. */
  readonly failed: Promise<never>
  /** Answers what is on its way, ends the reads, and closes the store in order. */
  readonly close: () => Promise<void>
}

export type NodeOptions = StoreOptions & {
  /** 0 (the standard): any that is free. */
  readonly port?: number
  readonly host?: string
  /** What clients are told of where the node is, as behind a proxy or in a container; by default where it listens. */
  readonly advertised?: Endpoint
  /** Serves clients over TLS, and no others. */
  readonly tls?: TlsOptions
  /** Asks callers who they are. Without, nobody is asked. */
  readonly passwords?: Passwords
  readonly check?: CheckOptions
}

/**
 * A node that serves EventStoreDB's protocol from a folder, in this process. Throws `Damaged`, `UnknownVersion` and `NoStore`
 * (and has changed nothing then), and where the port is taken. Whoever calls it sees to it that nobody else has the folder.
 */
export const startNode = async ({
  port = 0,
  host = '127.0.0.1',
  advertised,
  tls,
  passwords,
  check: checkOptions,
  ...options
}: NodeOptions): Promise<Node> => {
  const store = await openStore(options)
  const now = options.now ?? Date.now
  const streams = '/event_store.client.streams.Streams'
  const access = createAccess(passwords)
  let boundPort = port
  const methods = new Map<string, Handler>([
    [`${streams}/Read`, read(store, access, now)],
    [`${streams}/Append`, append(store, access, now)],
    [`${streams}/BatchAppend`, batchAppend(store, access, now)],
    [`${streams}/Delete`, remove(store, access, now, false)],
    [`${streams}/Tombstone`, remove(store, access, now, true)],
    ['/event_store.client.server_features.ServerFeatures/GetSupportedMethods', supportedMethods()],
    ['/event_store.client.gossip.Gossip/Read', readGossip(() => advertised ?? { host, port: boundPort }, now)],
  ])
  const check = startCheck(store, checkOptions)
  const server = await serveGrpc(methods, {
    host,
    port,
    tls,
    aside: serveAdmin(store, check, now),
    web: createWeb(store),
  }).catch(async (error: unknown) => {
    await check.stop()
    await store.close()
    throw error
  })
  boundPort = server.port
  return {
    port: server.port,
    store,
    check,
    failed: store.failed,
    close: async () => {
      // The calls first, so that an append is answered by the stop and not by what comes of it.
      await server.stop()
      await check.stop()
      await store.close()
    },
  }
}
