import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Node, type NodeOptions, startNode } from '../../src/embedded/eventstore/node.js'

export type TestEventStore = {
  readonly url: string
  readonly port: number
  readonly folder: string
  readonly node: Node
  /** Stops the node, and removes the folder if it was made here. */
  readonly stop: () => Promise<void>
}

/** A node of its own, in this process, on a folder of its own (or the given one). */
export const startEventStore = async (options: Partial<NodeOptions> = {}): Promise<TestEventStore> => {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'tillroll-eventstore-')))
  const node = await startNode({ ...options, folder })
  return {
    url: `esdb://127.0.0.1:${node.port}?tls=false`,
    port: node.port,
    folder,
    node,
    stop: async () => {
      await node.close()
      if (options.folder === undefined) await rm(folder, { recursive: true, force: true })
    },
  }
}
