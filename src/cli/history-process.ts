import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { backoff } from '../platform/async.js'
import type { Log } from '../platform/log.js'

/**
 * Serves the history in a process of its own, so that no query slows the shop, and starts it again where it ends. It joins the stores that
 * are named, and ends with this process.
 */
export const keepHistoryServed = (
  stores: { readonly eventstoreUrl: string; readonly databaseUrl: string },
  port: number,
  log: Log,
  signal: AbortSignal,
): { readonly stopped: Promise<void> } => {
  const cli = fileURLToPath(new URL('./index.js', import.meta.url))
  const env = { ...process.env, EVENTSTORE_URL: stores.eventstoreUrl, DATABASE_URL: stores.databaseUrl }
  const keep = async (): Promise<void> => {
    const pause = backoff(signal)
    while (!signal.aborted) {
      const child = fork(cli, ['history', 'serve', '--port', `${port}`], { env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
      const stop = (): void => void child.kill('SIGTERM')
      signal.addEventListener('abort', stop, { once: true })
      const code = await ended(child)
      signal.removeEventListener('abort', stop)
      if (signal.aborted) return
      log.warn({ part: 'history', code }, 'the history is served no more; it is started again')
      await pause()
    }
  }
  return { stopped: keep() }
}

const ended = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve) => {
    child.once('exit', (code) => resolve(code))
    child.once('error', () => resolve(null))
  })
