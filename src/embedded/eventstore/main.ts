import { type FolderInUse, holdLock } from '../../platform/folder-lock.js'
import type { CheckStatus } from './maintenance/check.js'
import { startNode } from './node.js'
import { untilToldToStop } from './told-to-stop.js'

/**
 * The node as a process. Settings: `EVENTSTORE_FOLDER`, `EVENTSTORE_PORT` (0: any), `EVENTSTORE_HOST`. Says `{ port }` when it serves,
 * `{ done, total }` while it makes its index anew, `{ check }` when what it took on trust is checked, `{ full }` when its disk has become
 * full or has space again, `{ error, name }` when it can't start: to its parent where it was forked, else as lines of JSON. Stops in
 * order on SIGTERM, SIGINT, and when its parent is gone.
 */
export type Message =
  | { readonly port: number }
  | { readonly done: number; readonly total: number }
  | { readonly check: CheckStatus }
  | { readonly full: boolean }
  | { readonly error: string; readonly name: string }

const toldToStop = untilToldToStop()
const forked = process.send !== undefined

const say = (message: Message): Promise<void> =>
  new Promise((resolve) => {
    if (!forked) process.stdout.write(`${JSON.stringify(message)}\n`, () => resolve())
    // A parent that is gone is not told, and its going stops the node.
    else if (process.connected) process.send!(message, () => resolve())
    else resolve()
  })

const settings = (env: NodeJS.ProcessEnv) => {
  const folder = env.EVENTSTORE_FOLDER
  if (!folder) throw new Error('EVENTSTORE_FOLDER is required')
  return { folder, port: Number(env.EVENTSTORE_PORT || 0), host: env.EVENTSTORE_HOST || '127.0.0.1' }
}

let lastProgress = 0
const onProgress = (done: number, total: number): void => {
  if (Date.now() - lastProgress < 200 && done < total) return
  lastProgress = Date.now()
  void say({ done, total })
}

const onFull = (full: boolean): void => {
  void say({ full })
}

const run = async (): Promise<void> => {
  const { folder, port, host } = settings(process.env)
  const lock = await holdLock(folder)
  try {
    const node = await startNode({ folder, port, host, onProgress, onFull })
    const stopping = toldToStop.inOrder()
    await say({ port: node.port })
    void node.check.ended.then((check) => say({ check }))
    try {
      await Promise.race([stopping, node.failed])
    } finally {
      await node.close()
    }
  } finally {
    await lock.release()
  }
}

run().then(
  () => process.exit(0),
  async (error: Error | FolderInUse) => {
    await say({ error: error.message, name: error.name })
    process.exit(1)
  },
)
