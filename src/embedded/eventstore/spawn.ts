import { type ChildProcess, fork } from 'node:child_process'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sleep } from '../../platform/async.js'
import type { Message } from './main.js'
import type { CheckStatus } from './maintenance/check.js'

export type EventStoreProcess = {
  /** `esdb://...`, as the client takes it. */
  readonly url: string
  readonly host: string
  readonly port: number
  readonly pid: number
  /** The exit code; `null` where a signal ended it. */
  readonly exited: Promise<number | null>
  /** Stops it in order, and waits for that. */
  readonly stop: () => Promise<void>
  /** SIGKILL. */
  readonly kill: () => void
}

export type SpawnOptions = {
  readonly folder: string
  /** 0 (the standard): any that is free. */
  readonly port?: number
  readonly host?: string
  /** Called while the index is made anew, with bytes of the log. */
  readonly onProgress?: (done: number, total: number) => void
  /** Called when what a start in order took on trust has been checked in the background. */
  readonly onChecked?: (check: CheckStatus) => void
  /** Milliseconds that a node has to end in order before it is killed, which costs nothing that was acknowledged. Default 10,000. */
  readonly stopGrace?: number
  /** Called when the disk has become full, so that appends are refused, and when it has space again. */
  readonly onFull?: (full: boolean) => void
}

/** The node could not start; the message is the node's, and `cause` names the kind of error (`FolderInUse`, `Damaged`, ...). */
export class EventStoreFailed extends Error {
  override readonly name = 'EventStoreFailed'
}

/** Starts a node in a process of its own, which ends with this one. Throws `EventStoreFailed`. */
export const spawnEventStore = async ({
  folder,
  port = 0,
  host = '127.0.0.1',
  stopGrace = 10_000,
  ...listeners
}: SpawnOptions): Promise<EventStoreProcess> => {
  const script = fileURLToPath(new URL(`./main${extname(import.meta.url)}`, import.meta.url))
  const child = fork(script, [], {
    env: { ...process.env, EVENTSTORE_FOLDER: folder, EVENTSTORE_PORT: `${port}`, EVENTSTORE_HOST: host },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    // A Ctrl-C in the terminal is for the parent, which stops its children in its own order.
    detached: true,
  })
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)))
  const bound = await listening(child, exited, listeners)
  return {
    url: `esdb://${host.includes(':') ? `[${host}]` : host}:${bound}?tls=false`,
    host,
    port: bound,
    pid: child.pid!,
    exited,
    stop: async () => {
      child.kill('SIGTERM')
      const ended = await Promise.race([exited.then(() => true), sleep(stopGrace, undefined, { ref: false }).then(() => false)])
      if (!ended) child.kill('SIGKILL')
      await exited
    },
    kill: () => {
      child.kill('SIGKILL')
    },
  }
}

const listening = (
  child: ChildProcess,
  exited: Promise<number | null>,
  { onProgress, onChecked, onFull }: Pick<SpawnOptions, 'onProgress' | 'onChecked' | 'onFull'>,
): Promise<number> =>
  new Promise((resolve, reject) => {
    child.once('error', reject)
    child.on('message', (message: Message) => {
      if ('port' in message) resolve(message.port)
      else if ('error' in message) reject(new EventStoreFailed(message.error, { cause: message.name }))
      else if ('check' in message) onChecked?.(message.check)
      else if ('full' in message) onFull?.(message.full)
      else onProgress?.(message.done, message.total)
    })
    void exited.then((code) => reject(new EventStoreFailed(`the event store ended before it served (exit code ${code})`)))
  })
