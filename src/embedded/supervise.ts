import { backoff } from '../platform/async.js'
import type { Log } from '../platform/log.js'

/** A child process that serves others at an address. */
export type RunningPart = {
  readonly url: string
  readonly port: number
  readonly pid: number
  readonly exited: Promise<unknown>
  readonly stop: () => Promise<void>
}

export type Supervised = {
  readonly url: string
  readonly port: number
  readonly stop: () => Promise<void>
}

/** `ending` aborts when the part is not wanted any more: a start that waits for something gives up then. */
export type Start = (port: number | undefined, ending: AbortSignal) => Promise<RunningPart>

/**
 * Starts a part, and starts it again at the same address whenever it ends by itself, so that its clients need only reconnect. Throws
 * where the first start fails; later ones are tried for as long as it takes.
 */
export const supervise = async (name: string, start: Start, log: Log, port?: number): Promise<Supervised> => {
  const began = performance.now()
  const ending = new AbortController()
  let part = await start(port, ending.signal)
  const { url } = part
  const address = new URL(url).host
  log.info({ part: name, address, pid: part.pid, ms: Math.round(performance.now() - began) }, `${name} is up at ${address}`)

  const again = async (): Promise<RunningPart | undefined> => {
    for (const pause = backoff(ending.signal, { first: 100, most: 5_000 }); !ending.signal.aborted; await pause()) {
      try {
        return await start(part.port, ending.signal)
      } catch (error) {
        if (ending.signal.aborted) return undefined
        log.error({ part: name, err: error }, `${name} could not be started again`)
      }
    }
    return undefined
  }

  const watch = async (): Promise<void> => {
    while (!ending.signal.aborted) {
      const how = await part.exited
      if (ending.signal.aborted) return
      log.error({ part: name, how }, `${name} ended unexpectedly and is started again`)
      const next = await again()
      if (!next) return
      part = next
      // It may have been told to end while it started.
      if (ending.signal.aborted) await part.stop()
      else log.info({ part: name, address, pid: part.pid }, `${name} is up again at ${address}`)
    }
  }
  const watching = watch()

  const stop = async () => {
    ending.abort()
    await part.stop()
    await watching
  }
  return { url, port: part.port, stop }
}
