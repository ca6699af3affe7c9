import { type Connections, connect } from '../connect.js'
import type { Config } from '../platform/config.js'
import { createLog, type Log } from '../platform/log.js'

export type Instance = Connections & {
  readonly config: Config
  readonly log: Log
  /** Aborts at SIGINT and SIGTERM: what takes long then ends. A second signal ends the process. */
  readonly signal: AbortSignal
}

export type WithInstance = <T>(config: Config, work: (instance: Instance) => Promise<T>) => Promise<T>

/**
 * Works with the instance that runs on the data folder, or with the stores that the environment names; else the embedded parts run for
 * as long as the work takes. The log goes to the standard error, warnings and worse alone unless LOG_LEVEL asks for more.
 */
export const withInstance: WithInstance = async (config, work) => {
  const log = createLog(process.env.LOG_LEVEL ? config.logLevel : 'warn', 2)
  const { signal, done } = untilSignalled()
  const connections = await connect(config, { join: true, log })
  try {
    return await work({ ...connections, config, log, signal })
  } finally {
    await connections.close()
    done()
  }
}

// One Ctrl-C under `npm start` comes twice: from the terminal, and handed on by npm.
const oneKeyPress = 500

const signals = ['SIGINT', 'SIGTERM'] as const

/** Aborts at the first SIGINT or SIGTERM, and ends the process at the second: what it started ends with it. */
export const untilSignalled = (): { readonly signal: AbortSignal; readonly done: () => void } => {
  const controller = new AbortController()
  let first = 0
  const onSignal = () => {
    if (!controller.signal.aborted) {
      first = performance.now()
      controller.abort()
    } else if (performance.now() - first > oneKeyPress) process.exit(130)
  }
  for (const signal of signals) process.on(signal, onSignal)
  const done = () => {
    for (const signal of signals) process.off(signal, onSignal)
  }
  return { signal: controller.signal, done }
}
