import { connect } from 'node:tls'
import { parseConnectionString } from '@eventstore/db-client/dist/Client/parseConnectionString.js'
import { StoreUnavailable } from './store.js'

/** Milliseconds for one host: what does not answer by then is away, or speaks something else. */
const patience = 1_000

/**
 * The error, with a guess where the address says `tls=false` and TLS is spoken there: a server of TLS only drops a connection that is
 * plain, which looks like a store that is away.
 */
export const withTlsGuess = async (url: string, error: unknown): Promise<unknown> => {
  if (!(error instanceof StoreUnavailable) || error.missing !== undefined) return error
  const { tls, hosts } = parseConnectionString(url)
  if (tls !== false) return error
  const answers = await Promise.all(hosts.map(({ address, port }) => speaksTls(address, port)))
  if (!answers.includes(true)) return error
  return new StoreUnavailable(error.message, {
    cause: error,
    missing: 'it seems to speak TLS alone: perhaps tls=false in the address is wrong',
  })
}

const speaksTls = (host: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    // Nothing is told to whoever answers, so it need not be trusted.
    const socket = connect({ host, port, rejectUnauthorized: false, timeout: patience })
    const end = (speaks: boolean) => () => {
      socket.destroy()
      resolve(speaks)
    }
    socket.once('secureConnect', end(true)).once('error', end(false)).once('timeout', end(false)).once('close', end(false))
  })
