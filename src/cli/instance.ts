import { type Connections, connect } from '../connect.js'
import { type Config, readConfig } from '../platform/config.js'
import { createLog, type Log } from '../platform/log.js'
import { untilSignalled } from './signals.js'

export type Instance = Connections & {
  readonly config: Config
  readonly log: Log
  /** Aborts at SIGINT and SIGTERM: what takes long then ends. A second signal ends the process. */
  readonly signal: AbortSignal
}

/**
 * Works with the instance that runs on the data folder, or with the stores that the environment names; else the embedded parts run for
 * as long as the work takes. The log goes to the standard error, warnings and worse alone unless LOG_LEVEL asks for more.
 */
export const withInstance = async <T>(work: (instance: Instance) => Promise<T>): Promise<T> => {
  const config = readConfig()
  const log = createLog(process.env.LOG_LEVEL ? config.logLevel : 'warn', { to: 2, format: config.logFormat })
  const { signal, done } = untilSignalled()
  const connections = await connect(config, { join: true, log, signal })
  try {
    return await work({ ...connections, config, log, signal })
  } finally {
    await connections.close()
    done()
  }
}
